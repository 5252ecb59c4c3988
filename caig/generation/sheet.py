"""A contact sheet: many pictures on one, each with what is said about it under it."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from caig.generation.compose import Picture, paste, resample
from caig.text import printable

CELL = 192
GAP = 12
LINE = 14
COLUMNS = 8
MOST = 160
"""Pictures on one sheet; the rest is counted on it."""
INK = (40, 40, 40)
FAINT = (120, 120, 120)
COLOURS = {"ok": (20, 120, 60), "doubtful": (176, 110, 0), "failed": (190, 30, 40)}


class Shown(NamedTuple):
    """One picture of a sheet.

    Attributes:
        picture: RGB, or RGBA that is shown over a checkerboard; of any size.
        lines: At most two lines under it; cut where they are too long. Untrusted text.
        status: Colours the second line: ``ok``, ``doubtful``, ``failed``, or none of them.
    """

    picture: Picture
    lines: tuple[str, ...]
    status: str = ""


def thumbnail(picture: Picture) -> Picture:
    """``picture`` scaled to fit a cell, its aspect kept."""
    height, width = picture.shape[:2]
    scale = CELL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if picture.shape[2] == 4:
        return resample(picture, *size)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def contact_sheet(shown: Iterable[Shown], title: str, *, n_more: int = 0) -> bytes:
    """A PNG of all pictures, row by row, under a title.

    Args:
        shown: What to show, in order.
        title: Heading.
        n_more: Pictures that exist beside those in ``shown``; counted, not drawn.

    Returns:
        The encoded PNG.
    """
    cells = list(shown)
    left_out = max(0, len(cells) - MOST) + n_more
    cells = cells[:MOST]
    rows = max(1, -(-len(cells) // COLUMNS))
    pitch = CELL + GAP, CELL + 2 * LINE + GAP
    sheet = Image.new("RGB", (COLUMNS * pitch[0] + GAP, rows * pitch[1] + 3 * LINE), "white")
    pen = ImageDraw.Draw(sheet)
    heading = title + (f"; {left_out:,} more are not shown" if left_out else "")
    pen.text((GAP, LINE // 2), printable(heading), fill=INK, font=ImageFont.load_default(16))
    font = ImageFont.load_default(11)
    for index, cell in enumerate(cells):
        x = GAP + (index % COLUMNS) * pitch[0]
        y = 2 * LINE + 4 + (index // COLUMNS) * pitch[1]
        sheet.paste(Image.fromarray(_framed(thumbnail(cell.picture))), (x, y))
        for line, text in enumerate(cell.lines[:2]):
            colour = COLOURS.get(cell.status, FAINT) if line else INK
            fitting = _cut(printable(text), font)
            pen.text((x, y + CELL + 1 + LINE * line), fitting, fill=colour, font=font)
    return encode_png(np.asarray(sheet))


def encode_png(picture: Picture) -> bytes:
    """RGB or RGBA as PNG; the same picture gives the same bytes."""
    order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    done, content = cv2.imencode(".png", cv2.cvtColor(picture, order))
    assert done
    return bytes(content)


def _framed(picture: Picture) -> Picture:
    """``picture`` centred in its cell, over a checkerboard if it is RGBA."""
    y, x = np.mgrid[:CELL, :CELL] // 8 % 2
    board = np.where((x ^ y)[..., None] == 1, np.uint8(205), np.uint8(240)).repeat(3, axis=2)
    top, left = (CELL - picture.shape[0]) // 2, (CELL - picture.shape[1]) // 2
    place = np.s_[top : top + picture.shape[0], left : left + picture.shape[1]]
    if picture.shape[2] == 4:
        board[place] = paste(board[place], picture)
    else:
        board[:] = 255
        board[place] = picture
    return board


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= CELL:
        return text
    while text and font.getlength(text + "...") > CELL:
        text = text[:-1]
    return text + "..."
