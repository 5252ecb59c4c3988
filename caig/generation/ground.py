"""Product against an even ground: which pixels are product, where a picture has no alpha.

Made for catalogue pictures: one product on a plain, white or softly lit ground, with soft shadows.
No learned model. Ground is what can be reached from the picture's border without crossing an edge:

1. edges are measured on a high-passed logarithm of the picture, in which soft shadows and vignettes
   hardly have any, and are widened so that the flood does not leak through small gaps;
2. near the outline the flood goes on over the fine picture, with a threshold relative to the
   strongest edge nearby, up to the product itself;
3. shadows at the foot go by their colour: their chroma follows the law that the picture's own soft
   shadows follow;
4. a watershed places the boundary, first at working size, then at full size.

Glass, and white on white, are where it errs; how well the outline is supported by edges is
returned, so that such masks can be doubted.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from caig.generation.compose import Picture

Mask = npt.NDArray[np.bool_]
Field = npt.NDArray[np.float32]

WORKING_SIDE = 512
SURFACE_SIDE = 128
CLOSED_GAP = 3
"""Gaps in an outline up to twice this are closed (px at working size)."""
BAND = 16
"""How far from the first outline the fine flood may go (px at working size)."""
FOOT = 0.4
"""Share of the product's height, from below, in which shadows are looked for."""
THICK = 14
"""What is thicker than twice this is no shadow of a pale product (px at working size)."""
SMALLEST_PART = 0.004
"""Parts smaller than this share of the product are dropped."""


@dataclass(frozen=True)
class Separation:
    """A product told from its ground.

    Attributes:
        mask: True on the product, at the picture's size.
        edge_support: Share of the outline that lies on an edge of the picture (0-1).
        missed_edges: Length of edges outside the product, as a share of its outline (>= 0).
        contrast: Median difference between product and ground (natural logarithm of light).
        unevenness: Gradient that had to be allowed in the ground (log units a working pixel).
    """

    mask: Mask
    edge_support: float
    missed_edges: float
    contrast: float
    unevenness: float


def separate(rgb: Picture) -> Separation:
    """Tell the product from an even ground.

    Args:
        rgb: ``(height, width, 3)``.

    Returns:
        The mask, which is empty if nothing stands out, and how far it can be trusted.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    light = _log_light(np.asarray(small, np.uint8))
    soft_edges = _gradient(_blurred(light, 1) - _blurred(light, 6))
    unevenness = _unevenness(soft_edges)
    ground = _from_border(_grown_field(soft_edges, CLOSED_GAP) < unevenness)
    product = _opened(~ground, CLOSED_GAP + 1)
    departure = _blurred(light, 0.8) - _surface(light, ground)
    product = _to_the_edge(product, light, unevenness)
    product = _without_shadow(product, light, departure, ground)
    product = _without_windows(product, light, departure, unevenness)
    for _ in range(2):
        product = _shed(departure, product, inside=2, outside=1)
    product = _main_parts(product)
    if not product.any():
        return Separation(np.zeros((height, width), np.bool_), 0.0, 0.0, 0.0, unevenness)
    support = _edge_support(product, soft_edges, unevenness)
    contrast = float(np.median(np.abs(departure).max(axis=-1)[product]))
    missed = _missed_edges(product, soft_edges, unevenness)
    large = _at_full_size(product, rgb, departure, light)
    return Separation(large, support, missed, contrast, unevenness)


def _log_light(rgb: Picture) -> Field:
    return np.log(rgb.astype(np.float32) + 12)  # 12 of 255 keeps the noise of black small


def _blurred(field: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def _gradient(field: Field) -> Field:
    """Strongest gradient of any channel (a pixel)."""
    x, y = (cv2.Scharr(field, -1, *axis) / 32 for axis in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(x, y).max(axis=-1), np.float32)


def _disc(radius: int) -> Picture:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _grown_field(field: Field, radius: int) -> Field:
    return np.asarray(cv2.dilate(field, _disc(radius)), np.float32)


def _grown(mask: Mask, radius: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _disc(radius)) > 0)


def _shrunk(mask: Mask, radius: int) -> Mask:
    # Beyond the picture all counts as set, so that a product at the border is not gnawed.
    return np.asarray(cv2.erode(mask.astype(np.uint8), _disc(radius), borderValue=(1,)) > 0)


def _opened(mask: Mask, radius: int) -> Mask:
    return _grown(_shrunk(mask, radius), radius)


def _from_border(allowed: Mask) -> Mask:
    """The part of ``allowed`` that is connected with the picture's border."""
    _, labels = cv2.connectedComponents(allowed.astype(np.uint8), connectivity=4)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, rim[rim > 0])


def _unevenness(edges: Field) -> float:
    """Largest gradient that still counts as ground, from a band along the border."""
    band = max(3, round(0.03 * max(edges.shape)))
    strips = (edges[:band], edges[-band:], edges[:, :band].T, edges[:, -band:].T)
    typical = np.quantile(np.concatenate([strip.ravel() for strip in strips]), 0.75)
    return float(np.clip(3 * typical, 0.003, 0.03))


def _surface(light: Field, ground: Mask) -> Field:
    """The ground's light as a cubic surface, fitted so that its shadows count little."""
    height, width = ground.shape
    scale = min(1.0, SURFACE_SIDE / max(height, width))
    size = max(4, round(width * scale)), max(4, round(height * scale))
    known = cv2.resize(ground.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    if known.sum() < 40:
        return np.broadcast_to(np.median(light, axis=(0, 1)), light.shape)
    y, x = np.meshgrid(np.linspace(-1, 1, size[1]), np.linspace(-1, 1, size[0]), indexing="ij")
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=-1)
    wanted = cv2.resize(light, size, interpolation=cv2.INTER_AREA)[known]
    weight = np.ones(len(wanted))
    for _ in range(8):
        rows = terms[known] * weight[:, None]
        found = np.linalg.lstsq(rows, wanted * weight[:, None], rcond=None)[0]
        left = (wanted - terms[known] @ found).mean(axis=1)
        weight = 1 / np.sqrt(1 + (np.where(left < 0, 2, 1) * left / 0.02) ** 2)
    surface = (terms @ found).astype(np.float32)
    return np.asarray(cv2.resize(surface, (width, height)), np.float32)


def _to_the_edge(product: Mask, light: Field, unevenness: float) -> Mask:
    """``product`` less the ground between its first outline and its edges."""
    fine = _gradient(_blurred(light, 1))
    band = product & ~_shrunk(product, BAND)
    weak = np.maximum(unevenness, 0.22 * _grown_field(fine, 10))
    return _opened(~_from_border(~product | (band & (fine < weak))), 2)


def _without_shadow(product: Mask, light: Field, departure: Field, ground: Mask) -> Mask:
    """``product`` less shadows at its foot that run out into the ground."""
    rows = np.flatnonzero(product.any(axis=1))
    if not rows.size:
        return product
    darker = departure.mean(axis=-1)
    chroma = departure - darker[..., None]
    depth = np.clip(darker, -1.2, 0)
    terms = np.stack([depth, depth**2], axis=-1)
    soft = _shrunk(ground, 2) & (darker < -0.06)
    law = np.zeros((2, 3))
    if soft.sum() >= 400:
        law = np.linalg.lstsq(terms[soft], chroma[soft], rcond=None)[0]
    noise = float(np.median(np.abs(chroma[ground]))) if ground.any() else 0.01
    like = np.abs(chroma - terms @ law).max(axis=-1) < max(0.012, 4 * noise) - 0.1 * depth
    # A shadow grows dark slowly; an edge of a product takes two or three pixels.
    slow = _grown_field(_gradient(_blurred(light, 1)), 1) < np.maximum(0.015, -0.2 * depth)
    line = rows[-1] - round(FOOT * np.ptp(rows))
    foot = np.zeros_like(product)
    foot[line:] = True
    shadow = foot & like & slow & (darker < -0.03) & (darker > -0.9)
    kept = ~_from_border(~product | shadow)
    if (product & ~kept)[line : line + 3].any():
        # It goes on above the foot: the shaded face of a pale product, which looks like a shadow.
        shadow &= ~_opened(product, THICK)
        kept = ~_from_border(~product | shadow)
    return _opened(kept, 3) | (kept & _shrunk(product, 1) & ~_grown(shadow, 4))


def _without_windows(product: Mask, light: Field, departure: Field, unevenness: float) -> Mask:
    """``product`` less enclosed ground, e.g. within a handle; not where it might be the product."""
    away = np.abs(departure).max(axis=-1)
    if not product.any() or np.median(away[product]) < 0.25:
        return product
    calm = _gradient(_blurred(light, 1)) < 3 * unevenness
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(
        _shrunk(product & calm, 1).astype(np.uint8), connectivity=4
    )
    plain = np.bincount(labels[away < 0.04], minlength=len(boxes))
    # A reflection of the ground is part of a larger face; a window is ground all over.
    windows = np.flatnonzero((plain > 0.9 * boxes[:, 4]) & (boxes[:, 4] > 50))
    product = product & ~_grown(np.isin(labels, windows[windows > 0]), 2)
    corners = calm & (away < 0.04) & ~_shrunk(product, BAND)
    return _opened(product & ~_from_border(~product | corners), 1)


def _main_parts(product: Mask) -> Mask:
    """``product`` without specks."""
    _, labels = cv2.connectedComponents(product.astype(np.uint8))
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.isin(labels, np.flatnonzero(areas > SMALLEST_PART * areas.sum()))


def _shed(departure: Field, product: Mask, *, inside: int, outside: int) -> Mask:
    """``product`` with its boundary moved to the steepest place within a few pixels."""
    # Differences near the ground's light count most; those within black count least.
    seen = np.clip(170 + 35 * np.arcsinh(departure / 0.05), 0, 255).astype(np.uint8)
    markers = np.zeros(product.shape, np.int32)
    markers[_shrunk(~product, outside)] = 1
    markers[_shrunk(product, inside)] = 2
    found = np.asarray(cv2.watershed(np.ascontiguousarray(seen), markers))
    return np.asarray(_grown(found == 2, 1) & (found != 1))


def _edge_support(product: Mask, edges: Field, unevenness: float) -> float:
    outline = product & ~_shrunk(product, 1)
    outline[[0, -1]] = outline[:, [0, -1]] = False
    if not outline.any():
        return 0.0
    return float((_grown_field(edges, 2) > 1.5 * unevenness)[outline].mean())


def _missed_edges(product: Mask, edges: Field, unevenness: float) -> float:
    outline = product & ~_shrunk(product, 1)
    beyond = ~_grown(product, 8) & (edges > 2 * unevenness)
    thin = beyond & (edges >= _grown_field(edges, 1))  # one pixel of an edge's width
    return float(thin.sum() / max(outline.sum(), 1))


def _at_full_size(product: Mask, rgb: Picture, departure: Field, light: Field) -> Mask:
    height, width = rgb.shape[:2]
    if product.shape == (height, width):
        return product
    surface = cv2.resize(light - departure, (width, height))
    large = cv2.resize(product.astype(np.float32), (width, height)) > 0.5
    reach = max(1, round(1.5 * height / product.shape[0]))
    fine = _blurred(_log_light(rgb), 0.8) - surface
    moved = _shed(np.asarray(fine, np.float32), large, inside=reach, outside=reach)
    return np.asarray(moved | _shrunk(large, reach))
