"""Creatives as tables: each one's shrunk CTR and rank, tests between images, drivers of the lift.

A creative's sampling variance is binomial at its predicted CTR, times a design effect: its own with
clicks enough, else that of the arm's small creatives together. That a unit which sees several
creatives links them is left out; it makes comparisons between them a little cautious.
"""

import numpy as np
import polars as pl
from scipy import special

from abtest.categories.multiplicity import adjusted_p_values
from abtest.creatives.best import rank_within_categories, rank_within_products
from abtest.creatives.collecting import KEY
from abtest.creatives.config import CreativeAnalysis
from abtest.creatives.model import Fit, Floats, Layout, predict, variance_components
from abtest.estimation.clustered import UnitMoments, ctr, ctr_variance
from caig.contracts.creative_effects import CREATIVE_DRIVERS, CREATIVE_EFFECTS, IMAGE_TESTS

OWN_CLICKS = 2_000
"""Clicks from which a creative's own design effect is used."""
PASSES = 2
"""Variances are taken at the category's CTR, then at the predicted ones."""


def creative_effects(sums: pl.DataFrame, *, alpha: float) -> pl.DataFrame:
    """Every creative's shrunk CTR and its chance of being the best.

    Args:
        sums: Columns of :data:`abtest.creatives.collecting.CREATIVE_SUMS`.
        alpha: 1 - confidence of the intervals, which cover on average over the creatives.

    Returns:
        ``creative_effects/1``, sorted by its key.
    """
    cell = ["experiment_id", "arm", "category"]
    c, n = pl.col("c").sum().over(cell), pl.col("n").sum().over(cell)
    status = (
        pl.when(c == 0)
        .then(pl.lit("zero_click"))
        .when(c == n)
        .then(pl.lit("all_clicked"))
        .when(pl.len().over(cell) == 1)
        .then(pl.lit("alone"))
        .otherwise(pl.lit("ok"))
    )
    stated = _with_design_effect(sums).with_columns(status=status)
    judged = stated.filter(pl.col("status") == "ok")
    arms = judged.partition_by("experiment_id", "arm", maintain_order=True)
    parts = [_judged(arm, alpha) for arm in arms if not arm.is_empty()]
    others = stated.filter(pl.col("status") != "ok")
    return (
        pl.concat([others, *parts], how="diagonal")
        .with_columns(
            n_units="units",
            n_impressions="n",
            n_clicks="c",
            ctr=pl.col("c") / pl.col("n"),
            design_effect="deff",
        )
        .pipe(_with_missing)
        .select(CREATIVE_EFFECTS.schema.names())
        .sort(KEY)
    )


def image_tests(sums: pl.DataFrame, config: CreativeAnalysis) -> pl.DataFrame:
    """Test of no difference between the images of every product that has two or more.

    Args:
        sums: Columns of :data:`abtest.creatives.collecting.CREATIVE_SUMS`.
        config: Clicks needed.

    Returns:
        ``image_tests/1``, sorted by its key.
    """
    key = list(KEY[:-1])
    images = _with_design_effect(sums).with_columns(
        rate=pl.col("c").sum().over(key) / pl.col("n").sum().over(key)
    )
    n, rate = pl.col("n"), pl.col("rate")
    part = (pl.col("c") - n * rate) ** 2 / (n * rate * (1 - rate)) / pl.col("deff").fill_null(1.0)
    products = (
        images.group_by(key)
        .agg(
            n_creatives=pl.len().cast(pl.Int64),
            n_impressions=n.sum(),
            n_clicks=pl.col("c").sum(),
            statistic=part.sum(),
            expected=(n * pl.min_horizontal(rate, 1 - rate)).min(),
        )
        .filter(pl.col("n_creatives") > 1)
        .with_columns(
            dof=pl.col("n_creatives") - 1,
            status=pl.when(pl.col("expected") >= config.min_expected_clicks)
            .then(pl.lit("ok"))
            .otherwise(pl.lit("too_small")),
        )
        .sort(key)
    )
    products = products.with_columns(statistic=pl.when(pl.col("status") == "ok").then("statistic"))
    statistic = products["statistic"].fill_null(float("nan")).to_numpy()
    p_value = special.chdtrc(products["dof"].to_numpy(), statistic)
    tested = products.with_columns(p_value=pl.Series(p_value, dtype=pl.Float64))
    families = [
        family.with_columns(
            p_value_adj=pl.Series(adjusted_p_values(family["p_value"].to_numpy(), "bh"))
        )
        for family in tested.partition_by("experiment_id", "arm", maintain_order=True)
    ]
    if not families:
        return IMAGE_TESTS.empty()
    return (
        pl.concat(families)
        .with_columns(pl.col("p_value", "p_value_adj").fill_nan(None))
        .select(IMAGE_TESTS.schema.names())
        .sort(key)
    )


def creative_drivers(
    effects: pl.DataFrame, arms: pl.DataFrame, config: CreativeAnalysis, *, alpha: float
) -> pl.DataFrame:
    """Creatives that raise or lower their category's lift most.

    Not shrunk, all contributions of a category would add up to its lift. Control's CTR counts as
    uncertain by its binomial variance times its creatives' design effect.

    Args:
        effects: ``creative_effects/1``.
        arms: Columns ``experiment_id, arm, is_control``.
        config: How many are named.
        alpha: Of ``effects``.

    Returns:
        ``creative_drivers/1``; by contrast and category the top and the bottom ones.
    """
    z = float(special.ndtri(1 - alpha / 2))
    place = ["experiment_id", "category"]
    roles = effects.join(
        arms.select("experiment_id", "arm", "is_control"), on=["experiment_id", "arm"]
    )
    n, c = pl.col("n_impressions"), pl.col("n_clicks")
    control = (
        roles.filter("is_control")
        .group_by(*place, control="arm")
        .agg(
            base=c.sum() / n.sum(),
            base_error=(1 / c.sum() - 1 / n.sum())
            * (pl.col("design_effect").fill_null(1.0) * n).sum()
            / n.sum(),
        )
        .filter(pl.col("base") > 0)
    )
    shrunk = roles.filter(~pl.col("is_control")).with_columns(
        traffic_share=n / n.sum().over("experiment_id", "arm", "category")
    )
    se = (pl.col("ctr_shrunk_ci_upper") - pl.col("ctr_shrunk")) / z
    ratio = pl.col("ctr_shrunk") / pl.col("base")
    half = z * ((se / pl.col("base")) ** 2 + ratio**2 * pl.col("base_error")).sqrt()
    named = (
        shrunk.filter(pl.col("status") == "ok")
        .join(control, on=place, nulls_equal=True)
        .with_columns(
            contrast=pl.format("{} vs {}", "arm", "control"),
            ctr_ratio=ratio,
            ctr_ratio_ci_lower=(ratio - half).clip(0),
            ctr_ratio_ci_upper=ratio + half,
        )
        .with_columns(
            (pl.col("traffic_share") * (pl.col(f"ctr_ratio{limit}") - 1)).alias(
                f"contribution{limit}"
            )
            for limit in ("", "_ci_lower", "_ci_upper")
        )
        .with_columns(
            direction=pl.when(pl.col("contribution") >= 0)
            .then(pl.lit("up"))
            .otherwise(pl.lit("down"))
        )
        .sort(
            pl.col("contribution").abs(),
            "product_id",
            "creative_id",
            descending=[True, False, False],
        )
    )
    ends = ["experiment_id", "contrast", "category", "direction"]
    return (
        named.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(ends))
        .filter(pl.col("rank") <= config.n_drivers)
        .select(CREATIVE_DRIVERS.schema.names())
        .sort("experiment_id", "contrast", "category", pl.col("direction") == "down", "rank")
    )


def _with_design_effect(sums: pl.DataFrame) -> pl.DataFrame:
    """Add ``deff``; null where the log names no unit."""
    sums = sums.with_columns(pl.col("category", "product_id").fill_null(""))
    filled = sums.with_columns(pl.col("units", "nn", "nc", "cc").fill_null(0))
    moments = UnitMoments(
        *(filled[name].cast(pl.Float64).to_numpy() for name in UnitMoments._fields)
    )
    rate = ctr(moments)
    measured = sums.with_columns(
        clustered=pl.Series(ctr_variance(moments) * moments.n**2).fill_nan(None),
        binomial=pl.Series(rate * (1 - rate) * moments.n),
    ).with_columns(clustered=pl.when(pl.col("units") > 1).then("clustered"))
    known = (pl.col("clustered") > 0) & (pl.col("binomial") > 0)
    is_own = known & (pl.col("c") >= OWN_CLICKS)
    is_told = known & ~is_own
    arm = ["experiment_id", "arm"]
    pooled = (
        pl.when(is_told).then("clustered").sum().over(arm)
        / pl.when(is_told).then("binomial").sum().over(arm)
    ).fill_nan(1.0)
    own = pl.col("clustered") / pl.col("binomial")
    return measured.with_columns(
        deff=pl.when(pl.col("units").is_not_null()).then(
            pl.when(is_own).then(own).otherwise(pooled)
        )
    ).drop("clustered", "binomial")


def _judged(images: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """Creatives of one arm of one experiment, with what follows from the model."""
    base, layout = _base_and_layout(images)
    n, c = (images[name].cast(pl.Float64).to_numpy() for name in ("n", "c"))
    deff = images["deff"].fill_null(1.0).to_numpy()
    y = c / n / base
    rate = base
    for _ in range(PASSES):
        v = deff * rate * (1 - rate) / (n * base**2)
        components = variance_components(y, v, layout)
        fit = Fit(v, layout, components, predict(y, v, layout, components))
        # A tenth of the category's CTR at least: no variance vanishes.
        rate = np.clip(fit.predictions.ratio, 0.1, None) * base
        rate = np.minimum(rate, 1 - 0.1 * (1 - base))
    return images.with_columns(
        pl.Series(name, values) for name, values in _columns(fit, base, alpha).items()
    ).with_columns(
        product_sd=pl.lit(_sd(components.product), dtype=pl.Float64),
        image_sd=pl.lit(_sd(components.image), dtype=pl.Float64),
    )


def _base_and_layout(images: pl.DataFrame) -> tuple[Floats, Layout]:
    """The category's CTR of every image, and the images' layout."""
    coded = images.with_columns(
        base=pl.col("c").sum().over("category") / pl.col("n").sum().over("category"),
        category_code=pl.struct("category").rank("dense") - 1,
        product_code=pl.struct("category", "product_id").rank("dense") - 1,
    )
    product = coded["product_code"].to_numpy().astype(np.int64)
    category = np.empty(product.max() + 1, dtype=np.int64)
    category[product] = coded["category_code"].to_numpy()
    return coded["base"].to_numpy(), Layout(product, category)


def _columns(fit: Fit, base: Floats, alpha: float) -> dict[str, Floats]:
    predicted = fit.predictions
    half = float(special.ndtri(1 - alpha / 2)) * predicted.se
    columns: dict[str, Floats] = {
        "ctr_shrunk": np.clip(predicted.ratio * base, 0, 1),
        "ctr_shrunk_ci_lower": np.clip((predicted.ratio - half) * base, 0, 1),
        "ctr_shrunk_ci_upper": np.clip((predicted.ratio + half) * base, 0, 1),
    }
    ranked = {"product": rank_within_products, "category": rank_within_categories}
    for group, rank in ranked.items():
        chance, regret = rank(fit)
        columns[f"p_best_of_{group}"] = chance
        columns[f"regret_of_{group}"] = regret * base
    return columns


def _with_missing(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in CREATIVE_EFFECTS.schema.names() if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in missing)


def _sd(variance: float) -> float | None:
    return None if np.isnan(variance) else float(np.sqrt(variance))
