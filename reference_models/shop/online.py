"""An online experiment whose arms show what generators painted, in the shop's traffic.

Each arm has ads of its own for every product. Users are randomised to arms; an impression falls on
a category by its traffic, on any of the category's products alike, and shows any of the arm's ads
of that product alike; it is clicked at the rate that the click model gives the ad, times the user's
propensity. Arms differ by their ads and by nothing else: same ads, same truth.

**What is true of an arm in a category** is its expected clicks over its expected impressions: the
mean over the products, all alike, of the mean over the arm's ads of the product, all alike, of the
ad's rate. Overall it is the mean of the categories' rates by their shares of impressions. The true
lift is the ratio of two arms' rates, less 1. This is what the pooled CTRs of ``caig lift``, summed
clicks over summed impressions, tend to in every category and overall. It is not a mean of the
products' lifts: a product that is clicked more weighs more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.online import ONLINE_ADS, ONLINE_TRUTH
from caig.errors import DataError
from reference_models.shop.arms import Arm, PaintedAd
from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.oracle import ctr_of_ad
from reference_models.shop.truth import suits
from reference_models.shop.visits import (
    Floats,
    Indices,
    VisitsConfig,
    category_shares,
    draw_clicks,
    draw_users,
    draw_visits,
    expected_rate,
    log_of,
)

NAMES = tuple(category.name for category in CATEGORIES)


class OnlineConfig(VisitsConfig):
    """Who comes to the shop in the week of the experiment, and when."""

    experiment_id: str = "shop-online"
    """Name of the experiment."""
    n_users: int = Field(default=300_000, ge=2)
    """Users in the experiment, all arms together."""


class OnlineTraffic(NamedTuple):
    """A log, what was shown, and the truth behind it.

    Attributes:
        log: ``impression_log/1``.
        ads: ``online_ads/1``: all ads that could be shown.
        truth: ``online_truth/1``.
        left_out: Products that some arm has no ad for, and which no arm shows.
    """

    log: pl.DataFrame
    ads: pl.DataFrame
    truth: pl.DataFrame
    left_out: tuple[str, ...]


def simulate_online(
    config: OnlineConfig, products: pl.DataFrame, arms: Sequence[Arm]
) -> OnlineTraffic:
    """Draw a log of one experiment.

    Traffic of categories without a product to show goes to the others, in their proportions.

    Args:
        config: Users, days and traffic.
        products: ``products/1`` of the shop world.
        arms: Two or more, control first, names all different.

    Returns:
        Log and truth.

    Raises:
        DataError: A category is not of the shop world, or the arms share no product.
    """
    shown = _shown(products, arms)
    rng = np.random.default_rng(config.seed)
    shares = category_shares(config, rng) * (shown.n_products > 0)
    shares = shares / shares.sum()
    users = draw_users(config, rng, n_arms=len(arms))
    user, day, category = draw_visits(config, users, shares, rng)
    product = shown.first_product[category] + _any_of(shown.n_products[category], rng)
    arm = users.arm[user]
    ad = shown.first_ad[arm, product] + _any_of(shown.n_ads[arm, product], rng)
    click = draw_clicks(shown.true_ctr[ad], users.propensity[user], rng)
    impressions = pl.DataFrame({"user": user, "day": day, "ad": ad, "click": click})
    named = shown.ads.select("arm", "creative_id", "product_id", "category")
    return OnlineTraffic(
        log_of(config, impressions, named),
        shown.ads,
        _truth(config, shown, shares, [arm.name for arm in arms]),
        shown.left_out,
    )


class _Shown(NamedTuple):
    """What is shown: by category, by product, and of each product by arm.

    Attributes:
        ads: ``online_ads/1``, by arm and product.
        first_product: (44,) number of a category's first product.
        n_products: (44,) products of a category; may be 0.
        first_ad: (arms, products) row of an arm's first ad of a product.
        n_ads: (arms, products) how many it has; 1 or more.
        left_out: Products that are not shown.
    """

    ads: pl.DataFrame
    first_product: Indices
    n_products: Indices
    first_ad: Indices
    n_ads: Indices
    left_out: tuple[str, ...]

    @property
    def true_ctr(self) -> Floats:
        """(ads,) click-through rates."""
        return np.asarray(self.ads["true_ctr"].to_numpy())


def _shown(products: pl.DataFrame, arms: Sequence[Arm]) -> _Shown:
    strange = products.filter(~pl.col("category").is_in(NAMES))
    if strange.height:
        product_id, category = strange.select("product_id", "category").row(0)
        raise DataError(
            f"product {product_id!r} of category {category!r} is not of the shop world; only there "
            "it is known how likely an ad is clicked"
        )
    by_arm = [_by_product(arm) for arm in arms]
    catalogue = products.select("product_id", "category").sort(
        pl.col("category").cast(pl.Enum(NAMES)), "product_id"
    )
    is_shown = pl.all_horizontal(
        pl.col("product_id").is_in(list(ads)) if ads else pl.lit(value=False) for ads in by_arm
    )
    served = catalogue.filter(is_shown)
    if served.is_empty():
        raise DataError(
            "the arms share no product: a product is shown only if every arm has an ad of it"
        )
    rows, n_ads = [], []
    for arm, ads in zip(arms, by_arm, strict=True):
        for product_id, category in served.iter_rows():
            rows += [_row(arm.name, category, ad) for ad in ads[product_id]]
            n_ads.append(len(ads[product_id]))
    counts = np.array(n_ads, dtype=np.int64)
    n_products = np.array([served["category"].to_list().count(name) for name in NAMES])
    return _Shown(
        pl.DataFrame(rows, schema=ONLINE_ADS.schema, orient="row"),
        np.cumsum(n_products) - n_products,
        n_products,
        (np.cumsum(counts) - counts).reshape(len(arms), -1),
        counts.reshape(len(arms), -1),
        tuple(catalogue.filter(~is_shown)["product_id"]),
    )


def _by_product(arm: Arm) -> dict[str, list[PaintedAd]]:
    found: dict[str, list[PaintedAd]] = {}
    for ad in arm.ads:
        found.setdefault(ad.product_id, []).append(ad)
    return found


def _row(arm: str, category: str, ad: PaintedAd) -> tuple[object, ...]:
    """An ad with its truth; two runs may call different ads by one name, so the arm is put first.

    The true CTR is of what was painted: neither the arm nor the prompt's other words enter.
    """
    look = ad.look or (None,) * 5
    fits = ad.look is not None and suits(category, ad.look.scene)
    rate = ctr_of_ad(ad.look, category=category, product_id=ad.product_id, seed=ad.seed)
    name = f"{arm}/{ad.creative_id}"
    return (name, arm, ad.product_id, category, ad.prompt, *look, fits, rate)


def _any_of(counts: Indices, rng: np.random.Generator) -> Indices:
    """A number below each count, all alike."""
    return np.asarray((rng.random(counts.size) * counts).astype(np.int64))


def _truth(config: OnlineConfig, shown: _Shown, shares: Floats, names: list[str]) -> pl.DataFrame:
    """``online_truth/1``, arm by arm; see the module for what is true."""
    has_products = np.flatnonzero(shown.n_products)
    categories = [*(NAMES[k] for k in has_products), ALL_CATEGORIES]
    weights = [*shares[has_products], 1.0]
    by_ad = {
        "true_ctr": expected_rate(shown.true_ctr, config),
        "suits_share": shown.ads["suits"].to_numpy().astype(np.float64),
        "bare_share": shown.ads["scene"].is_null().to_numpy().astype(np.float64),
    }
    means = {name: _means(values, shown, shares) for name, values in by_ad.items()}
    # As many ads as an arm has, by product, category and overall.
    n_ads = np.add.reduceat(shown.n_ads, shown.first_product[has_products], axis=1)
    parts = [
        pl.DataFrame(
            {
                "experiment_id": config.experiment_id,
                "arm": name,
                "is_control": number == 0,
                "category": categories,
                "traffic_share": weights,
                "n_products": [*shown.n_products[has_products], shown.n_products.sum()],
                "n_creatives": [*n_ads[number], n_ads[number].sum()],
                **{column: values[number] for column, values in means.items()},
                "rel_lift": means["true_ctr"][number] / means["true_ctr"][0] - 1,
            }
        )
        for number, name in enumerate(names)
    ]
    return pl.concat(parts).select(ONLINE_TRUTH.schema.names())


def _means(values: NDArray[np.float64], shown: _Shown, shares: Floats) -> Floats:
    """Means of a quantity of ads over impressions, (arms, categories shown and all of them)."""
    by_product = np.add.reduceat(values, shown.first_ad.ravel()).reshape(shown.n_ads.shape)
    by_product = by_product / shown.n_ads
    has_products = np.flatnonzero(shown.n_products)
    sums = np.add.reduceat(by_product, shown.first_product[has_products], axis=1)
    by_category = sums / shown.n_products[has_products]
    # No matrix product: its order of summing may differ between rows, and equal arms are equal.
    overall = (by_category * shares[has_products]).sum(axis=1)
    return np.asarray(np.minimum(np.column_stack([by_category, overall]), 1.0))
