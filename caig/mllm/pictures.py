"""Pictures for a multimodal model: read once, shrunk, and laid on white where they are clear.

Drawn cut-outs often carry colour under their clear pixels; dropping the alpha channel would show
it. So a picture with alpha is laid on white first, as a shop's page shows it.
"""

from functools import cache
from pathlib import Path

from PIL import Image

from caig.errors import DataError


@cache
def load_picture(path: Path, side: int | None = None) -> Image.Image:
    """Read a picture as red, green, blue; the result is kept in memory.

    Args:
        path: Image file.
        side: Shrink it to this longer side (px); None keeps its size.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGBA") if "A" in opened.getbands() else opened.convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable picture: {error}") from None
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return picture
