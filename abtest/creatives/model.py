"""How much products and their images differ, and each image's rate shrunk accordingly.

Rates ``y_ij`` of image j of product i in category k, as a multiple of the category's CTR, are taken
as

    y_ij = mu_k + a_i + b_ij + e_ij,  a ~ (0, product variance), b ~ (0, image variance), e ~ (0, v)

with known sampling variances v. The two variance components are restricted maximum likelihood,
pooled over categories: a category alone has too few products. The ratio scale needs no correction
of zero clicks and keeps y unbiased however few the impressions. Predictions are best linear
unbiased ones (Henderson 1975; Searle, Casella, McCulloch 1992, sections 6.6 and 7.4); within a
product errors share ``a``, so that its covariance is a diagonal plus a constant and nothing larger
than a product is ever inverted. Intervals take the two components as known.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Layout(NamedTuple):
    """Which product an image belongs to, and which category a product.

    Attributes:
        product: Shape (images,), index of the image's product.
        category: Shape (products,), index of the product's category.
    """

    product: Ints
    category: Ints


class Components(NamedTuple):
    """Variances on the scale of ratios to the category's CTR.

    Attributes:
        product: Between products of a category; NaN where it cannot be told from the categories'
            means or the images.
        image: Between images of a product; of images between products too where ``product`` is NaN.
    """

    product: float
    image: float


class Predictions(NamedTuple):
    """Shape (images,) each.

    Attributes:
        ratio: Predicted ``mu + a + b``.
        se: Standard error of its error.
        product_effect: Predicted ``a`` of the image's product.
        product_se: Standard error of that, the category's mean given.
        residual: ``y - mu``.
    """

    ratio: Floats
    se: Floats
    product_effect: Floats
    product_se: Floats
    residual: Floats


class Fit(NamedTuple):
    """A model and what it was fitted to.

    Attributes:
        v: Shape (images,), sampling variances.
        layout: Images to products to categories.
        components: Variance components.
        predictions: Made with these.
    """

    v: Floats
    layout: Layout
    components: Components
    predictions: Predictions


def variance_components(y: Floats, v: Floats, layout: Layout) -> Components:
    """Restricted maximum likelihood of the two components.

    Args:
        y: Shape (images,), ratios to the category's CTR.
        v: Shape (images,), their sampling variances, positive.
        layout: Images to products to categories.

    Returns:
        NaN for what the layout does not identify: the product's where no product has two images or
        no category two products; the image's too where no category has two images.
    """
    images_of_product = np.bincount(layout.product)
    products_of_category = np.bincount(layout.category)
    images_of_category = np.bincount(layout.category[layout.product])
    if images_of_category.max() < 2:
        return Components(np.nan, np.nan)
    splits = images_of_product.max() > 1 and products_of_category.max() > 1
    scale = max(float(np.mean((y - y.mean()) ** 2)), 1e-12)

    def deviance(share: Floats) -> tuple[float, Floats]:
        product = scale * share[1] if splits else 0.0
        value, slope = _deviance(y, v, layout, Components(product, scale * share[0]))
        return value, scale * slope[: 1 + splits]

    fits = [
        optimize.minimize(
            deviance,
            np.full(1 + splits, start),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * (1 + splits),
            options={"ftol": 1e-14, "gtol": 1e-9},
        )
        for start in (0.3, 0.01)
    ]
    best = min(fits, key=lambda fit: float(fit.fun)).x * scale
    return Components(float(best[1]) if splits else np.nan, float(best[0]))


def predict(y: Floats, v: Floats, layout: Layout, components: Components) -> Predictions:
    """Best linear unbiased predictions of the images' ratios.

    Args:
        y: Shape (images,), ratios.
        v: Shape (images,), their sampling variances.
        layout: Images to products to categories.
        components: Variances; an unknown one counts as 0.
    """
    between, within = (float(np.nan_to_num(value)) for value in components)
    w = 1 / (v + within)
    total = np.bincount(layout.product, w)
    spread = np.asarray(1 + between * total, dtype=np.float64)
    mean, mean_variance = _category_means(y, w, spread, layout)
    category = layout.category[layout.product]
    residual = y - mean[category]
    effect = between * np.bincount(layout.product, w * residual) / spread
    product = layout.product
    # With G the prior covariance and D = diag(v): G - G V^-1 G = D - D V^-1 D.
    diagonal = w - between * w**2 / spread[product]
    own = v - v**2 * diagonal
    through_mean = (v * w / spread[product]) ** 2 * mean_variance[category]
    return Predictions(
        ratio=y - v * w * (residual - effect[product]),
        se=np.sqrt(own + through_mean),
        product_effect=effect[product],
        product_se=np.sqrt(between / spread)[product],
        residual=residual,
    )


def _category_means(y: Floats, w: Floats, spread: Floats, layout: Layout) -> tuple[Floats, Floats]:
    """Generalised least squares means of the categories, and their variances."""
    information = np.bincount(layout.category, np.bincount(layout.product, w) / spread)
    sums = np.bincount(layout.category, np.bincount(layout.product, w * y) / spread)
    return sums / information, 1 / information


def _deviance(y: Floats, v: Floats, layout: Layout, components: Components) -> tuple[float, Floats]:
    """Minus twice the restricted log-likelihood, up to a constant; its slopes by image and product.

    With P the projected inverse the slope is ``tr(P dV) - y' P dV P y``.
    """
    between, category = components.product, layout.category[layout.product]
    w = 1 / (v + components.image)
    total = np.bincount(layout.product, w)
    spread = np.asarray(1 + between * total, dtype=np.float64)
    mean, mean_variance = _category_means(y, w, spread, layout)
    residual = y - mean[category]
    sums = np.bincount(layout.product, w * residual)
    fit = w @ residual**2 - between * (sums**2 / spread).sum()
    logs = -np.log(w).sum() + np.log(spread).sum() - np.log(mean_variance).sum()
    projected = w * (residual - (between * sums / spread)[layout.product])
    by_image = w / spread[layout.product]
    by_product = total / spread
    image = (w - between * w * by_image).sum() - by_image**2 @ mean_variance[category]
    product = by_product.sum() - by_product**2 @ mean_variance[layout.category]
    slopes = [
        image - projected @ projected,
        product - (np.bincount(layout.product, projected) ** 2).sum(),
    ]
    return float(logs + fit), np.array(slopes)
