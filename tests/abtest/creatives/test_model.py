"""Variance components and predictions against dense matrices, pooling, and known truth."""

import numpy as np
import pytest
from scipy import stats

from abtest.categories.pooling import heterogeneity
from abtest.creatives.best import rank_within_categories, rank_within_products
from abtest.creatives.model import (
    Components,
    Fit,
    Layout,
    Predictions,
    _deviance,
    predict,
    variance_components,
)


def balanced(categories, products, images):
    product = np.repeat(np.arange(categories * products), images)
    return Layout(product, np.repeat(np.arange(categories), products))


def drawn(layout, components, v, rng):
    a = rng.normal(0, np.sqrt(components.product), layout.category.size)
    b = rng.normal(0, np.sqrt(components.image), layout.product.size)
    truth = 1 + a[layout.product] + b
    return truth, truth + rng.normal(0, np.sqrt(v))


def dense(layout, components, v):
    """Prior covariance, covariance of y, and design matrix, written out."""
    z = np.eye(layout.category.size)[layout.product]
    x = np.eye(layout.category.max() + 1)[layout.category[layout.product]]
    prior = components.product * z @ z.T + components.image * np.eye(v.size)
    return prior, prior + np.diag(v), x


@pytest.fixture
def example():
    rng = np.random.default_rng(4)
    layout = Layout(np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5]), np.array([0, 0, 1, 1, 1, 1]))
    v = rng.uniform(0.01, 0.2, 13)
    components = Components(0.04, 0.02)
    return layout, components, v, drawn(layout, components, v, rng)[1]


def test_restricted_likelihood_is_that_of_dense_matrices(example):
    layout, _, v, y = example

    def by_hand(components):
        _, variance, x = dense(layout, components, v)
        inverse = np.linalg.inv(variance)
        information = x.T @ inverse @ x
        r = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
        logs = np.linalg.slogdet(variance)[1] + np.linalg.slogdet(information)[1]
        return logs + r @ inverse @ r

    for components in (Components(0.0, 0.0), Components(0.1, 0.0), Components(0.03, 0.2)):
        expected = by_hand(components)
        value, slopes = _deviance(y, v, layout, components)
        assert value == pytest.approx(expected, rel=1e-12)
        step = 1e-6
        moved = (
            components._replace(image=components.image + step),
            components._replace(product=components.product + step),
        )
        numeric = [(by_hand(other) - expected) / step for other in moved]
        assert slopes == pytest.approx(numeric, rel=1e-3, abs=1e-2)
    fitted = variance_components(y, v, layout)
    grid = np.linspace(0, 0.5, 26)
    lowest = min(by_hand(Components(p, i)) for p in grid for i in grid)
    assert by_hand(fitted) <= lowest + 1e-9


def test_predictions_are_those_of_dense_matrices(example):
    layout, components, v, y = example
    prior, variance, x = dense(layout, components, v)
    inverse = np.linalg.inv(variance)
    mean_covariance = np.linalg.inv(x.T @ inverse @ x)
    mean = mean_covariance @ x.T @ inverse @ y
    ratio = x @ mean + prior @ inverse @ (y - x @ mean)
    through_mean = x - prior @ inverse @ x
    covariance = prior - prior @ inverse @ prior + through_mean @ mean_covariance @ through_mean.T
    found = predict(y, v, layout, components)
    assert found.ratio == pytest.approx(ratio, rel=1e-10)
    assert found.se == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-10)


def test_one_category_of_images_is_pooled_as_categories_are():
    rng = np.random.default_rng(8)
    v = rng.uniform(0.01, 0.1, 12)
    y = 1 + rng.normal(0, np.sqrt(v + 0.05))
    layout = Layout(np.zeros(12, dtype=int), np.zeros(1, dtype=int))
    components = variance_components(y, v, layout)
    spread = heterogeneity(y, v)
    assert np.isnan(components.product)
    assert components.image == pytest.approx(spread.tau2, rel=1e-4)
    kept = spread.tau2 / (spread.tau2 + v)
    expected = spread.mean + kept * (y - spread.mean)
    assert predict(y, v, layout, components).ratio == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("layout", "known"),
    [
        (Layout(np.array([0]), np.array([0])), (False, False)),
        (Layout(np.array([0, 1]), np.array([0, 1])), (False, False)),
        (Layout(np.array([0, 1, 2]), np.array([0, 0, 0])), (False, True)),
        (Layout(np.array([0, 0, 1]), np.array([0, 1])), (False, True)),
        (Layout(np.array([0, 0, 1]), np.array([0, 0])), (True, True)),
    ],
)
def test_what_the_layout_does_not_identify_is_unknown(layout, known):
    y = np.linspace(0.5, 1.5, layout.product.size)
    components = variance_components(y, np.full(y.size, 0.01), layout)
    assert tuple(np.isfinite(components)) == known
    assert np.isfinite(predict(y, np.full(y.size, 0.01), layout, components).ratio).all()


def test_components_are_unbiased_and_intervals_cover():
    rng = np.random.default_rng(15)
    truth = Components(0.03, 0.02)
    layout = balanced(6, 6, 4)
    fitted, covered = [], []
    for _ in range(60):
        v = rng.gamma(2, 0.02, layout.product.size) + 0.002
        rates, y = drawn(layout, truth, v, rng)
        components = variance_components(y, v, layout)
        predicted = predict(y, v, layout, components)
        fitted.append(components)
        covered.append((np.abs(predicted.ratio - rates) < 1.96 * predicted.se).mean())
    means, errors = np.mean(fitted, 0), np.std(fitted, 0) / np.sqrt(60)
    assert (np.abs(means - truth) < 3.5 * errors + 0.001).all(), (means, errors)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


# Which is best ------------------------------------------------------------------------------------


def fit_of(y, v, layout, components):
    y, v = np.array(y, dtype=float), np.array(v, dtype=float)
    return Fit(v, layout, components, predict(y, v, layout, components))


def test_the_chance_of_two_images_is_that_of_the_normal_difference():
    layout, components = Layout(np.array([0, 0]), np.array([0])), Components(0.0, 0.04)
    fit = fit_of([1.1, 0.9], [0.01, 0.02], layout, components)
    kept = 0.04 / (0.04 + fit.v)
    gap = np.diff(kept * fit.predictions.residual)[0]
    spread = np.sqrt((kept * fit.v).sum())
    ranking = rank_within_products(fit)
    assert ranking.chance[0] == pytest.approx(stats.norm.cdf(-gap / spread), abs=0.025)
    lost = spread * stats.norm.pdf(gap / spread) + gap * stats.norm.cdf(gap / spread)
    assert ranking.regret[0] == pytest.approx(lost, abs=0.004)
    assert ranking.regret[1] == pytest.approx(lost - gap, abs=0.004)


def test_chances_of_a_group_add_up_and_ties_share_them(example):
    layout, components, v, y = example
    fit = Fit(v, layout, components, predict(y, v, layout, components))
    for ranking, group in (
        (rank_within_products(fit), layout.product),
        (rank_within_categories(fit), layout.category[layout.product]),
    ):
        assert np.bincount(group, ranking.chance) == pytest.approx(1.0)
        assert (ranking.regret >= 0).all()
    alike = fit_of([1.0, 1.4, 0.8], [0.1] * 3, Layout(np.zeros(3, int), np.zeros(1, int)),
                   Components(np.nan, 0.0))  # fmt: skip
    assert rank_within_products(alike).chance == pytest.approx(1 / 3)
    assert rank_within_products(alike).regret == pytest.approx(0.0)


def test_products_share_their_effect_in_the_ranking_of_a_category():
    # Two images of one product against one of another; the effect is drawn once a product.
    layout = Layout(np.array([0, 0, 1]), np.array([0, 0]))
    components = Components(0.09, 1e-6)
    predictions = Predictions(
        ratio=np.ones(3),
        se=np.ones(3),
        product_effect=np.zeros(3),
        product_se=np.full(3, 0.3),
        residual=np.zeros(3),
    )
    ranking = rank_within_categories(Fit(np.full(3, 0.01), layout, components, predictions))
    assert ranking.chance == pytest.approx([0.25, 0.25, 0.5], abs=0.03)
