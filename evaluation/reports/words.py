"""How an evaluation is put in words: its headline, what to be wary of, how it was made."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from caig import text
from evaluation.config import EvaluateConfig
from evaluation.reading import Evidence
from evaluation.suites.pair_accuracy import ALL, ORACLE, SuiteTables

FEW_CLICKS = 10
"""Median clicks of an ad below which the ceiling has been seen to come out low (by two points)."""

Row = dict[str, Any]


def share(value: float | None) -> str:
    """A skill share: ``0.74``."""
    return text.UNKNOWN if value is None else f"{value:.2f}"


def limits(row: Mapping[str, Any], name: str = "ci", *, percent: bool = True) -> str:
    """Limits of an estimate: ``[71.2, 75.0]``, in percent or as they are."""
    lower, upper = row[f"{name}_lower"], row[f"{name}_upper"]
    if lower is None or upper is None:
        return text.UNKNOWN
    return f"[{100 * lower:.1f}, {100 * upper:.1f}]" if percent else f"[{lower:.2f}, {upper:.2f}]"


def ordered(tables: SuiteTables) -> list[Row]:
    """Scorers with their overall accuracy: models first, the best of each kind on top."""
    accuracy = tables.results.filter(
        (pl.col("metric") == "accuracy") & (pl.col("slice") == ALL) & (pl.col("subject") != ORACLE)
    )
    joined = accuracy.join(
        tables.counts, left_on="subject", right_on="scorer", maintain_order="left"
    )
    return joined.sort(
        pl.col("kind") == "ruler", -pl.col("estimate"), nulls_last=True, maintain_order=True
    ).to_dicts()


def headline(tables: SuiteTables) -> str:
    """The answer in one sentence."""
    scorers = ordered(tables)
    best = scorers[0]
    if best["estimate"] is None:
        return "No pair was scored"
    skill = _overall(tables, "skill_share", best["subject"])
    said = (
        f"{best['subject']} picks the ad that was clicked more in "
        f"{text.percent(best['estimate'])} {limits(best)} of pairs"
    )
    if best["ceiling"] is not None:
        said += f"; an oracle would in {text.percent(best['ceiling'])}"
    if skill is not None and skill["estimate"] is not None:
        said += f": skill share {share(skill['estimate'])} {limits(skill, percent=False)}"
    return said


def notes(tables: SuiteTables, evidence: Evidence, config: EvaluateConfig) -> list[str]:
    """What a reader must know before the figures are used."""
    scorers = ordered(tables)
    models = [row for row in scorers if row["kind"] == "model"]
    rulers = [row for row in scorers if row["kind"] == "ruler"]
    found = []
    if len(models) > 1:
        found.append(
            f"It is the best of {len(models)} models, picked on these very pairs; the comparisons "
            "below are corrected for that, its own interval is not."
        )
    found += _against_rulers(tables, models, rulers, config)
    for row in scorers:
        missing = row["n_one_order"] + row["n_no_score"]
        if missing:
            asked = row["n_scored"] + missing
            found.append(
                f"{row['subject']} left {missing:,} of {asked:,} pairs unscored "
                f"({row['n_one_order']:,} of them scored in one presentation only); they count as "
                "neither right nor wrong, and its figures are of the others."
            )
    found += _of_sides(tables, models, config)
    if config.scoring.split != "test":
        found.append(
            f"Pairs of split {config.scoring.split}, not of test: no estimate of how models do on "
            "products they have not seen, unless they were kept from all of these."
        )
    return found + _of_ceiling(evidence)


def methods(evidence: Evidence, config: EvaluateConfig) -> list[str]:
    """How the figures were made."""
    scoring, statistics = config.scoring, config.statistics
    ties = "half right" if scoring.model_ties == "half" else "wrong"
    tolerance = f" (within {scoring.tie_tolerance:g} of 1/2)" if scoring.tie_tolerance else ""
    correction = (
        "Holm's correction over all comparisons that could be made"
        if statistics.correction == "holm"
        else "no correction for their number"
    )
    factor = (
        f" Variances of clicks are taken {evidence.variance_factor:.3g} times the binomial ones."
        if evidence.variance_factor != 1
        else ""
    )
    return [
        "The label of a pair is which ad had the higher observed CTR. Pairs with equal CTR have "
        "none and are left out.",
        "A scorer's answer is the mean probability of both presentations, sides as they are and "
        f"swapped. A tie{tolerance} is {ties}. A pair without both is unscored: no score is made "
        "up for it.",
        "Accuracy: Wilson's interval at the clustered effective size. Variances sum residuals "
        "within products, carry C / (C - 1), and t has C - 1 degrees of freedom. Every interval "
        f"is at {100 * (1 - statistics.alpha):g} % for itself; slices are not corrected for their "
        "number.",
        "Ceiling: the accuracy an oracle that knows the true CTRs is expected to have on these "
        "labels. Logit CTRs of one product's ads spread normally; their variance is estimated "
        "by moments from the counts, by category, drawn towards the common one; the ceiling is "
        "the mean posterior probability that a label is right, over these very pairs."
        f"{factor} It is an estimate from counts, not the truth.",
        "Skill share: (accuracy - 1/2) / (ceiling - 1/2); 0 is chance, 1 an oracle. Fieller's "
        "interval, errors of both joined.",
        "Against the true order: accuracy with the labels' errors taken out, by a latent probit.",
        "Flips: pairs for which the same screen side was chosen in both presentations. The sign "
        "test takes flips as independent.",
        f"Comparisons: paired t test clustered by product, {correction}; where there are models, "
        "rulers are not compared with each other. McNemar's test takes every pair as new; it is "
        "shown for reference and decides nothing.",
        f"Calibration is against observed labels, {statistics.n_bins} bins. 'of noise' is the "
        "error that a calibrated scorer would show in the same bins.",
    ]


def _overall(tables: SuiteTables, metric: str, subject: str) -> Row | None:
    rows = tables.results.filter(
        (pl.col("metric") == metric) & (pl.col("subject") == subject) & (pl.col("slice") == ALL)
    )
    return rows.row(0, named=True) if rows.height else None


def _against_rulers(
    tables: SuiteTables, models: Sequence[Row], rulers: Sequence[Row], config: EvaluateConfig
) -> list[str]:
    if not rulers:
        return [
            "No ruler is among the scores: score the pairs with a scorer that looks at no content "
            "(caig score --scorer ref:file_size and others) to see what such a one reaches."
        ]
    best = rulers[0]
    if not models or best["estimate"] is None:
        return []
    level = config.statistics.alpha
    ahead = []
    for model in models:
        pair = {model["subject"], best["subject"]}
        rows = tables.comparisons.filter(
            pl.col("scorer").is_in(pair) & pl.col("other").is_in(pair)
        ).to_dicts()
        sign = 1 if rows[0]["scorer"] == model["subject"] else -1
        p, difference = rows[0]["p_value_adj"], rows[0]["difference"]
        if p is not None and p < level and sign * difference > 0:
            ahead.append(model["subject"])
    behind = [row["subject"] for row in models if row["subject"] not in ahead]
    said = f"The best ruler, {best['subject']}, reaches {text.percent(best['estimate'])}."
    if behind:
        found = [f"{said} Not shown to be better than it: {', '.join(behind)}."]
    else:
        found = [
            f"{said} {'Every model is' if len(models) > 1 else 'The model is'} better than it."
        ]
    below = [row for row in rulers if row["ci_upper"] is not None and row["ci_upper"] < 0.5]
    return found + [
        f"{row['subject']} is below chance: pointed the other way it would reach "
        f"{text.percent(1 - row['estimate'])}."
        for row in below
    ]


def _of_sides(tables: SuiteTables, models: Sequence[Row], config: EvaluateConfig) -> list[str]:
    found = []
    names = [row["subject"] for row in models]
    for row in tables.position.filter(pl.col("scorer").is_in(names)).to_dicts():
        if row["p_value"] is not None and row["p_value"] < config.statistics.alpha:
            side = "left" if row["first_share"] > 0.5 else "right"
            found.append(
                f"{row['scorer']} prefers the {side} side: {row['n_flips']:,} of "
                f"{row['n_both']:,} answers turn with the sides. Averaging both presentations "
                "takes that out of the accuracy, at the price of its sharpness."
            )
    return found


def _of_ceiling(evidence: Evidence) -> list[str]:
    data = evidence.pairs
    if data.spread is None or data.spread.pooled <= 0:
        return [
            "Ads of one product differ no more than chance makes them: there is no ceiling above "
            "1/2 to be seen, and no skill share."
        ]
    found = []
    seen = evidence.seen_by_day
    if seen is not None and seen.lower is not None and seen.lower > evidence.variance_factor:
        found.append(
            f"From day to day clicks vary {seen.estimate:.2f} [{seen.lower:.2f}, {seen.upper:.2f}] "
            f"times as much as binomially, {evidence.variance_factor:.3g} times is what was taken: "
            "the ceiling is too high and skill shares are too low (--set "
            "statistics.variance_factor=from_days)."
        )
    if data.clicks_per_ad < FEW_CLICKS:
        found.append(
            f"Half of the ads have {data.clicks_per_ad:.0f} clicks or fewer: the ceiling may come "
            "out low by two points, and skill shares high."
        )
    if not evidence.has_all_ads and evidence.filter_names != ["any"]:
        found.append(
            "Counts of ads outside these pairs were not found; as the pair rule "
            f"({', '.join(evidence.filter_names)}) picks pairs by their gap, the spread of the "
            "ads, and with it the ceiling, may come out wrong."
        )
    return found
