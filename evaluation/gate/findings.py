"""What a check finds in the evidence, before anything is decided."""

from datetime import date
from typing import Literal, NamedTuple

from caig.contracts.records import ArtifactRef
from evaluation.gate.bounds import Measured
from evaluation.gate.evidence import Source
from evaluation.gate.policy import Check, EvidenceRules

NO_ANSWER = "no item has an answer"


class Obstacle(NamedTuple):
    """Why a check cannot be decided by its figures.

    Attributes:
        status: What it is instead.
        reason: Why, in words.
        more_items: Items short; None unless that is why.
    """

    status: Literal["error", "inconclusive", "not_applicable"]
    reason: str
    more_items: int | None = None


class Finding(NamedTuple):
    """One check, or one part of it.

    Attributes:
        check: The rule.
        part: Part of the data.
        categories: Categories pooled in it; empty if none are.
        suite: Suite that made the figures.
        measured: Estimate and bound; None if there is none.
        n: Items with a value.
        n_unscored: Asked items without, of the subject that has more of them.
        n_listed: Items that subject was asked.
        n_asked: Items any subject was asked.
        n_clusters: Their products, where known.
        values: Means of candidate and incumbent, of a comparison.
        evidence: Source of the candidate's figures.
        baseline_evidence: Source of the incumbent's.
        obstacle: Why the figures do not count; None if they do.
    """

    check: Check
    part: str = "all"
    categories: tuple[str, ...] = ()
    suite: str | None = None
    measured: Measured | None = None
    n: int | None = None
    n_unscored: int | None = None
    n_listed: int | None = None
    n_asked: int | None = None
    n_clusters: int | None = None
    values: tuple[float, float] | None = None
    evidence: ArtifactRef | None = None
    baseline_evidence: ArtifactRef | None = None
    obstacle: Obstacle | None = None

    def blocked(
        self,
        status: Literal["error", "inconclusive", "not_applicable"],
        reason: str,
        *,
        more_items: int | None = None,
    ) -> "Finding":
        """The finding with an obstacle; of several the first stays, but too few is no error."""
        stays = self.obstacle is not None and "inconclusive" not in (self.obstacle.status, status)
        if self.obstacle is not None and (stays or status == "inconclusive"):
            return self
        return self._replace(obstacle=Obstacle(status, reason, more_items))

    @property
    def coverage(self) -> float | None:
        """Items with a value over items any subject was asked."""
        if self.n is None or not self.n_asked:
            return None
        return min(self.n / self.n_asked, 1.0)


def held_to(
    finding: Finding, rules: EvidenceRules, sources: tuple[Source, ...], *, as_of: date
) -> Finding:
    """The finding, with an obstacle if its evidence breaks a rule.

    Args:
        finding: With its counts.
        rules: What evidence must be like.
        sources: Where it is from.
        as_of: Day its age is judged on.
    """
    check = finding.check
    most = rules.max_error_rate if check.max_error_rate is None else check.max_error_rate
    least = rules.min_coverage if check.min_coverage is None else check.min_coverage
    n, missing, listed = finding.n or 0, finding.n_unscored or 0, finding.n_listed or 0
    if n == 0:
        return finding.blocked("error", NO_ANSWER)
    share = missing / listed
    if share > most:
        finding = finding.blocked(
            "error",
            f"{missing:,} of {listed:,} items have no answer ({100 * share:.1f} %); at most "
            f"{100 * most:g} % may",
        )
    if finding.coverage is not None and finding.coverage < least:
        finding = finding.blocked(
            "error",
            f"the figure rests on {n:,} of {finding.n_asked:,} items ({100 * finding.coverage:.1f} "
            f"%); at least {100 * least:g} % must have a value",
        )
    for source in sources:
        age = (as_of - source.made_on).days
        if rules.max_age_days is not None and age > rules.max_age_days:
            finding = finding.blocked(
                "error",
                f"the evidence of {source.ref.run_id} is {age:,} days old; at most "
                f"{rules.max_age_days:,} count",
            )
    if n < check.min_items:
        finding = finding.blocked(
            "inconclusive",
            f"{n:,} items are too few: the policy asks for {check.min_items:,}",
            more_items=check.min_items - n,
        )
    return finding
