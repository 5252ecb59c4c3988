"""An ad's picture as a judge is shown it.

A file that can be sent as it is goes untouched, once it has been decoded here: what a server says
of a picture that we know to be whole is then the server's fault.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from caig.chat.message import Picture
from caig.data.decode import picture_on_white

if TYPE_CHECKING:
    from PIL.Image import Image

AS_THEY_ARE = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
"""Formats that every server reads."""


def picture_for(path: Path, *, max_side: int) -> Picture:
    """Read a picture.

    Args:
        path: Its file.
        max_side: Longer side (px); a larger picture is reduced.

    Raises:
        DataError: It is missing, or no picture that can be read.
        PrerequisiteError: Pillow is not installed.
    """
    shown = picture_on_white(path)
    from PIL.Image import Resampling

    small = max(shown.size) <= max_side
    media_type = AS_THEY_ARE.get(path.suffix.lower())
    if small and media_type and _is_plain(path):
        return Picture(media_type, path.read_bytes())
    if not small:
        shown.thumbnail((max_side, max_side), Resampling.LANCZOS)
    return Picture("image/png", encoded(shown))


def encoded(picture: "Image") -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _is_plain(path: Path) -> bool:
    """True if the file is of its suffix's format, upright and opaque."""
    from PIL import Image

    with Image.open(path) as image:
        upright = image.getexif().get(0x0112, 1) == 1
        known = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}[path.suffix.lower()]
        plain = image.mode in ("RGB", "L") and not image.has_transparency_data
        return image.format == known and upright and plain
