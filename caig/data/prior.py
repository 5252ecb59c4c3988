"""How much the ads of one product differ: the Beta prior of a click-through rate, fitted.

The model: the log-odds of a click differ between the ads of one product by a standard deviation
``spread`` that their category shares. For a product of mean rate m that is a Beta prior around m,
in which two impressions of one ad correlate by ``rho = spread^2 m (1 - m)``; its concentration is
``1 / rho - 1``. The prior stands around the *product's* mean, because a pair is two ads of one
product: one around the category's mean would count differences between products as differences
between ads, and every pair would look surer than it is.

Fitted as by Williams (Applied Statistics 31, 1982): the spread is where Pearson's statistic of the
ads about their product's mean, weighted by ``n / (1 + (n - 1) rho)``, equals its degrees of
freedom. A category is pooled with all: the average category counts as ``pooling`` more degrees of
freedom. Left out: the error of the product's mean, and whatever makes clicks vary beyond the
binomial within one ad (hour, place), which the fit takes for differences between ads.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.contracts.creatives import CLICK_PRIOR

Floats = NDArray[np.float64]

LEAST_SPREAD, MOST_SPREAD = 1e-4, 3.0
"""Where it is looked for. At the lower end all ads of a product are alike, for any real traffic."""

MOST_RHO = 0.5
BISECTIONS = 40
CURVE_POINTS = 61


class Fit(NamedTuple):
    """A fitted prior.

    Attributes:
        categories: ``click_prior/1``, a row a category.
        a: First parameter of each ad's posterior, shape (N,); 0 if its product was never clicked.
        b: Second parameter.
    """

    categories: pl.DataFrame
    a: Floats
    b: Floats


class _Ads(NamedTuple):
    """Ads as arrays; products and categories as numbers from 0.

    Attributes:
        product: Product's number, shape (N,).
        category: Category's number.
        impressions: Impressions, at least 1.
        clicks: Clicks.
        variance: m (1 - m) for the product's plain rate m: what one unit of rho is measured in.
    """

    product: NDArray[np.int64]
    category: NDArray[np.int64]
    impressions: Floats
    clicks: Floats
    variance: Floats


def fit_prior(ads: pl.DataFrame, *, pooling: float) -> Fit:
    """Fit the prior on all ads of a log, whatever pairs are kept of them.

    Args:
        ads: Columns product_id, category, n_impressions (at least 1), n_clicks; a row an ad, and
            at least one.
        pooling: Degrees of freedom (ads) that the average category lends to every other; above 0.
    """
    data = _as_arrays(ads)
    together = data._replace(category=np.zeros_like(data.category))
    overall = _root(together, lambda _: 0.0, 0.0).item()
    spread = _root(data, _average_curve(together, overall), pooling)
    rho = _rho(data, spread)
    mean = _product_means(data, rho)
    concentration = 1 / rho - 1
    return Fit(
        _described(ads, spread),
        mean * concentration + data.clicks,
        (1 - mean) * concentration + data.impressions - data.clicks,
    )


def _as_arrays(ads: pl.DataFrame) -> _Ads:
    product, category = (
        ads[name].rank("dense").to_numpy().astype(np.int64) - 1
        for name in ("product_id", "category")
    )
    impressions, clicks = (ads[n].to_numpy().astype(float) for n in ("n_impressions", "n_clicks"))
    plain = np.bincount(product, clicks) / np.bincount(product, impressions)
    return _Ads(product, category, impressions, clicks, (plain * (1 - plain))[product])


def _root(data: _Ads, average: Callable[[Floats], Floats | float], pooling: float) -> Floats:
    """The spread of every category, shape (C,).

    Args:
        data: Ads.
        average: Pearson's statistic over its degrees of freedom, of the average category, by the
            logarithm of the spread.
        pooling: How many degrees of freedom it lends.
    """
    n_categories = int(data.category.max()) + 1
    low, high = (np.full(n_categories, np.log(edge)) for edge in (LEAST_SPREAD, MOST_SPREAD))
    for _ in range(BISECTIONS):  # the statistic falls as the spread grows
        middle = (low + high) / 2
        statistic, freedom = _pearson(data, np.exp(middle))
        is_above = statistic + pooling * average(middle) > freedom + pooling
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    spread: Floats = np.exp((low + high) / 2)
    return spread


def _average_curve(together: _Ads, overall: float) -> Callable[[Floats], Floats]:
    """The average category's statistic over its degrees of freedom, by log(spread)."""
    grid = np.unique([*np.geomspace(LEAST_SPREAD, MOST_SPREAD, CURVE_POINTS), overall])
    points = [_pearson(together, np.array([spread])) for spread in grid]
    ratios = np.array([(s.item() / f.item() if f.item() else 1.0) for s, f in points])
    # 1 at the root; where the root lies at an edge it is not, and is made so: lending must leave
    # a category that has nothing of its own at the overall figure.
    ratios /= ratios[grid == overall].item() or 1.0
    return lambda log_spread: np.interp(log_spread, np.log(grid), ratios)


def _pearson(data: _Ads, spread: Floats) -> tuple[Floats, Floats]:
    """Pearson's statistic and its degrees of freedom, each by category, shape (C,)."""
    rho = _rho(data, spread)
    weight = data.impressions / (1 + (data.impressions - 1) * rho)
    mean = _product_means(data, rho)
    has_clicks = data.variance > 0
    variance = np.where(has_clicks, mean * (1 - mean), 1.0)
    squares = weight * (data.clicks / data.impressions - mean) ** 2 / variance
    freedom = 1 - 1 / np.bincount(data.product)[data.product]

    def summed(terms: Floats) -> Floats:
        counted = np.bincount(data.category, np.where(has_clicks, terms, 0.0), spread.size)
        return counted.astype(np.float64)

    return summed(squares), summed(freedom)


def _rho(data: _Ads, spread: Floats) -> Floats:
    """Correlation of two impressions of one ad, shape (N,)."""
    least = LEAST_SPREAD**2 * 1e-6  # a product without clicks has no variance to measure by
    rho: Floats = np.clip(spread[data.category] ** 2 * data.variance, least, MOST_RHO)
    return rho


def _product_means(data: _Ads, rho: Floats) -> Floats:
    """Each ad's product's rate, ads weighted by what they tell of it; shape (N,)."""
    weight = data.impressions / (1 + (data.impressions - 1) * rho)
    clicked = np.bincount(data.product, weight * data.clicks / data.impressions)
    mean: Floats = (clicked / np.bincount(data.product, weight))[data.product]
    return mean


def _described(ads: pl.DataFrame, spread: Floats) -> pl.DataFrame:
    """``click_prior/1``."""
    return (
        ads.group_by("category")
        .agg(
            n_products=pl.col("product_id").n_unique().cast(pl.Int64),
            n_creatives=pl.len().cast(pl.Int64),
            n_impressions=pl.col("n_impressions").sum(),
            n_clicks=pl.col("n_clicks").sum(),
        )
        .sort("category")  # as their numbers are, so that spreads meet their categories
        .with_columns(spread=pl.Series(spread))
        .select(CLICK_PRIOR.schema.names())
    )
