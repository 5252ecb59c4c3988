"""Checks of a figure against a fixed bound, from ``suite_results`` and its intervals.

Items are not averaged anew here: a suite may correct its figure for what it knows (labels that are
noise, a judge that errs), which a mean over items does not.
"""

import math
from datetime import date
from typing import Any

import polars as pl
from scipy import special

from evaluation.gate.bounds import Measured, from_interval
from evaluation.gate.categories import Part, parts_of
from evaluation.gate.evidence import Evidence
from evaluation.gate.findings import NO_ANSWER, Finding, held_to
from evaluation.gate.policy import Check, EvidenceRules

POOLED_METHOD = "small categories pooled by their numbers of items, normal"
NO_LEVEL = "run {} does not state the level of its intervals (statistics.alpha in its config)"
ESTIMATE_ITSELF = "none: the estimate itself"
UNSURE = 0.5
"""Standard error of one answer of yes or no, at most; for a category of a single product."""


def threshold_findings(
    check: Check, evidence: Evidence, candidate: str, rules: EvidenceRules, *, as_of: date
) -> list[Finding]:
    """What there is about a check against a fixed bound.

    Args:
        check: The rule.
        evidence: What was read.
        candidate: Subject.
        rules: What evidence must be like.
        as_of: Day its age is judged on.

    Returns:
        One finding, or one for every category that is checked for itself.
    """
    rows = evidence.results.filter(pl.col("metric") == check.metric)
    if check.suite is not None:
        rows = rows.filter(pl.col("suite") == check.suite)
    own = rows.filter(pl.col("subject") == candidate)
    empty = Finding(check)
    if own.height == 0:
        return [empty.blocked("error", f"no suite_results has {check.metric} of {candidate}")]
    if (several := _several(own, evidence)) is not None:
        return [empty.blocked("error", several)]
    rows = rows.filter(pl.col("suite") == own["suite"][0])
    found = []
    for part in _parts(check, rows):
        finding = _measured(check, part, rows, candidate, evidence)
        source = evidence.sources[own["source"][0]]
        found.append(held_to(finding, rules, (source,), as_of=as_of))
    return found or [empty.blocked("error", f"no category has {check.metric}")]


def _several(own: pl.DataFrame, evidence: Evidence) -> str | None:
    """What is wrong if the figures are not of one suite and one run."""
    suites = sorted(own["suite"].unique())
    if len(suites) > 1:
        return f"several suites have it: {', '.join(suites)}; the policy must name one (suite)"
    places = sorted(own["source"].unique())
    if len(places) > 1:
        runs = ", ".join(evidence.sources[place].ref.run_id for place in places)
        return f"several runs have it: {runs}; name one of them"
    return None


def _parts(check: Check, rows: pl.DataFrame) -> list[Part]:
    """What is checked for itself; a category that any subject was asked about is one."""
    if check.by is None:
        return [Part(check.slice)]
    asked = (
        rows.filter(pl.col("slice").str.starts_with("category="))
        .group_by("slice")
        .agg((pl.col("n") + pl.col("n_unscored")).max())
    )
    sizes = {name.removeprefix("category="): n for name, n in asked.sort("slice").rows()}
    return parts_of(sizes, min_items=check.min_items)


def _measured(
    check: Check, part: Part, rows: pl.DataFrame, candidate: str, evidence: Evidence
) -> Finding:
    names = [f"category={name}" for name in part.categories] if check.by else [part.name]
    inside = rows.filter(pl.col("slice").is_in(names))
    own = inside.filter(pl.col("subject") == candidate).sort("slice")
    asked = inside.group_by("slice").agg((pl.col("n") + pl.col("n_unscored")).max())
    finding = Finding(
        check,
        part.name,
        part.categories if part.is_pooled else (),
        suite=rows["suite"][0],
        n=int(own["n"].sum()),
        n_unscored=int(own["n_unscored"].sum()),
        n_listed=int((own["n"] + own["n_unscored"]).sum()),
        n_asked=int(asked["n"].sum()),
    )
    if own.height == 0:
        return finding.blocked("error", f"no suite_results has {check.metric} of {part.name}")
    source = evidence.sources[own["source"][0]]
    finding = finding._replace(evidence=source.ref)
    if finding.n == 0:
        return finding.blocked("error", NO_ANSWER)
    if check.bound == "point":
        found = _point(check, own)
    elif source.confidence is None:
        found = NO_LEVEL.format(source.ref.run_id)
    elif part.is_pooled:
        found = _pool(check, own, source.confidence)
    else:
        found = _stored(check, own.row(0, named=True), source.confidence)
    if isinstance(found, str):
        return finding.blocked("error", found)
    return finding._replace(measured=found)


def _stored(check: Check, row: dict[str, Any], confidence: float) -> Measured | str:
    """The suite's own interval; or why there is none."""
    if row["estimate"] is None or row["ci_lower"] is None or row["ci_upper"] is None:
        return f"it has no interval: {row['ci_method']}"
    return from_interval(
        row["estimate"],
        (row["ci_lower"], row["ci_upper"]),
        method=row["ci_method"],
        confidence=confidence,
        threshold=check.threshold,
        sign=check.sign,
    )


def _point(check: Check, own: pl.DataFrame) -> Measured | str:
    """The estimate itself, taken as if it were exact; or why there is none."""
    known = own.filter(pl.col("estimate").is_not_null() & (pl.col("n") > 0))
    if known.height == 0:
        return "it has no estimate"
    estimate = _mean(known)
    p_pass = 0.0 if check.sign * (estimate - check.threshold) >= 0 else 1.0
    return Measured(estimate, estimate, estimate, ESTIMATE_ITSELF, 0.0, 0.0, p_pass, 1 - p_pass)


def _pool(check: Check, own: pl.DataFrame, confidence: float) -> Measured | str:
    """Categories as one: their mean by items, their errors as independent; or why there is none."""
    known = own.filter(pl.col("estimate").is_not_null() & (pl.col("n") > 0))
    if known.height == 0:
        return "no pooled category has an estimate"
    limits = known.select("ci_lower", "ci_upper")
    is_share = bool(known["estimate"].is_between(0, 1).all())
    if sum(limits.null_count().row(0)) and not is_share:
        return "a pooled category has no interval"
    estimate, weight = _mean(known), known["n"] / int(known["n"].sum())
    unsure = UNSURE * float(special.ndtri((1 + confidence) / 2))
    halves = [
        (known["estimate"] - known["ci_lower"]).fill_null(unsure),
        (known["ci_upper"] - known["estimate"]).fill_null(unsure),
    ]
    below, above = (math.sqrt(((weight * half) ** 2).sum()) for half in halves)
    return from_interval(
        estimate,
        (estimate - below, estimate + above),
        method=POOLED_METHOD,
        confidence=confidence,
        threshold=check.threshold,
        sign=check.sign,
    )


def _mean(rows: pl.DataFrame) -> float:
    return float((rows["estimate"] * rows["n"]).sum()) / int(rows["n"].sum())
