"""What judgements come to: rates of yes with their intervals, and one value an ad for the gate.

These rates are naive: the judge's own errors are in them, and no interval here covers those. They
are called so in every table.
"""

from collections.abc import Iterator

import polars as pl

from caig.contracts.experiments import SUITE_RESULTS
from evaluation.judge.rubric import Rubric
from evaluation.metrics.intervals import wilson

ALL = "all"
METHOD = "wilson; ads taken as independent; the judge's own errors are not corrected"

Row = tuple[str, str, str, str, float | None, float | None, float | None, str, int, int, None]


def suite_results(judgements: pl.DataFrame, items: pl.DataFrame, rubric: Rubric) -> pl.DataFrame:
    """Naive rates of yes, of every question and of the rubric, overall and by category.

    Args:
        judgements: ``judgements/1``.
        items: Columns ``evaluation.judge.items.ITEMS``.
        rubric: What was asked.

    Returns:
        ``suite_results/1``. A question that has no meaning for an ad counts nowhere.
    """
    named = judgements.join(
        items.select("control", "item_id", "generator"), on=["control", "item_id"]
    ).filter(pl.col("status") != "void")
    rows: list[Row] = []
    for (subject,), of_subject in named.partition_by(
        "generator", as_dict=True, maintain_order=True
    ).items():
        ads = of_subject.filter(pl.col("control") == "none")
        for question, asked in ads.partition_by(
            "question", as_dict=True, maintain_order=True
        ).items():
            metric = naive_rate(str(question[0]))
            rows += (_row(rubric, str(subject), metric, *part) for part in _slices(asked))
        for control in ("negative", "positive"):
            whole = of_subject.filter(
                (pl.col("control") == control) & (pl.col("question") == rubric.name)
            )
            if whole.height:
                rows.append(_row(rubric, str(subject), f"{control}_control_rate", ALL, whole))
    return pl.DataFrame(rows, SUITE_RESULTS.schema, orient="row")


def naive_rate(question: str) -> str:
    """Name of the metric of a question's rate of yes."""
    return f"{question}_rate_naive"


def item_scores(judgements: pl.DataFrame, items: pl.DataFrame, rubric: Rubric) -> pl.DataFrame:
    """One value an ad: 1 if it satisfies the rubric, 0 if not, none if that is unknown.

    Returns:
        ``item_scores/1``. An ad is named by its prompt, so that another generator's ad of the same
        prompt is compared with it.
    """
    ads = judgements.filter((pl.col("control") == "none") & (pl.col("question") == rubric.name))
    named = ads.join(
        items.filter(pl.col("control") == "none").select("item_id", "paired_id", "generator"),
        on="item_id",
    )
    # Several ads of one prompt have no counterpart; each then stands for itself.
    of_a_prompt = named.select("generator", "paired_id")
    item_id = "item_id" if of_a_prompt.is_duplicated().any() else "paired_id"
    return named.select(
        suite=pl.lit(rubric.identifier),
        subject="generator",
        metric=pl.lit(rubric.name),
        item_id=item_id,
        cluster_id="product_id",
        category="category",
        value=pl.col("verdict").replace_strict(
            {"yes": 1.0, "no": 0.0}, default=None, return_dtype=pl.Float64
        ),
        unscored_reason=pl.when(pl.col("verdict") == "unknown").then("status"),
    )


def _slices(asked: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    yield ALL, asked
    for category in asked["category"].drop_nulls().unique().sort():
        yield f"category={category}", asked.filter(pl.col("category") == category)


def _row(rubric: Rubric, subject: str, metric: str, part: str, asked: pl.DataFrame) -> Row:
    hits, misses = (int((asked["verdict"] == said).sum()) for said in ("yes", "no"))
    n = hits + misses
    unscored = asked.height - n
    if n == 0:
        why = "none: no ad was judged"
        return rubric.identifier, subject, metric, part, None, None, None, why, 0, unscored, None
    lower, upper = wilson(hits, n)
    rate = hits / n
    # At a rate of 0 or 1 rounding may put the limit a hair inside.
    limits = min(lower, rate), max(upper, rate)
    return rubric.identifier, subject, metric, part, rate, *limits, METHOD, n, unscored, None
