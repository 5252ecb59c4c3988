"""A gate in words: what was required, what was found, what is needed to know more."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple

from caig import text
from caig.contracts.records import GateCheck, GateStatus
from evaluation.gate.findings import Finding
from evaluation.gate.policy import Check, GateStatistics, Waiver

Assumption = Literal["no deficit", "pass as observed", "fail as observed", "policy"]


class Needed(NamedTuple):
    """Items needed for an answer.

    Attributes:
        items: Besides those there are.
        assumption: What is taken to be the truth.
    """

    items: int
    assumption: Assumption


STATUS_WORDS = {
    "pass": "passed",
    "fail": "failed",
    "inconclusive": "inconclusive",
    "error": "without evidence",
    "waived": "waived",
    "not_applicable": "not applicable",
}

VERDICT_WORDS = {"ship": "Ship", "review": "Review", "reject": "Reject"}


def figure(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A figure: ``93.4 %``, ``0.72``, a difference with its sign."""
    if value is None:
        return text.UNKNOWN
    sign = "+" if signed else ""
    if unit == "percent":
        return f"{100 * value:{sign}z.1f}"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:{sign}z,.{digits}f}"


def unit_of(check: Check) -> str:
    """What follows a figure: a percent sign, points of difference, or nothing."""
    if check.unit != "percent":
        return ""
    return " points" if check.is_comparison else " %"


def required(check: Check) -> str:
    """The bound in words: ``>= 93 %``."""
    if check.margin is not None:
        worse = "below" if check.better == "higher" else "above"
        if check.margin == 0:
            return f"better ({'higher' if check.better == 'higher' else 'lower'}) than incumbent"
        return f"less than {_bare(check.margin, check)}{unit_of(check)} {worse} incumbent"
    sign = ">=" if check.sign > 0 else "<="
    return f"{sign} {_bare(check.threshold, check)}{unit_of(check)}"


def reason(
    finding: Finding,
    status: GateStatus,
    needed: Sequence[Needed],
    statistics: GateStatistics,
) -> str:
    """What was found, in a sentence or two.

    Args:
        finding: The check's figures.
        status: What they amount to.
        needed: Items still needed, if it is inconclusive.
        statistics: Levels.
    """
    if finding.obstacle is not None:
        said = _capital(finding.obstacle.reason)
        more = finding.obstacle.more_items
        return f"{said}: about {more:,} more items are needed." if more else f"{said}."
    found = observed(finding)
    bound = required(finding.check)
    if finding.check.bound == "point":
        return f"{found}: {'is' if status == 'pass' else 'is not'} {bound}."
    if status == "pass":
        return f"{found}: shown to be {bound}."
    if status == "fail":
        return f"{found}: shown not to be {bound}."
    return f"{found}: {_why_open(finding, statistics)}. {_needs(needed, statistics)}"


def observed(finding: Finding) -> str:
    """Estimate with its interval, and what it is of."""
    check, measured = finding.check, finding.measured
    assert measured is not None
    unit = unit_of(check)
    signed = check.is_comparison
    value = figure(measured.estimate, check.unit, signed=signed)
    limits = "".join(
        f" [{figure(measured.lower, check.unit, signed=signed)}, "
        f"{figure(measured.upper, check.unit, signed=signed)}]"
        for _ in range(check.bound == "interval")
    )
    if finding.values is None:
        return f"{value}{limits}{unit}"
    percent = " %" if check.unit == "percent" else ""
    candidate, incumbent = (figure(v, check.unit) for v in finding.values)
    return (
        f"{candidate}{percent} against {incumbent}{percent} of the incumbent, difference "
        f"{value}{limits}{unit}"
    )


def headline(verdict: str, checks: Sequence[GateCheck], subjects: tuple[str, str | None]) -> str:
    """The decision in a sentence."""
    candidate, incumbent = subjects
    against = f", against {incumbent}" if incumbent else ""
    blocking = [check for check in checks if check.blocking]
    tally = Counter(check.status for check in blocking)
    if verdict == "ship":
        waived = f", {tally['waived']:,} waived" if tally["waived"] else ""
        return (
            f"Ship {candidate}{against}: {tally['pass']:,} of "
            f"{text.plural(len(blocking), 'blocking check')} passed{waived}"
        )
    if verdict == "reject":
        failed = _listed([c for c in blocking if c.status == "fail"])
        return f"Reject {candidate}{against}: {failed} failed"
    parts = [
        f"{_listed(which)} {STATUS_WORDS[status]}"
        for status in ("inconclusive", "error", "not_applicable")
        if (which := [c for c in blocking if c.status == status])
    ]
    because = "; ".join(parts) or "no blocking check was passed"
    return f"Review {candidate}{against}: {because}"


def notes(checks: Sequence[GateCheck], waivers: Sequence[Waiver], *, as_of: date) -> Iterator[str]:
    """What a reader must know besides the checks."""
    for check in checks:
        if check.waiver is not None:
            by = check.waiver
            ticket = f" ({by.ticket})" if by.ticket else ""
            otherwise = STATUS_WORDS[check.found or "error"]
            yield (
                f"{name_of(check)} is waived by {by.owner} until {by.expires}{ticket}: "
                f"{by.reason}. Without that it would be: {otherwise}."
            )
    for waiver in waivers:
        part = f" ({waiver.slice})" if waiver.slice else ""
        of = f"The waiver of {waiver.check}{part} by {waiver.owner}"
        if waiver.expires < as_of:
            yield f"{of} expired on {waiver.expires} and is void."
        elif not any(waiver.is_for(check.id, check.slice) for check in checks):
            yield f"{of} is for no part that was checked."
    for status in ("fail", "inconclusive", "error", "not_applicable"):
        warned = [check for check in checks if not check.blocking and check.status == status]
        if warned:
            yield f"Warning, which does not block: {_listed(warned)} {STATUS_WORDS[status]}."


def family(checks: Sequence[GateCheck], statistics: GateStatistics) -> str:
    """Levels and their correction."""
    n = sum(check.blocking for check in checks)
    level = f"one-sided level {statistics.alpha:g}"
    if statistics.correction == "none":
        return f"{level}; every check for itself, no correction for their number"
    return f"{level}; Holm over {text.plural(n, 'blocking check')}, passes and fails each"


def name_of(check: GateCheck) -> str:
    """A check and its part of the data: ``match: Shoes``."""
    part = check.slice.removeprefix("category=")
    return check.id if check.slice == "all" else f"{check.id}: {part}"


def about(number: int) -> str:
    """A planned number with two significant digits, rounded up."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def _why_open(finding: Finding, statistics: GateStatistics) -> str:
    measured = finding.measured
    assert measured is not None
    if min(measured.p_pass, measured.p_fail) > statistics.alpha:
        return "the interval reaches over the bound"
    side = "" if measured.p_pass < measured.p_fail else "not "
    return (
        f"by itself shown {side}to be {required(finding.check)}, but not after correction for the "
        "number of checks"
    )


def _needs(needed: Sequence[Needed], statistics: GateStatistics) -> str:
    if not needed:
        return "The estimate lies at the bound: no number of items would tell."
    power = f"with {100 * statistics.power:g} % power"
    parts = [
        {
            "no deficit": f"{about(need.items)} more items would show it {power} if it is as good "
            "as the incumbent",
            "pass as observed": f"{about(need.items)} more items would show it {power} if the "
            "truth is as observed",
            "fail as observed": f"{about(need.items)} more would show that it is missed if the "
            "truth is as observed",
            "policy": f"{about(need.items)} more items are needed",
        }[need.assumption]
        for need in needed
    ]
    return f"About {'; '.join(parts)}."


def _listed(checks: Sequence[GateCheck]) -> str:
    shown = ", ".join(name_of(check) for check in checks[:3])
    return f"{shown} and {len(checks) - 3} more" if len(checks) > 3 else shown


def _bare(value: float, check: Check) -> str:
    return f"{100 * value:.4g}" if check.unit == "percent" else f"{value:g}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
