"""A picture as a model is shown it: decoded, what is transparent on white, red green blue.

Drawn cut-outs often carry colour under their clear pixels; dropping the alpha channel would show
it. On white is how a shop's page shows it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from caig.data.pictures import require_pillow
from caig.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def picture_on_white(path: str | Path) -> "Image":
    """Decode a picture.

    Returns:
        Of mode RGB.

    Raises:
        DataError: The file is missing or is no picture that can be read.
        PrerequisiteError: Pillow is not installed.
    """
    require_pillow()
    from PIL import Image

    try:
        with Image.open(path) as image:
            if not image.has_transparency_data:
                return image.convert("RGB")
            layer = image.convert("RGBA")
            paper = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(paper, layer).convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{path}: no such picture") from None
    # Pillow raises SyntaxError for some broken PNG files.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable picture: {error}") from None
