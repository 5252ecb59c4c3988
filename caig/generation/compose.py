"""Placing a cut-out on a canvas, what a painter is told about it, and pasting it back.

The product is never repainted. A painter gets the placed product's edges and the mask of what it
may paint; afterwards the product goes over its picture again, so that every pixel that is fully
product keeps its bits. The figures are those of the paper's released code: the box of alpha at
least one half fits 0.78 of the canvas, Canny thresholds are 100 and 200, and at 512 px the mask
grows into the product by a kernel of 20 px.

Cut-outs often hide colour under alpha 0; resampling weighs colour by alpha, so that none of it
shows. Shadows are not made here.
"""

import cv2
import numpy as np
import numpy.typing as npt

from caig.errors import DataError

Picture = npt.NDArray[np.uint8]
"""``(height, width)``, ``(height, width, 3)`` RGB or ``(height, width, 4)`` RGBA."""

OPAQUE_HALF = 128
"""Smallest alpha that counts as product in boxes and control images."""
FIT = 0.78
"""Share of the canvas that the product's longer side takes."""
CANNY_THRESHOLDS = (100, 200)
GROWTH_AT_512 = 20
"""Side of the square by which the mask grows (px), on a canvas of 512 px."""


def place(cutout: Picture, size: int, *, fit: float = FIT, ground: float | None = None) -> Picture:
    """Put a cut-out on an empty square canvas, its aspect kept.

    Args:
        cutout: RGBA; its box is that of alpha at least one half, the rest is cropped.
        size: Side of the canvas (px).
        fit: Share of the canvas that the box may take, along either axis (0-1).
        ground: Height of the line the product stands on, as a share of the canvas from the top; the
            product shrinks if it would not fit above it. None centres it on both axes.

    Returns:
        RGBA ``(size, size, 4)``; colour is 0 where alpha is.

    Raises:
        DataError: No pixel has an alpha of at least one half.
    """
    top, bottom, left, right = alpha_box(cutout)
    product = cutout[top:bottom, left:right]
    room = fit * size
    headroom = room if ground is None else min(room, ground * size)
    scale = min(headroom / product.shape[0], room / product.shape[1])
    height = max(1, round(scale * product.shape[0]))
    width = max(1, round(scale * product.shape[1]))
    y = (size - height) // 2 if ground is None else max(0, round(ground * size) - height)
    x = (size - width) // 2
    canvas = np.zeros((size, size, 4), np.uint8)
    canvas[y : y + height, x : x + width] = resample(product, width, height)
    return canvas


def alpha_box(cutout: Picture) -> tuple[int, int, int, int]:
    """Rows and columns ``(top, bottom, left, right)`` that hold all of alpha at least one half.

    Raises:
        DataError: There is none.
    """
    solid = cutout[..., 3] >= OPAQUE_HALF
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not rows.size:
        raise DataError("the cut-out is empty: no pixel has an alpha of at least 128")
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def resample(rgba: Picture, width: int, height: int) -> Picture:
    """``rgba`` at another size, colour weighed by alpha; untouched if it has that size.

    Returns:
        RGBA ``(height, width, 4)``; colour is 0 where alpha is.
    """
    if rgba.shape[:2] == (height, width):
        return np.where(rgba[..., 3:] == 0, np.uint8(0), rgba)
    shrinks = height * width < rgba.shape[0] * rgba.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    # Plane by plane, which is five times faster than all four at once.
    *colours, alpha = (plane.astype(np.float32) for plane in cv2.split(rgba))
    weight = cv2.resize(alpha, (width, height), interpolation=method)
    share = 1 / np.maximum(weight, 1e-6)
    planes = [
        cv2.resize(colour * alpha, (width, height), interpolation=method) * share
        for colour in colours
    ]
    whole = np.clip(np.rint(cv2.merge([*planes, weight])), 0, 255).astype(np.uint8)
    whole[whole[..., 3] == 0] = 0
    return whole


def paste(background: Picture, placed: Picture) -> Picture:
    """Blend a placed product over a background by its alpha.

    Where alpha is 255 the result is the product, and where it is 0 the background, bit for bit.

    Args:
        background: RGB of the same size as ``placed``.
        placed: RGBA.

    Returns:
        RGB.
    """
    alpha = placed[..., 3:].astype(np.uint16)
    # 255 * 255 + 127 fits 16 bits, and the division rounds to nearest: both ends are exact.
    blended = placed[..., :3] * alpha + background * (255 - alpha)
    blended += 127
    blended //= 255
    return blended.astype(np.uint8)


def flatten(rgba: Picture, colour: tuple[int, int, int] = (255, 255, 255)) -> Picture:
    """``rgba`` over one colour, as RGB; colour hidden under alpha 0 does not show."""
    return paste(np.broadcast_to(np.array(colour, np.uint8), (*rgba.shape[:2], 3)), rgba)


def canny_control(placed: Picture) -> Picture:
    """Edges of the product for a canny ControlNet.

    Pixels of alpha below one half are black, so that the outline itself is an edge.

    Returns:
        ``(size, size)``, 255 on an edge and 0 elsewhere.
    """
    solid = (placed[..., 3] >= OPAQUE_HALF).astype(np.uint8)
    product = cv2.copyTo(cv2.cvtColor(placed, cv2.COLOR_RGBA2RGB), solid)
    return np.asarray(cv2.Canny(product, *CANNY_THRESHOLDS), np.uint8)


def repaint_mask(placed: Picture) -> Picture:
    """What a painter may paint: all that is not product, grown a little into the product's rim.

    Returns:
        ``(size, size)``, 255 where to paint, 0 where not.
    """
    side = max(1, round(GROWTH_AT_512 * placed.shape[0] / 512))
    grown = cv2.dilate(255 - placed[..., 3], np.ones((side, side), np.uint8))
    return np.asarray(grown, np.uint8)
