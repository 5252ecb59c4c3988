"""The one function that decides. Text, JSON, HTML, JUnit and the exit code are views of its result.

It reads no file, no clock and no random number: the same artifacts, policy and days give the same
report.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

from caig.contracts.records import GateCheck, GatePolicyRef, GateReport, GateStatus, GateWaiver
from evaluation.gate import words
from evaluation.gate.bounds import more_items
from evaluation.gate.comparisons import comparison_findings
from evaluation.gate.evidence import Evidence
from evaluation.gate.findings import Finding
from evaluation.gate.policy import GatePolicy, ReadPolicy, Waiver
from evaluation.gate.thresholds import threshold_findings
from evaluation.metrics.paired import holm

EXIT_SHIP, EXIT_REJECT, EXIT_INCONCLUSIVE, EXIT_INCOMPLETE = 0, 3, 4, 5

Verdict = Literal["ship", "review", "reject"]


class Tested(NamedTuple):
    """P-values of one finding.

    Attributes:
        p_pass: Corrected, against "the bound is missed"; 1 if there is no figure.
        p_fail: Corrected, against "the bound is kept".
        pass_level: Level a pass is held to as long as the other checks stay as they are.
        fail_level: The same of a fail.
    """

    p_pass: float
    p_fail: float
    pass_level: float
    fail_level: float


def decide(
    read: ReadPolicy,
    evidence: Evidence,
    subjects: tuple[str, str | None],
    *,
    as_of: date,
    created_at: datetime,
) -> GateReport:
    """Judge a candidate by a policy.

    Args:
        read: The policy.
        evidence: What was read.
        subjects: Candidate, and incumbent or None.
        as_of: Day on which waivers and the age of evidence are judged (UTC).
        created_at: Stands in the report, and nowhere else.
    """
    policy = read.policy
    findings = all_findings(policy, evidence, subjects, as_of=as_of)
    tests = tested(findings, policy)
    checks = tuple(
        _waived(_check(finding, test, policy), policy, as_of=as_of)
        for finding, test in zip(findings, tests, strict=True)
    )
    verdict, exit_code = verdict_of(checks)
    void = [waiver for waiver in policy.waivers if waiver.expires < as_of]
    return GateReport(
        subject=subjects[0],
        baseline=subjects[1],
        policy=GatePolicyRef(name=read.name, sha256=read.sha256),
        checks=checks,
        verdict=verdict,
        exit_code=exit_code,
        headline=words.headline(verdict, checks, subjects),
        notes=tuple(words.notes(checks, policy.waivers, as_of=as_of)),
        family=words.family(checks, policy.statistics),
        as_of=as_of,
        runs=evidence.runs,
        artifacts=tuple(source.ref for source in evidence.sources),
        void_waivers=tuple(_recorded(waiver) for waiver in void),
        created_at=created_at,
    )


def verdict_of(checks: Sequence[GateCheck]) -> tuple[Verdict, int]:
    """Verdict and exit code of checks.

    A blocking fail rejects. Any other blocking check that neither passed nor is waived asks for
    review, and so does a report in which no blocking check passed.
    """
    blocking = [check.status for check in checks if check.blocking]
    if "fail" in blocking:
        return "reject", EXIT_REJECT
    if "error" in blocking or "not_applicable" in blocking:
        return "review", EXIT_INCOMPLETE
    if "inconclusive" in blocking:
        return "review", EXIT_INCONCLUSIVE
    if "pass" not in blocking:
        return "review", EXIT_INCOMPLETE
    return "ship", EXIT_SHIP


def all_findings(
    policy: GatePolicy, evidence: Evidence, subjects: tuple[str, str | None], *, as_of: date
) -> list[Finding]:
    """What the evidence says about every check, in the policy's order.

    Args:
        policy: The rules.
        evidence: What was read.
        subjects: Candidate, and incumbent or None.
        as_of: Day on which the age of evidence is judged (UTC).
    """
    found: list[Finding] = []
    for check in policy.checks:
        if check.is_comparison:
            found += comparison_findings(
                check, evidence, subjects, policy.evidence, policy.statistics, as_of=as_of
            )
        else:
            found += threshold_findings(check, evidence, subjects[0], policy.evidence, as_of=as_of)
    return found


def tested(findings: Sequence[Finding], policy: GatePolicy) -> list[Tested]:
    """Correct the p-values of the blocking checks.

    The family is every blocking check, parts by category counted one by one, and those whose
    evidence is missing too: what a check is held to must not get easier because another one could
    not be made. Checks that only warn are not corrected.

    Args:
        findings: In the policy's order.
        policy: Levels.
    """
    alpha = policy.statistics.alpha
    raw = [_p_values(finding) for finding in findings]
    family = [i for i, finding in enumerate(findings) if finding.check.severity == "block"]
    if policy.statistics.correction == "none":
        return [Tested(*both, alpha, alpha) for both in raw]
    passes = holm([raw[i][0] for i in family])
    fails = holm([raw[i][1] for i in family])
    levels = [alpha / max(sum(p > alpha for p in found), 1) for found in (passes, fails)]
    corrected = dict(zip(family, zip(passes, fails, strict=True), strict=True))
    return [
        Tested(*corrected[i], *levels) if i in corrected else Tested(*both, alpha, alpha)
        for i, both in enumerate(raw)
    ]


def _p_values(finding: Finding) -> tuple[float, float]:
    if finding.measured is None or finding.obstacle is not None:
        return 1.0, 1.0
    return finding.measured.p_pass, finding.measured.p_fail


def _check(finding: Finding, test: Tested, policy: GatePolicy) -> GateCheck:
    check, measured = finding.check, finding.measured
    has_interval = measured is not None and check.bound == "interval"
    counts = measured is not None and finding.obstacle is None
    status = _status(finding, test, policy.statistics.alpha)
    needed = _needed(finding, test, policy) if status == "inconclusive" else []
    return GateCheck(
        id=check.id,
        status=status,
        observed=measured.estimate if measured else None,
        ci_lower=measured.lower if measured and has_interval else None,
        ci_upper=measured.upper if measured and has_interval else None,
        ci_method=measured.method if measured else None,
        required=words.required(check),
        n=finding.n,
        evidence=finding.evidence,
        blocking=check.severity == "block",
        slice=finding.part,
        categories=finding.categories,
        suite=finding.suite,
        metric=check.metric,
        threshold=check.threshold,
        keeps="above" if check.sign > 0 else "below",
        unit=check.unit,
        ci_confidence=measured.confidence if measured and has_interval else None,
        candidate_value=finding.values[0] if finding.values else None,
        incumbent_value=finding.values[1] if finding.values else None,
        n_unscored=finding.n_unscored,
        coverage=finding.coverage,
        n_clusters=finding.n_clusters,
        p_pass=measured.p_pass if measured and counts and has_interval else None,
        p_pass_adj=test.p_pass if counts and has_interval else None,
        p_fail=measured.p_fail if measured and counts and has_interval else None,
        p_fail_adj=test.p_fail if counts and has_interval else None,
        more_items=min((need.items for need in needed), default=None),
        reason=words.reason(finding, status, needed, policy.statistics),
        why=check.why,
        baseline_evidence=finding.baseline_evidence,
    )


def _status(finding: Finding, test: Tested, alpha: float) -> GateStatus:
    if finding.obstacle is not None:
        return finding.obstacle.status
    if test.p_pass <= alpha:
        return "pass"
    return "fail" if test.p_fail <= alpha else "inconclusive"


def _needed(finding: Finding, test: Tested, policy: GatePolicy) -> list[words.Needed]:
    """Items still needed for an answer, by what is taken to be the truth.

    A comparison is planned for a candidate that is as good as the incumbent. Where there are enough
    items for that already, and for fixed bounds, the truth is taken to be what was observed; so it
    is where that lies on the wrong side of the bound.
    """
    if finding.obstacle is not None:
        more = finding.obstacle.more_items
        return [] if more is None else [words.Needed(more, "policy")]
    measured, check, power = finding.measured, finding.check, policy.statistics.power
    assert measured is not None
    assert finding.n
    found = []
    if check.margin:
        more = more_items(
            measured.error, finding.n, check.margin, alpha=test.pass_level, power=power
        )
        if more:
            found.append(words.Needed(more, "no deficit"))
    distance = check.sign * (measured.estimate - check.threshold)
    is_missed = distance < 0
    level = test.fail_level if is_missed else test.pass_level
    more = more_items(measured.error, finding.n, distance, alpha=level, power=power)
    if more is not None and (is_missed or not found):
        found.append(words.Needed(more, "fail as observed" if is_missed else "pass as observed"))
    return found


def _waived(check: GateCheck, policy: GatePolicy, *, as_of: date) -> GateCheck:
    """The check, waived if it did not pass and someone answers for it today."""
    if check.status == "pass":
        return check
    for waiver in policy.waivers:
        if waiver.is_for(check.id, check.slice) and waiver.expires >= as_of:
            return check.model_copy(
                update={"status": "waived", "found": check.status, "waiver": _recorded(waiver)}
            )
    return check


def _recorded(waiver: Waiver) -> GateWaiver:
    return GateWaiver(**waiver.model_dump())
