"""Users of the shop and what they meet: what any simulated experiment is made of.

Users differ in how often they come and how readily they click, so the impressions of one user are
dependent; an analysis that treats them as independent is overconfident here as it would be in a
real shop. A user keeps one arm and meets many categories.
"""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field
from scipy import special

from caig.config import Config
from caig.contracts.experiments import IMPRESSION_LOG
from reference_models.shop.catalogue import CATEGORIES

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_LIKELY = 0.9
"""No impression is clicked with a higher probability, however ready its user."""


class VisitsConfig(Config):
    """Who comes to the shop, and when."""

    experiment_id: str = "shop-launch"
    """Name of the experiment."""
    seed: int = Field(default=20250428, ge=0)
    """Same seed, same log."""
    n_users: int = Field(default=60_000, ge=2)
    """Users in the experiment, all arms together."""
    n_days: int = Field(default=7, ge=1, le=366)
    """Length (days)."""
    first_day: date = date(2026, 3, 2)
    """First day (UTC)."""
    impressions_per_user: float = Field(default=12.0, gt=0)
    """Mean impressions of a user over the whole experiment."""
    activity_shape: float = Field(default=0.8, gt=0)
    """Gamma shape of users' activity; smaller is more uneven."""
    propensity_shape: float = Field(default=1.5, gt=0)
    """Gamma shape of users' readiness to click; smaller makes a user's impressions more alike."""
    category_zipf: float = Field(default=1.0, ge=0)
    """Exponent of the categories' traffic: 0 is even, 1 leaves a long tail of rare ones."""


class Users(NamedTuple):
    """Users of an experiment, shapes (n_users,).

    Attributes:
        activity: Factor of a user's expected impressions; mean 1.
        propensity: Factor of a user's chance to click; mean 1, independent of activity.
        arm: Number of a user's arm; arms differ by one user at most.
    """

    activity: Floats
    propensity: Floats
    arm: Indices


class Visits(NamedTuple):
    """Impressions, shapes (n,).

    Attributes:
        user: Who.
        day: When; 0 is the first day.
        category: Number of the category, in the order of the catalogue.
    """

    user: Indices
    day: Indices
    category: Indices


def category_shares(config: VisitsConfig, rng: np.random.Generator) -> Floats:
    """Expected share of impressions of each category, (44,): Zipf's law in random order."""
    weight = 1.0 / np.arange(1, len(CATEGORIES) + 1) ** config.category_zipf
    return np.asarray(rng.permutation(weight / weight.sum()))


def draw_users(config: VisitsConfig, rng: np.random.Generator, *, n_arms: int) -> Users:
    """Draw users and give each an arm by chance."""
    n = config.n_users
    activity = rng.gamma(config.activity_shape, 1 / config.activity_shape, n)
    propensity = rng.gamma(config.propensity_shape, 1 / config.propensity_shape, n)
    return Users(activity, propensity, rng.permutation(n) % n_arms)


def draw_visits(
    config: VisitsConfig, users: Users, shares: Floats, rng: np.random.Generator
) -> Visits:
    """Draw impressions: Poisson by user, then a day and a category each.

    Args:
        config: How many, over how long.
        users: Who comes.
        shares: (44,) expected shares of the categories; they add up to 1.
        rng: Source of chance.
    """
    n_impressions = rng.poisson(config.impressions_per_user * users.activity)
    user = np.repeat(np.arange(config.n_users), n_impressions)
    day = rng.integers(config.n_days, size=user.size)
    category = rng.choice(len(CATEGORIES), size=user.size, p=shares)
    return Visits(user, day, category)


def draw_clicks(ctr: Floats, propensity: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each impression is clicked, at ``min(ctr * propensity, 0.9)``.

    Args:
        ctr: (n,) click-through rate of the ad shown.
        propensity: (n,) of the user it is shown to.
        rng: Source of chance.
    """
    return np.asarray(rng.random(ctr.size) < np.minimum(ctr * propensity, MOST_LIKELY))


def expected_rate(ctr: Floats, config: VisitsConfig) -> Floats:
    """Mean probability that an ad is clicked, over the users.

    With propensity gamma of shape k and mean 1, the mean of ``min(ctr * propensity, 0.9)`` is
    ``ctr * P(k + 1, k x) + 0.9 * Q(k, k x)`` at ``x = 0.9 / ctr``, where P and Q are the
    regularised incomplete gamma functions. At the default shape it is the ad's CTR to many digits.

    Args:
        ctr: Click-through rates of ads, above 0.
        config: Shape of the propensity.
    """
    k = config.propensity_shape
    reached = k * MOST_LIKELY / ctr
    below = ctr * special.gammainc(k + 1, reached)
    return np.asarray(below + MOST_LIKELY * special.gammaincc(k, reached))


def log_of(config: VisitsConfig, impressions: pl.DataFrame, ads: pl.DataFrame) -> pl.DataFrame:
    """``impression_log/1``: impressions summed by day, user and ad, in that order.

    Args:
        config: Names of the experiment and of its days.
        impressions: A row an impression: ``user``, ``day``, ``ad`` (row of ``ads``), ``click``.
        ads: ``arm``, ``creative_id``, ``product_id``, ``category``, those of one arm together.
    """
    days = pl.Series([config.first_day + timedelta(days=d) for d in range(config.n_days)])
    sums = (
        impressions.group_by("day", "ad", "user")
        .agg(n_impressions=pl.len().cast(pl.Int64), n_clicks=pl.col("click").sum().cast(pl.Int64))
        .sort("day", "user", "ad")
    )
    return sums.select(
        experiment_id=pl.lit(config.experiment_id),
        day=days[sums["day"]],
        unit_id=pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(7)),
        unit_kind=pl.lit("user"),
        **{name: ads[name][sums["ad"]] for name in ads.columns},
        n_impressions="n_impressions",
        n_clicks="n_clicks",
    ).select(IMPRESSION_LOG.schema.names())
