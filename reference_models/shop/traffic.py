"""Simulated traffic of the shop: who saw which ad on which day, and who clicked.

Users and their visits are those of :mod:`reference_models.shop.visits`; a user keeps one of two
arms and meets many categories. The true lift of every category is known.

Without ads, an arm is a label with a true effect on each category. With them, the click model's
rate of the very ad that a user is shown decides.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from caig.config import Config
from caig.contracts.experiments import ALL_CATEGORIES, TRAFFIC_TRUTH
from reference_models.shop.catalogue import CATEGORIES, DRAWINGS_PER_CATEGORY, drawing_ids
from reference_models.shop.creatives import ARMS, Ad
from reference_models.shop.visits import (
    VisitsConfig,
    category_shares,
    draw_clicks,
    draw_users,
    draw_visits,
    log_of,
)


class Faults(Config):
    """Defects that real logs have, switched on one by one; all are off by default."""

    srm_lost_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of treatment's users whose rows are lost before the log: a sample-ratio mismatch."""
    crossover_share: float = Field(default=0.0, ge=0, le=1)
    """Share of users who see the other arm too, on their later days."""
    bot_units: int = Field(default=0, ge=0)
    """Users in treatment who open every ad they are shown, 200 a day, for one day."""
    missing_days: tuple[int, ...] = ()
    """Days (0 is the first) of which treatment's log was lost."""
    novelty_half_life_days: float | None = Field(default=None, gt=0)
    """The lift halves every so many days; None keeps it constant."""
    zero_click_categories: tuple[str, ...] = ()
    """Categories whose clicks in treatment were not logged."""

    @field_validator("zero_click_categories")
    @classmethod
    def _categories_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = {category.name for category in CATEGORIES}
        for name in names:
            if name not in known:
                raise ValueError(f"'{name}' is no category; there are: {', '.join(sorted(known))}")
        return names


class TrafficConfig(VisitsConfig):
    """One simulated experiment."""

    mean_lift: float = Field(default=0.05, gt=-1)
    """Mean relative lift of treatment over the categories."""
    lift_sd: float = Field(default=0.10, ge=0)
    """Spread of log(1 + lift) between categories; 0 gives every category the mean lift."""
    faults: Faults = Faults()
    """Defects."""


class SimulatedTraffic(NamedTuple):
    """A log and the truth behind it.

    Attributes:
        log: ``impression_log/1``.
        truth: ``traffic_truth/1``, without faults.
    """

    log: pl.DataFrame
    truth: pl.DataFrame


def simulate_traffic(
    config: TrafficConfig, ads: tuple[Sequence[Ad], Sequence[Ad]] | None = None
) -> SimulatedTraffic:
    """Draw a log of one experiment.

    A user's impressions are Poisson with gamma mean; each falls on a day, a category and one of
    its products; it is clicked with probability ``ctr(product) * (1 + lift(product))^treatment *
    propensity(user)``, where propensity has mean 1 and is independent of activity, so that the
    table of truth is exact in expectation. The probability is capped at 0.9.

    Args:
        config: What to draw.
        ads: Ads of control and of treatment, one of each product in the same order, products
            sorted by category and equally many in each. Without them a category's CTR is its base
            rate and its lift is ``drawn_lifts``.

    Returns:
        Log and truth.
    """
    rng = np.random.default_rng(config.seed)
    share, lifts = _drawn(config, rng)
    shown = _labels(lifts) if ads is None else _pictures(*ads)
    users = draw_users(config, rng, n_arms=len(ARMS))
    user, day, category = draw_visits(config, users, share, rng)
    product = category * shown.per_category + rng.integers(shown.per_category, size=user.size)
    treated = users.arm[user] == 1
    if config.faults.crossover_share:
        crosses = rng.random(config.n_users) < config.faults.crossover_share
        treated = treated ^ (crosses[user] & (day >= config.n_days // 2))
    lift = np.where(treated, shown.ctr[1, product] / shown.ctr[0, product] - 1, 0.0)
    if config.faults.novelty_half_life_days is not None:
        lift = lift * 0.5 ** (day / config.faults.novelty_half_life_days)
    click = draw_clicks(shown.ctr[0, product] * (1 + lift), users.propensity[user], rng)

    impressions = pl.DataFrame(
        {"user": user, "day": day, "product": product, "treated": treated, "click": click}
    )
    bots = _bot_impressions(config, shown, rng)
    log = _as_log(config, shown, _with_faults(config, shown, pl.concat([impressions, bots]), rng))
    return SimulatedTraffic(log, _truth_table(config, share, shown))


def drawn_lifts(config: TrafficConfig) -> np.ndarray:
    """Relative lift that the configuration gives each category, shape (44,)."""
    return _drawn(config, np.random.default_rng(config.seed))[1]


def _drawn(config: TrafficConfig, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Share of impressions, and relative lift, of each category."""
    share = category_shares(config, rng)
    log_lift = np.log1p(config.mean_lift) + config.lift_sd * rng.standard_normal(len(CATEGORIES))
    return share, np.expm1(log_lift)


class _Shown(NamedTuple):
    """What each arm shows of each product.

    Attributes:
        product_ids: Products by category.
        per_category: Products of each category (count).
        creative_ids: Of control, of treatment; each in the order of the products.
        ctr: (2, products) click-through rate of either.
    """

    product_ids: list[str]
    per_category: int
    creative_ids: tuple[list[str], list[str]]
    ctr: np.ndarray


def _labels(lifts: np.ndarray) -> _Shown:
    products = [drawing for category in CATEGORIES for drawing in drawing_ids(category)]
    base = np.repeat([category.base_ctr for category in CATEGORIES], DRAWINGS_PER_CATEGORY)
    ctr = np.stack([base, base * (1 + np.repeat(lifts, DRAWINGS_PER_CATEGORY))])
    control, treatment = ([f"{product}-{arm}" for product in products] for arm in ARMS)
    return _Shown(products, DRAWINGS_PER_CATEGORY, (control, treatment), ctr)


def _pictures(control: Sequence[Ad], treatment: Sequence[Ad]) -> _Shown:
    return _Shown(
        [ad.product.product_id for ad in control],
        len(control) // len(CATEGORIES),
        ([ad.creative_id for ad in control], [ad.creative_id for ad in treatment]),
        np.array([[ad.true_ctr for ad in arm] for arm in (control, treatment)]),
    )


def _bot_impressions(
    config: TrafficConfig, shown: _Shown, rng: np.random.Generator
) -> pl.DataFrame:
    size = 200 * config.faults.bot_units
    return pl.DataFrame(
        {
            "user": config.n_users + np.arange(size) // 200,
            "day": np.full(size, config.n_days // 2),
            "product": rng.integers(len(shown.product_ids), size=size),
            "treated": np.ones(size, dtype=bool),
            "click": np.ones(size, dtype=bool),
        }
    )


def _with_faults(
    config: TrafficConfig, shown: _Shown, impressions: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    faults = config.faults
    if faults.srm_lost_share:
        lost = np.flatnonzero(rng.random(config.n_users) < faults.srm_lost_share)
        is_lost = pl.col("treated") & pl.col("user").is_in(lost.tolist())
        impressions = impressions.filter(~is_lost)
    if faults.missing_days:
        is_missing = pl.col("treated") & pl.col("day").is_in(list(faults.missing_days))
        impressions = impressions.filter(~is_missing)
    if faults.zero_click_categories:
        names = [category.name for category in CATEGORIES]
        unlogged = [names.index(name) for name in faults.zero_click_categories]
        category = pl.col("product") // shown.per_category
        is_unlogged = pl.col("treated") & category.is_in(unlogged)
        impressions = impressions.with_columns(pl.col("click") & ~is_unlogged)
    return impressions


def _as_log(config: TrafficConfig, shown: _Shown, impressions: pl.DataFrame) -> pl.DataFrame:
    n = len(shown.product_ids)
    names = [category.name for category in CATEGORIES]
    ads = pl.DataFrame(
        {
            "arm": np.repeat(ARMS, n),
            "creative_id": [*shown.creative_ids[0], *shown.creative_ids[1]],
            "product_id": shown.product_ids * 2,
            "category": np.repeat(names, shown.per_category).tolist() * 2,
        }
    )
    ad = pl.col("product") + n * pl.col("treated").cast(pl.Int64)
    return log_of(config, impressions.select("user", "day", "click", ad=ad), ads)


def _truth_table(config: TrafficConfig, share: np.ndarray, shown: _Shown) -> pl.DataFrame:
    """Rates by category: its products are shown equally often."""
    control, treatment = shown.ctr.reshape(2, len(CATEGORIES), shown.per_category).mean(axis=2)
    overall = (share @ control, share @ treatment)
    return pl.DataFrame(
        {
            "experiment_id": config.experiment_id,
            "category": [category.name for category in CATEGORIES] + [ALL_CATEGORIES],
            "traffic_share": [*share, 1.0],
            "control_ctr": [*control, overall[0]],
            "treatment_ctr": [*treatment, overall[1]],
            "rel_lift": [*(treatment / control - 1), overall[1] / overall[0] - 1],
        }
    ).select(TRAFFIC_TRUTH.schema.names())
