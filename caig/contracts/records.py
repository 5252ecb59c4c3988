"""Records: JSON or JSONL objects, frozen, with no unknown keys.

Fields are documented by the text under them; the contract page is made from it.
"""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Field(ge=0, le=1)
Sha256 = Field(pattern="^[0-9a-f]{64}$")


class Record(BaseModel):
    """Base of every record."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class ArtifactRef(Record):
    """Points at one artifact of one run."""

    run_id: str
    """Run that holds it."""
    artifact: str
    """Its name in that run's manifest."""
    sha256: str = Sha256
    """SHA-256 of its content, hex."""


class RunInput(Record):
    """A run this one was made from."""

    run_id: str
    """Its id."""
    manifest_sha256: str = Sha256
    """SHA-256 of its manifest, hex: the input cannot change unnoticed."""


class GatePolicyRef(Record):
    """The rules a gate decided by."""

    name: str
    """File name of the policy."""
    sha256: str = Sha256
    """SHA-256 of its content, hex."""


class GateWaiver(Record):
    """A rule that someone answers for, for a time."""

    check: str
    """Rule it is for."""
    slice: str | None = None
    """Part of the rule it is for; null for all of it."""
    owner: str
    """Who answers for it."""
    reason: str
    """Why."""
    expires: date
    """Last day it holds (UTC)."""
    ticket: str | None = None
    """Where it was agreed; null if not stated."""


GateStatus = Literal["pass", "fail", "inconclusive", "error", "waived", "not_applicable"]


class GateCheck(Record):
    """One rule of a gate, or one category of it, and what was found."""

    id: str
    """Rule's identifier in the policy."""
    status: GateStatus
    """Outcome. ``inconclusive``: the interval reaches over the bound; ``error``: no evidence."""
    observed: float | None = None
    """Estimate, in the metric's unit; None if there is none. Of a comparison: the difference,
    candidate minus incumbent."""
    ci_lower: float | None = None
    """Lower interval limit."""
    ci_upper: float | None = None
    """Upper interval limit."""
    ci_method: str | None = None
    """How the interval was made."""
    required: str
    """The bound in words, e.g. ``>= 0.90``."""
    n: int | None = Field(default=None, ge=0)
    """Items the estimate rests on (count)."""
    evidence: ArtifactRef | None = None
    """Where the figures come from."""
    blocking: bool
    """Whether anything but a pass prevents ``ship``."""
    slice: str = "all"
    """Part of the data, e.g. ``category=Shoes``."""
    categories: tuple[str, ...] = ()
    """Categories that were pooled, as each has too few items; empty if none were."""
    suite: str | None = None
    """Suite that made the figures; None if none did."""
    metric: str | None = None
    """Metric."""
    threshold: float | None = None
    """The bound as a number: smallest or largest value, or of a comparison the difference that is
    just not allowed."""
    keeps: Literal["above", "below"] | None = None
    """On which side of it the value must lie."""
    ci_confidence: float | None = Field(default=None, gt=0, lt=1)
    """Two-sided confidence of the interval."""
    unit: Literal["percent", "number"] = "number"
    """How the policy has the figures written; here they are fractions all the same."""
    candidate_value: float | None = None
    """Of a comparison: mean of the candidate."""
    incumbent_value: float | None = None
    """Of a comparison: mean of the incumbent."""
    n_unscored: int | None = Field(default=None, ge=0)
    """Items that were asked and have no answer (count); of a comparison, of whichever subject has
    more."""
    coverage: float | None = Field(default=None, ge=0, le=1)
    """Items the estimate rests on, over all that any subject was asked."""
    n_clusters: int | None = Field(default=None, ge=0)
    """Products they are of (count); None if the evidence does not say."""
    p_pass: float | None = Field(default=None, ge=0, le=1)
    """One-sided p-value against "the bound is missed"."""
    p_pass_adj: float | None = Field(default=None, ge=0, le=1)
    """The same, corrected for the number of blocking checks."""
    p_fail: float | None = Field(default=None, ge=0, le=1)
    """One-sided p-value against "the bound is kept"."""
    p_fail_adj: float | None = Field(default=None, ge=0, le=1)
    """The same, corrected."""
    more_items: int | None = Field(default=None, ge=0)
    """Inconclusive: items needed besides those there are (count); None if it cannot be told."""
    reason: str = ""
    """What was found, in a sentence."""
    why: str = ""
    """Why the policy has the rule."""
    found: GateStatus | None = None
    """Outcome without its waiver; None unless waived."""
    waiver: GateWaiver | None = None
    """Waiver that holds; None unless waived."""
    baseline_evidence: ArtifactRef | None = None
    """Where the incumbent's figures come from; None unless compared."""


class GateReport(Record):
    """Whether a generator may go live; ``gate_report/1``.

    A blocking fail rejects; a blocking inconclusive or error asks for review; nothing unchecked
    ships.
    """

    format: Literal["gate_report/1"] = "gate_report/1"
    """Format identifier."""
    subject: str
    """Candidate, as its evidence names it."""
    baseline: str | None = None
    """Incumbent, as its evidence names it; None if there is none."""
    policy: GatePolicyRef
    """Rules used."""
    checks: tuple[GateCheck, ...]
    """Every rule of the policy, checked or not."""
    verdict: Literal["ship", "review", "reject"]
    """The decision."""
    exit_code: int = Field(default=0, ge=0, le=5)
    """Exit code of the command: 0 ship, 3 reject, 4 review as something is inconclusive, 5 review
    as evidence is missing."""
    headline: str = ""
    """The decision in a sentence."""
    notes: tuple[str, ...] = ()
    """What a reader must know besides: void waivers, warnings."""
    family: str = ""
    """What the correction was made over, in words."""
    as_of: date | None = None
    """Day the waivers and the age of the evidence were judged on (UTC)."""
    runs: tuple[RunInput, ...] = ()
    """Runs named."""
    artifacts: tuple[ArtifactRef, ...] = ()
    """Every artifact read."""
    void_waivers: tuple[GateWaiver, ...] = ()
    """Waivers that have expired."""
    created_at: datetime
    """When (UTC)."""

    @model_validator(mode="after")
    def _verdict_follows(self) -> "GateReport":
        blocking = {check.status for check in self.checks if check.blocking}
        if self.verdict == "ship" and blocking - {"pass", "waived"}:
            raise ValueError("a blocking check neither passed nor waived forbids 'ship'")
        if "fail" in blocking and self.verdict != "reject":
            raise ValueError("a blocking fail must reject")
        if self.verdict == "ship" and not any(check.status == "pass" for check in self.checks):
            raise ValueError("nothing was checked, so nothing ships")
        return self


class Artifact(Record):
    """One file of a run."""

    path: str
    """Relative to the run folder."""
    format: str
    """Contract identifier such as ``lift_table/1``, or a media type such as ``text/html``."""
    sha256: str = Sha256
    """SHA-256 of the content, hex."""
    n_bytes: int = Field(ge=0)
    """Size (bytes)."""
    n_rows: int | None = Field(default=None, ge=0)
    """Rows (count); None if it is no table."""


class FileInput(Record):
    """A file outside any run that this one was made from."""

    path: str
    """Path as the user gave it."""
    sha256: str = Sha256
    """SHA-256 of the content, hex."""
    n_bytes: int = Field(ge=0)
    """Size (bytes)."""


class CodeVersion(Record):
    """Which code made the run."""

    version: str
    """Version of the distribution."""
    git: str | None = None
    """Commit, hex; None outside a checkout."""
    dirty: bool | None = None
    """True if the checkout had uncommitted changes; None if unknown or outside a checkout."""


class Environment(Record):
    """On what the run was made."""

    python: str
    """Python version."""
    platform: str
    """Operating system and processor."""
    packages: dict[str, str]
    """Versions of the packages whose numerics matter, by name."""
    device: str
    """``cpu``, or the accelerator's name."""


class RunManifest(Record):
    """What a run is: ``run/1``, the file ``manifest.json``, written last: it makes a run."""

    format: Literal["run/1"] = "run/1"
    """Format identifier."""
    run_id: str
    """Folder name: ``<UTC time>-<verb>-<4 hex>``."""
    verb: str
    """Command that made it."""
    config: dict[str, Any]
    """Configuration with all defaults."""
    config_passed: dict[str, Any]
    """Only what the user stated."""
    seed: int | None
    """Seed; None if nothing was random."""
    inputs: dict[str, RunInput]
    """Runs it was made from, by role."""
    files: tuple[FileInput, ...]
    """Files outside any run it was made from."""
    artifacts: dict[str, Artifact]
    """Its files, by name."""
    metrics: dict[str, float]
    """Headline figures, flat."""
    code: CodeVersion
    """Which code made it."""
    environment: Environment
    """On what it was made."""
    started_at: datetime
    """When it began (UTC)."""
    finished_at: datetime
    """When the manifest was written (UTC)."""


class PartialManifest(Record):
    """An unfinished run: ``manifest.partial.json``. It goes when the manifest comes."""

    run_id: str
    """Folder name."""
    verb: str
    """Command that began it."""
    started_at: datetime
    """When it began (UTC)."""
    pid: int = Field(gt=0, lt=2**31)
    """Process that writes it."""
    host: str
    """Machine that process runs on."""
    error: str | None = None
    """Why it failed; None if it is running or was killed."""


class LiftContrast(Record):
    """One treatment against control, in words and figures."""

    experiment_id: str
    """Experiment."""
    contrast: str
    """``treatment arm vs control arm``."""
    verdict: str
    """Verdict of the overall row; see ``lift_table``."""
    headline: str
    """The sentence a meeting begins with."""
    notes: tuple[str, ...]
    """What else must be said: failed checks first."""
    categories: tuple[str, ...]
    """What may be said of every category, one sentence each, most traffic first."""


class LiftReport(Record):
    """A lift analysis in one object; ``lift_report/1``.

    The rows are those of the run's tables, column by column as their contracts say.
    """

    format: Literal["lift_report/1"] = "lift_report/1"
    """Format and major version."""
    run_id: str
    """Run that holds it."""
    made_at: datetime
    """When (UTC)."""
    n_rows: int = Field(ge=0)
    """Rows read (count)."""
    n_rows_quarantined: int = Field(ge=0)
    """Rows set aside (count)."""
    files: tuple[FileInput, ...]
    """Files read."""
    config: dict[str, Any]
    """Configuration used, defaults included."""
    contrasts: tuple[LiftContrast, ...]
    """Every contrast; untrusted names are as the log has them."""
    tables: dict[str, list[dict[str, Any]]]
    """Rows by table, its format as key, e.g. ``lift_table/1``; days as ISO dates. All but the
    cube."""


RECORDS: dict[str, type[Record]] = {
    "gate_report/1": GateReport,
    "lift_report/1": LiftReport,
    "run/1": RunManifest,
}
"""Record formats by identifier."""
