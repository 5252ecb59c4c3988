"""Pictures for a multimodal model: read once, on white where they are clear, and shrunk."""

from functools import cache
from pathlib import Path

from PIL import Image

from caig.data.decode import picture_on_white


@cache
def load_picture(path: Path, side: int | None = None) -> Image.Image:
    """Read a picture as red, green, blue; the result is kept in memory.

    Args:
        path: Image file.
        side: Shrink it to this longer side (px); None keeps its size.

    Raises:
        DataError: It cannot be read.
    """
    picture = picture_on_white(path)
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return picture
