"""Tables as people read them, and as they download them.

A table on screen keeps its numbers as numbers, so that a click on a heading sorts them; how they
look comes from :mod:`caig.text`. A download is the rows of the contract, fractions and all.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from caig import text
from caig.contracts.experiments import ALL_CATEGORIES
from dashboards.phrases import overall_label, verdict_words

Format = Callable[[Any], str]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def displayed(frame: pl.DataFrame, formats: Mapping[str, Format]) -> Any:
    """A frame for ``st.dataframe`` whose numbers look as :mod:`caig.text` writes them.

    Args:
        frame: What to show.
        formats: How to write the columns that need it.

    Returns:
        A pandas Styler: the one kind of table that carries both value and wording.
    """
    return frame.to_pandas().style.format(dict(formats), na_rep=text.UNKNOWN)


def lift_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """The lift table of one contrast, in the order given.

    A detectable lift stands only where the verdict is "no significant difference": elsewhere it
    answers a question nobody asks.
    """
    interval = [
        text.interval(lower, upper)
        for lower, upper in rows.select("rel_lift_ci_lower", "rel_lift_ci_upper").iter_rows()
    ]
    is_overall = pl.col("category") == ALL_CATEGORIES
    table = rows.select(
        _names(rows),
        pl.Series("Verdict", [verdict_words(verdict) for verdict in rows["verdict"]], pl.String),
        pl.col("rel_lift").alias("Lift"),
        pl.Series("Interval", interval, pl.String),
        pl.col("p_value").alias("p"),
        pl.when(~is_overall).then("p_value_adj").alias("p corrected"),
        pl.when(pl.col("verdict") == "flat").then("rel_lift_mde").alias("Detectable"),
        (pl.col("impressions_control") + pl.col("impressions_treatment")).alias("Impressions"),
        pl.col("control_ctr").alias("CTR control"),
        pl.col("treatment_ctr").alias("CTR treatment"),
        pl.col("status").replace_strict(text.STATUS_WORDS).alias("Note"),
    )
    return table if (table["Note"] != "").any() else table.drop("Note")


LIFT_FORMATS: dict[str, Format] = {
    "Lift": text.lift,
    "p": text.p_value,
    "p corrected": text.p_value,
    "Detectable": text.lift,
    "Impressions": text.count,
    "CTR control": text.ctr,
    "CTR treatment": text.ctr,
}


def experiments_frame(overall: pl.DataFrame) -> pl.DataFrame:
    """One line per experiment and contrast.

    Args:
        overall: Overall rows of ``lift_table/1``.
    """
    lift = lift_frame(overall)
    names = overall.select(
        pl.col("experiment_id").alias("Experiment"), pl.col("contrast").alias("Contrast")
    )
    return pl.concat([names, lift.drop("Category", "p corrected", "Detectable")], how="horizontal")


def arms_frame(arms: pl.DataFrame) -> pl.DataFrame:
    """All arms of an experiment.

    Args:
        arms: Rows of ``arm_summary/1``.
    """
    interval = [
        text.UNKNOWN if lower is None else f"{text.ctr(lower)} to {text.ctr(upper)}"
        for lower, upper in arms.select("ctr_ci_lower", "ctr_ci_upper").iter_rows()
    ]
    role = pl.when("is_control").then(pl.lit("control")).otherwise(pl.lit("treatment"))
    return arms.select(
        pl.col("arm").alias("Arm"),
        role.alias("Role"),
        pl.col("n_units").alias("Units"),
        pl.col("n_impressions").alias("Impressions"),
        pl.col("n_clicks").alias("Clicks"),
        pl.col("ctr").alias("CTR"),
        pl.Series("CTR interval", interval, pl.String),
        pl.col("n_creatives").alias("Creatives"),
        pl.col("n_products").alias("Products"),
        pl.concat_str("first_day", "last_day", separator=" to ")
        .fill_null(text.UNKNOWN)
        .alias("Days"),
    )


ARM_FORMATS: dict[str, Format] = {
    "Units": text.count,
    "Impressions": text.count,
    "Clicks": text.count,
    "CTR": text.ctr,
    "Creatives": text.count,
    "Products": text.count,
}


def ratio_frame(ratios: pl.DataFrame) -> pl.DataFrame:
    """Observed and expected traffic of every arm and category, the overall rows first.

    Args:
        ratios: Rows of ``sample_ratio/1``.
    """
    is_overall = pl.col("category") == ALL_CATEGORIES
    return ratios.sort(~is_overall, maintain_order=True).select(
        _names(ratios),
        pl.col("arm").alias("Arm"),
        pl.col("counted").alias("Counted"),
        pl.col("observed").alias("Observed"),
        pl.col("expected").alias("Expected"),
        pl.col("p_value").alias("p"),
        pl.when(~is_overall).then("p_value_adj").alias("p corrected"),
        pl.col("status").replace_strict(text.HEALTH_WORDS, default=text.UNKNOWN).alias("State"),
    )


RATIO_FORMATS: dict[str, Format] = {
    "Observed": text.count,
    "Expected": text.count,
    "p": text.p_value,
    "p corrected": text.p_value,
}


def _names(rows: pl.DataFrame) -> pl.Expr:
    overall = overall_label(rows["category"].to_list())
    is_overall = pl.col("category") == ALL_CATEGORIES
    return pl.when(is_overall).then(pl.lit(overall)).otherwise("category").alias("Category")


def as_csv(frame: pl.DataFrame) -> bytes:
    """A frame as CSV in UTF-8, safe to open in a spreadsheet.

    A text that a spreadsheet would run as a formula gets an apostrophe before it: names come from a
    log that anyone may have written.
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return (
        frame.with_columns(
            pl.when(pl.any_horizontal(pl.col(name).str.starts_with(s) for s in FORMULA_STARTS))
            .then(pl.lit("'") + pl.col(name))
            .otherwise(name)
            .alias(name)
            for name in texts
        )
        .write_csv()
        .encode()
    )
