"""Checks of the candidate against the incumbent, on the same items, from ``item_scores``."""

from datetime import date

import numpy as np
import polars as pl

from evaluation.gate.bounds import paired
from evaluation.gate.categories import Part, parts_of
from evaluation.gate.evidence import Evidence
from evaluation.gate.findings import Finding, held_to
from evaluation.gate.policy import Check, EvidenceRules, GateStatistics

NO_CATEGORY = "(none)"


def comparison_findings(
    check: Check,
    evidence: Evidence,
    subjects: tuple[str, str | None],
    rules: EvidenceRules,
    statistics: GateStatistics,
    *,
    as_of: date,
) -> list[Finding]:
    """What there is about a check against the incumbent.

    Args:
        check: The rule.
        evidence: What was read.
        subjects: Candidate, and incumbent or None.
        rules: What evidence must be like.
        statistics: Levels.
        as_of: Day its age is judged on.

    Returns:
        One finding, or one for every category that is checked for itself.
    """
    candidate, incumbent = subjects
    empty = Finding(check, check.slice)
    if incumbent is None:
        return [
            empty.blocked(
                "not_applicable", "no incumbent was named, so there is nothing to compare with"
            )
        ]
    rows = evidence.items.filter(pl.col("metric") == check.metric)
    if check.suite is not None:
        rows = rows.filter(pl.col("suite") == check.suite)
    sides = [rows.filter(pl.col("subject") == subject) for subject in (candidate, incumbent)]
    for subject, side in zip((candidate, incumbent), sides, strict=True):
        if (wrong := _unusable(side, subject, check, evidence)) is not None:
            return [empty.blocked("error", wrong)]
    suites = sorted({side["suite"][0] for side in sides})
    if len(suites) > 1:
        return [
            empty.blocked(
                "error", f"candidate and incumbent are of two suites: {', '.join(suites)}"
            )
        ]
    sources = tuple(evidence.sources[side["source"][0]] for side in sides)
    both = _joined(sides[0], sides[1])
    if (clash := _clash(both)) is not None:
        return [empty.blocked("error", clash)]
    both = _sliced(both, check)
    return [
        held_to(
            _compared(check, part, both, statistics)._replace(
                suite=suites[0],
                evidence=sources[0].ref,
                baseline_evidence=sources[1].ref,
            ),
            rules,
            tuple(dict.fromkeys(sources)),
            as_of=as_of,
        )
        for part in _parts(check, both, statistics)
    ]


def _unusable(side: pl.DataFrame, subject: str, check: Check, evidence: Evidence) -> str | None:
    if side.height == 0:
        return f"no item_scores has {check.metric} of {subject}"
    suites = sorted(side["suite"].unique())
    if len(suites) > 1:
        return f"several suites have it: {', '.join(suites)}; the policy must name one (suite)"
    places = sorted(side["source"].unique())
    if len(places) > 1:
        runs = ", ".join(evidence.sources[place].ref.run_id for place in places)
        return f"several runs have items of {subject}: {runs}; name one of them"
    return None


def _joined(candidate: pl.DataFrame, incumbent: pl.DataFrame) -> pl.DataFrame:
    """Every item of either, once."""
    columns = ["item_id", "cluster_id", "category", "value"]
    return (
        candidate.select(columns, asked=pl.lit(1))
        .join(
            incumbent.select(columns, asked=pl.lit(1)),
            on="item_id",
            how="full",
            coalesce=True,
            suffix="_incumbent",
        )
        .with_columns(
            pl.coalesce("category", "category_incumbent", pl.lit(NO_CATEGORY)).alias("part"),
            pl.coalesce("cluster_id", "cluster_id_incumbent").alias("product"),
        )
        .sort("item_id")
    )


def _clash(both: pl.DataFrame) -> str | None:
    for column, what in (("cluster_id", "product"), ("category", "category")):
        other = f"{column}_incumbent"
        apart = both.filter(pl.col(column) != pl.col(other))
        if apart.height:
            first = apart.row(0, named=True)
            return (
                f"{apart.height:,} items are of another {what} for candidate and incumbent, e.g. "
                f"{first['item_id']}: {first[column]} and {first[other]}"
            )
    return None


def _sliced(both: pl.DataFrame, check: Check) -> pl.DataFrame:
    if check.slice == "all":
        return both
    return both.filter(pl.format("category={}", "part") == check.slice)


def _parts(check: Check, both: pl.DataFrame, statistics: GateStatistics) -> list[Part]:
    if check.by is None:
        return [Part(check.slice)]
    counted = both.group_by("part").agg(pl.len(), pl.col("product").n_unique()).sort("part")
    names = counted["part"].to_list()
    return parts_of(
        dict(zip(names, counted["len"].to_list(), strict=True)),
        dict(zip(names, counted["product"].to_list(), strict=True)),
        min_items=check.min_items,
        min_products=statistics.min_products,
    )


def _compared(check: Check, part: Part, both: pl.DataFrame, statistics: GateStatistics) -> Finding:
    inside = both.filter(pl.col("part").is_in(part.categories)) if check.by else both
    answered = inside.drop_nulls(["value", "value_incumbent"])
    n_unscored, n_listed = max(
        (int((inside[asked].is_not_null() & inside[value].is_null()).sum()), inside[asked].count())
        for asked, value in (("asked", "value"), ("asked_incumbent", "value_incumbent"))
    )
    n_products = answered["product"].n_unique()
    finding = Finding(
        check,
        part.name,
        part.categories if part.is_pooled else (),
        n=answered.height,
        n_unscored=n_unscored,
        n_listed=n_listed,
        n_asked=inside.height,
        n_clusters=n_products,
    )
    if n_products < 2:
        return finding.blocked("error", "items of two products or more are needed")
    candidate, incumbent = (answered[name].to_numpy() for name in ("value", "value_incumbent"))
    codes = (answered["product"].rank("dense") - 1).to_numpy().astype(np.int64)
    finding = finding._replace(
        values=(float(candidate.mean()), float(incumbent.mean())),
        measured=paired(
            candidate,
            incumbent,
            codes,
            alpha=statistics.alpha,
            threshold=check.threshold,
            sign=check.sign,
        ),
    )
    if n_products < statistics.min_products:
        per_product = answered.height / n_products
        finding = finding.blocked(
            "inconclusive",
            f"{n_products:,} products are too few: the policy asks for {statistics.min_products:,}",
            more_items=round((statistics.min_products - n_products) * per_product),
        )
    return finding
