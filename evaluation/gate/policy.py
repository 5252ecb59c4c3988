"""Gate policies: what a launch must keep, written down in TOML before anyone looks.

A policy names no run and no generator, so that one file, with one hash, judges every launch. What
must not be forgotten has no default: the shares of items that may go without an answer.
"""

import hashlib
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from caig.config import Config, load_config


class GateStatistics(Config):
    """Levels."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided level: chance of passing a check whose truth lies exactly at the bound, and of
    failing one."""
    correction: Literal["holm", "none"] = "holm"
    """Correction over all blocking checks, of passes and of fails each for itself."""
    power: float = Field(default=0.8, gt=0.5, lt=1)
    """Chance of an answer that "more items needed" is for."""
    min_products: int = Field(default=30, ge=2)
    """Fewest products a comparison with the incumbent may rest on; categories of fewer are
    pooled."""


class EvidenceRules(Config):
    """What evidence must be like to count; a check that breaks one of these is an error."""

    max_error_rate: float = Field(ge=0, lt=1)
    """Largest share of asked items without an answer. Required."""
    min_coverage: float = Field(gt=0, le=1)
    """Smallest share of the items any subject was asked that the figure rests on. Required."""
    max_age_days: int | None = Field(default=None, ge=0)
    """Age of a run from which it no longer counts (days)."""


class Check(Config):
    """One rule. Exactly one of ``at_least``, ``at_most`` and ``margin`` is stated."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9_.-]*$")
    """Name of the rule."""
    metric: str
    """Metric, as suite_results or item_scores names it."""
    suite: str | None = None
    """Suite and version; needed if several suites have the metric."""
    at_least: float | None = None
    """The lower bound of the metric must not be below this."""
    at_most: float | None = None
    """The upper bound of the metric must not be above this."""
    margin: float | None = Field(default=None, ge=0)
    """Compared with the incumbent on the same items: the candidate may be worse by less than this;
    0 asks for better."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is better, for margin."""
    bound: Literal["interval", "point"] = "interval"
    """What is held against the threshold; the estimate itself only in a check that warns."""
    slice: str = "all"
    """Part of the data."""
    by: Literal["category"] | None = None
    """One check for every category."""
    min_items: int = Field(default=1, ge=1)
    """Fewest items; categories with fewer are pooled."""
    severity: Literal["block", "warn"] = "block"
    """Whether anything but a pass prevents the launch."""
    unit: Literal["percent", "number"] = "number"
    """How the figures are written."""
    max_error_rate: float | None = Field(default=None, ge=0, lt=1)
    """Over the one of all evidence, for this check."""
    min_coverage: float | None = Field(default=None, gt=0, le=1)
    """Over the one of all evidence, for this check."""
    why: str = ""
    """Why the rule is there; shown in the report."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> "Check":
        stated = [name for name in ("at_least", "at_most", "margin") if self._has(name)]
        if len(stated) != 1:
            raise ValueError(
                f"check '{self.id}' states {' and '.join(stated) or 'no bound'}; it must state one "
                "of at_least, at_most and margin"
            )
        if self.bound == "point" and (self.severity == "block" or self.margin is not None):
            raise ValueError(
                f"check '{self.id}': bound = \"point\" looks at no interval; only a threshold with "
                'severity = "warn" may'
            )
        if self.by is not None and self.slice != "all":
            raise ValueError(f"check '{self.id}' states slice and by; one of them")
        return self

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    @property
    def is_comparison(self) -> bool:
        """True if the candidate is held against the incumbent."""
        return self.margin is not None

    @property
    def threshold(self) -> float:
        """The bound, on the scale of the estimate."""
        if self.margin is not None:
            return -self.margin if self.better == "higher" else self.margin
        bound = self.at_least if self.at_least is not None else self.at_most
        assert bound is not None
        return bound

    @property
    def sign(self) -> int:
        """1 if the estimate must lie above the threshold, -1 if below."""
        if self.margin is not None:
            return 1 if self.better == "higher" else -1
        return 1 if self.at_least is not None else -1


class Waiver(Config):
    """A check that someone answers for, until a day. Afterwards it is void."""

    check: str
    """Check it is for."""
    slice: str | None = None
    """Part of it, e.g. category=Shoes; all of it if not stated."""
    owner: str = Field(min_length=1)
    """Who answers for it."""
    reason: str = Field(min_length=1)
    """Why the launch may go on without it."""
    expires: date
    """Last day it holds (UTC)."""
    ticket: str | None = None
    """Where it was agreed."""

    def is_for(self, check: str, part: str) -> bool:
        """True if it is for this part of this check."""
        return self.check == check and self.slice in (None, part)


class GatePolicy(Config):
    """Rules of a gate."""

    format: Literal["gate_policy/1"]
    """Format and version of the policy file."""
    title: str = ""
    """What it is for, in words."""
    statistics: GateStatistics = GateStatistics()
    """Levels."""
    evidence: EvidenceRules
    """What evidence must be like to count."""
    checks: tuple[Check, ...] = Field(min_length=1)
    """The rules."""
    waivers: tuple[Waiver, ...] = ()
    """Checks that someone answers for."""

    @model_validator(mode="after")
    def _holds_together(self) -> "GatePolicy":
        names = [check.id for check in self.checks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"checks of one id: {', '.join(repeated)}")
        if all(check.severity == "warn" for check in self.checks):
            raise ValueError("no check blocks: such a policy decides nothing")
        unknown = sorted({waiver.check for waiver in self.waivers} - set(names))
        if unknown:
            raise ValueError(f"waivers of checks that do not exist: {', '.join(unknown)}")
        return self


class ReadPolicy(NamedTuple):
    """A policy as it was read.

    Attributes:
        policy: The rules.
        name: File name.
        text: The file's content.
        sha256: SHA-256 of it, hex.
    """

    policy: GatePolicy
    name: str
    text: str
    sha256: str


def read_policy(path: Path) -> ReadPolicy:
    """Read and check a policy file.

    Raises:
        ConfigError: It cannot be read, or is no policy; every problem is listed.
    """
    policy = load_config(GatePolicy, path)
    content = path.read_bytes()
    return ReadPolicy(policy, path.name, content.decode(), hashlib.sha256(content).hexdigest())
