"""Cutting products out of pictures, with a score for the mask; a doubtful one is never silent.

Methods: ``alpha`` where the picture has one (its shadow is no product), ``ground`` where it has
none, ``rembg`` for a learned mask where that package is installed. Whether the picture shows the
right product is not judged.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from caig.errors import PrerequisiteError
from caig.generation.compose import OPAQUE_HALF, Picture
from caig.generation.ground import Mask, separate
from caig.generation.pictures import ReadPicture

Method = Literal["auto", "alpha", "ground", "rembg"]
Status = Literal["ok", "doubtful", "failed"]

OK_SCORE = 0.7
FAILED_SCORE = 0.25
SMALLEST_SIDE = 24
"""A product whose longer side is smaller cannot be shown (px)."""


@dataclass(frozen=True)
class CutOut:
    """A product without its ground.

    Attributes:
        rgba: ``(height, width, 4)``, the size of the picture; colour is 0 where alpha is.
        method: How it was cut out: ``alpha``, ``ground`` or ``rembg``.
        mask_score: The worst of the mask's marks, each 0-1; see :func:`cut_out`.
        status: ``ok`` from 0.7, ``failed`` below 0.25, else ``doubtful``.
        reason: What the worst mark says, in words; empty if ``ok``.
    """

    rgba: Picture
    method: str
    mask_score: float
    status: Status
    reason: str


def cut_out(picture: ReadPicture, *, method: Method = "auto") -> CutOut:
    """Cut the product out of a picture.

    The score is the least of these marks, because one fault is enough to spoil an ad:

    - size: 0 if the product is smaller than 24 px or fills less than 0.5 % or more than 97 % of the
      picture; it falls towards both ends;
    - border: 1 - 12 x the share of the picture's border that is product, but at least 0.3: a
      product that runs out of its picture does not stand free, which may be wanted;
    - pieces: share of the product in its four largest pieces;
    - outline (``ground`` only): share of the outline that lies on an edge, 0.6 giving 0;
    - edges beyond (``ground`` only): 1 - the length of edges outside the product / 0.15 of its
      outline, as they may be a part that was missed;
    - ground (``ground`` only): how even the ground is;
    - separation (``ground`` only): how far the product's colour is from the ground's;
    - softness (others): share of the product that is clearly opaque.

    Args:
        picture: The picture.
        method: ``auto`` takes ``alpha`` if the picture has one, else ``ground``.

    Raises:
        PrerequisiteError: ``rembg`` is asked for and not installed.
    """
    if method == "auto":
        method = "alpha" if picture.has_alpha else "ground"
    rgba = picture.rgba
    marks: dict[str, float] = {}
    if method == "ground":
        found = separate(rgba[..., :3])
        rgba = _with_soft_edge(rgba[..., :3], found.mask)
        marks["its outline follows no edge of the picture"] = (found.edge_support - 0.6) / 0.36
        marks["there are edges outside it"] = 1 - found.missed_edges / 0.15
        marks["the ground is not even"] = 1 - (found.unevenness - 0.006) / 0.03
        marks["it hardly differs from the ground"] = found.contrast / 0.08
    else:
        if method == "rembg":
            rgba = np.dstack([rgba[..., :3], _rembg_alpha(rgba[..., :3])])
        rgba = _without_soft_shadow(rgba)
        solid, faint = (rgba[..., 3] >= 192).sum(), (rgba[..., 3] > 0).sum()
        marks["much of it is half transparent"] = float(solid / max(faint, 1)) / 0.9
    marks = _shape_marks(rgba[..., 3] >= OPAQUE_HALF) | marks
    reason, worst = min(marks.items(), key=lambda mark: mark[1])
    score = float(np.clip(worst, 0, 1))
    status: Status = "ok" if score >= OK_SCORE else "failed" if score < FAILED_SCORE else "doubtful"
    return CutOut(rgba, method, score, status, "" if status == "ok" else reason)


def _shape_marks(mask: Mask) -> dict[str, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return {"no product was found": 0.0}
    side = int(max(np.ptp(rows), np.ptp(columns))) + 1
    share = float(mask.mean())
    border = float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())
    _, labels = cv2.connectedComponents(mask.astype(np.uint8))
    areas = np.sort(np.bincount(labels[mask]))[::-1]
    return {
        "it is too small": min(share / 0.007, 1.0) if side >= SMALLEST_SIDE else 0.0,
        "it fills the picture": (0.97 - share) / 0.12,
        "it runs out of the picture": max(0.3, 1 - 12 * border),
        "it is in many pieces": float(areas[:4].sum() / areas.sum()),
    }


def _without_soft_shadow(rgba: Picture) -> Picture:
    """``rgba`` less what is faint and not enclosed by the product, but for one pixel of edge."""
    solid = rgba[..., 3] >= OPAQUE_HALF
    _, labels = cv2.connectedComponents((~np.pad(solid, 1)).astype(np.uint8), connectivity=4)
    enclosed = (labels != labels[0, 0])[1:-1, 1:-1]  # glass, or a hole whose alpha is 0 anyway
    edge = cv2.dilate(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    kept = rgba.copy()
    kept[~(enclosed | edge) | (kept[..., 3] == 0)] = 0
    return kept


def _with_soft_edge(rgb: Picture, mask: Mask) -> Picture:
    """RGBA whose edge is soft over two pixels and free of the ground's colour."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    alpha = np.clip((soft - 0.3) / 0.6, 0, 1) * mask
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=(1,))
    weight = inner.astype(np.float32)
    spread = cv2.GaussianBlur(rgb * weight[..., None], (0, 0), 2.0)
    total = cv2.GaussianBlur(weight, (0, 0), 2.0)
    rim = (alpha < 1) & (total > 0.02)  # thin parts have no inside to take colour from
    colour = rgb.copy()
    colour[rim] = np.clip(np.rint(spread[rim] / total[rim][:, None]), 0, 255).astype(np.uint8)
    rgba = np.dstack([colour, np.rint(255 * alpha).astype(np.uint8)])
    rgba[rgba[..., 3] == 0] = 0
    return rgba


def _rembg_alpha(rgb: Picture) -> Picture:
    try:
        from rembg import remove  # type: ignore[import-not-found]
    except ImportError:
        raise PrerequisiteError.from_extra("cutting out with rembg", "rembg") from None
    return np.asarray(remove(rgb, only_mask=True), np.uint8)
