"""Product pictures to cut out: a folder of them, or a table that names them."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import polars as pl

from caig.contracts.creatives import UNCATEGORISED
from caig.errors import DataError
from caig.generation.config import CutOutConfig
from caig.generation.pictures import SUFFIXES


@dataclass(frozen=True)
class SourcePicture:
    """One picture of a product.

    Attributes:
        product_id: Product.
        title: Its title; untrusted text.
        category_path: Categories from root to leaf, joined by ' > '.
        name: Picture as the source names it.
        file: Its file.
    """

    product_id: str
    title: str
    category_path: str
    name: str
    file: Path


def find_pictures(source: Path, config: CutOutConfig) -> list[SourcePicture]:
    """All pictures of a source, in its order.

    Args:
        source: A folder, in which every picture is a product and sub-folders are categories; or a
            CSV file with the columns the configuration names.
        config: Names of the columns, and where the pictures lie.

    Raises:
        DataError: There is no such source, no picture in it, a column is missing, or a picture's
            path leads out of the folder.
    """
    if source.is_dir():
        found = _in_folder(source)
    elif source.is_file():
        found = _in_table(source, config)
    else:
        raise DataError(f"{source}: no such folder or file")
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise DataError(f"{source}: names no picture ({kinds})")
    return found


def _in_folder(folder: Path) -> list[SourcePicture]:
    files = [f for f in sorted(folder.rglob("*")) if f.suffix.lower() in SUFFIXES and f.is_file()]
    pictures = []
    for file in files:
        name = file.relative_to(folder)
        pictures.append(
            SourcePicture(
                str(name.with_suffix("")),
                _readable(name.stem),
                " > ".join(name.parts[:-1]) or UNCATEGORISED,
                str(name),
                file,
            )
        )
    repeated = {
        p.product_id for p in pictures if [q.product_id for q in pictures].count(p.product_id) > 1
    }
    return [_with_suffix(p) if p.product_id in repeated else p for p in pictures]


def _with_suffix(picture: SourcePicture) -> SourcePicture:
    """Two pictures that differ by their endings only are two products."""
    return SourcePicture(
        picture.name, picture.title, picture.category_path, picture.name, picture.file
    )


def _in_table(table: Path, config: CutOutConfig) -> list[SourcePicture]:
    try:
        frame = pl.read_csv(table, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{table}: not readable as CSV: {error}") from None
    columns = config.columns
    wanted = [columns.product_id, columns.image, columns.title, columns.category]
    missing = [name for name in wanted if name and name not in frame.columns]
    if missing:
        hint = "name the columns, e.g. --set columns.image=file; title and category may be ''"
        raise DataError.from_missing_columns(str(table), missing, frame.columns, hint)
    root = (table.parent / config.images).resolve()
    pictures = []
    for row in frame.iter_rows(named=True):
        product_id, name = row[columns.product_id] or "", row[columns.image] or ""
        if not product_id or not name:
            continue  # a product without a picture cannot be cut out
        file = (root / _local(name)).resolve()
        if not file.is_relative_to(root):
            raise DataError(f"{table}: {columns.image}: '{name}' leads out of {root}")
        title = (row[columns.title] if columns.title else "") or _readable(product_id)
        category = (row[columns.category] if columns.category else "") or UNCATEGORISED
        path = " > ".join(re.split(r"\s*-?>\s*", category.strip()))
        pictures.append(SourcePicture(product_id, title, path, name, file))
    return list({(p.product_id, p.name): p for p in pictures}.values())


def _local(name: str) -> str:
    """A path as it is; of an address, its last part. Nothing is fetched."""
    address = urlsplit(name)
    return (
        PurePosixPath(unquote(address.path)).name if address.scheme in ("http", "https") else name
    )


def _readable(identifier: str) -> str:
    return re.sub(r"[-_\s/]+", " ", identifier).strip()
