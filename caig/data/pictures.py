"""Pictures of a source: found, decoded to the end, measured, and brought into a run.

A picture that is cut off has a readable head; only decoding all of it tells. Names come from a file
and are untrusted: one that leads out of the folder of images is refused.
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.errors import DataError, PrerequisiteError
from caig.runs.images import add_image, link_image

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp"}
"""Formats that are read, by the suffix their pictures get in a run."""

MOST_PIXELS = 100_000_000
AT_ONCE = 1 << 10

INSPECTED = pl.Schema(
    {
        "image": pl.String(),
        "image_sha256": pl.String(),
        "suffix": pl.String(),
        "width": pl.Int32(),
        "height": pl.Int32(),
        "problem": pl.String(),
        "detail": pl.String(),
    }
)


class Inspected(NamedTuple):
    """A picture, or why it is none.

    Attributes:
        image: Name in the source.
        image_sha256: SHA-256 of the file, hex; None if there is a problem.
        suffix: Of its format, with the dot.
        width: Width (px).
        height: Height (px).
        problem: ``missing_image`` or ``broken_image``; None if it is sound.
        detail: What is wrong, in words.
    """

    image: str
    image_sha256: str | None = None
    suffix: str | None = None
    width: int | None = None
    height: int | None = None
    problem: str | None = None
    detail: str | None = None


def inspect_pictures(
    images: pl.Series, folder: Path, *, advance: Callable[[int], None] = lambda _: None
) -> pl.DataFrame:
    """Decode every picture; several at a time, as many as there are processors.

    Args:
        images: Names relative to the folder, each once.
        folder: Folder of images.
        advance: Told how many more are done.

    Returns:
        A row a name, in order: the columns of :data:`INSPECTED`.

    Raises:
        PrerequisiteError: Pillow is not installed.
    """
    require_pillow()
    frames = [pl.DataFrame(schema=INSPECTED)]
    root = folder.resolve()
    names = iter(images)
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        # Pillow warns of what is refused here in words of our own.
        warnings.simplefilter("ignore")
        while some := list(islice(names, AT_ONCE)):
            rows = list(pool.map(lambda name: _inspected(name, folder, root), some))
            frames.append(pl.DataFrame(rows, schema=INSPECTED, orient="row"))
            advance(len(some))
    return pl.concat(frames)


def bring_pictures(
    pictures: pl.DataFrame, folder: Path, run: Path, *, as_links: bool
) -> Iterator[tuple[str, str]]:
    """Copy or link pictures into a run.

    Args:
        pictures: Columns image, image_sha256, suffix; sound ones.
        folder: Folder of images.
        run: Folder of the run.
        as_links: Point at the pictures instead of copying them.

    Yields:
        Name in the source, and path relative to the run.

    Raises:
        DataError: A picture is no longer the one that was inspected.
    """
    columns = pictures.select("image", "image_sha256", "suffix")
    for image, digest, suffix in columns.iter_rows():
        file = folder / image
        if as_links:
            yield image, link_image(run, file, digest, suffix)
            continue
        try:
            path, found = add_image(run, file.read_bytes(), suffix)
        except FileNotFoundError:
            found = ""
        if found != digest:
            raise DataError(f"{file}: the picture changed while it was read; read the source again")
        yield image, path


class _UnsoundError(Exception):
    """Why a picture cannot be used."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


def _inspected(image: str, folder: Path, root: Path) -> Inspected:
    try:
        content = _content(image, folder, root)
        suffix, width, height = _decoded(content)
    except _UnsoundError as found:
        return Inspected(image, problem=found.problem, detail=found.detail)
    return Inspected(image, hashlib.sha256(content).hexdigest(), suffix, width, height)


def _content(image: str, folder: Path, root: Path) -> bytes:
    try:
        file = (folder / image).resolve()
        if not file.is_relative_to(root):
            raise _UnsoundError("broken_image", "leads out of the folder of images")
        content = file.read_bytes()
    except FileNotFoundError:
        raise _UnsoundError("missing_image", f"no such file in {folder}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise _UnsoundError("broken_image", f"cannot be read: {error}") from None
    if not content:
        raise _UnsoundError("broken_image", "is an empty file")
    return content


def _decoded(content: bytes) -> tuple[str, int, int]:
    """Suffix, width and height of a picture that decodes to its end."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=list(SUFFIXES)) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise _UnsoundError("broken_image", f"has {width} x {height} pixels")
            picture.load()
            return SUFFIXES[str(picture.format)], width, height
    except UnidentifiedImageError:
        raise _UnsoundError("broken_image", f"is none of {', '.join(SUFFIXES)}") from None
    # Decoders meet damaged files with errors of many kinds.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise _UnsoundError("broken_image", f"cannot be decoded: {error}") from None


def require_pillow() -> None:
    """Raise if pictures cannot be read on this machine.

    Raises:
        PrerequisiteError: Pillow is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise PrerequisiteError.from_extra("reading pictures", "images") from None
