"""The run of ``caig cut-out``: a catalogue of products with cut-outs, and what became of each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from caig.contracts.creatives import CUTOUTS, PRODUCTS
from caig.contracts.records import FileInput
from caig.errors import DataError
from caig.generation.config import CutOutConfig
from caig.generation.cutout import CutOut, cut_out
from caig.generation.pictures import read_picture
from caig.generation.sheet import Shown, contact_sheet, encode_png, thumbnail
from caig.generation.sources import SourcePicture, find_pictures
from caig.runs.files import sha256_file
from caig.runs.images import add_image
from caig.runs.store import RunWriter

SHEET = "cutouts.png"
ORDER = ("ok", "doubtful", "failed")


@dataclass(frozen=True)
class CutOutSummary:
    """What ``caig cut-out`` did.

    Attributes:
        path: Run folder.
        cutouts: ``cutouts/1``.
        n_products: Products in the catalogue (count).
    """

    path: Path
    cutouts: pl.DataFrame
    n_products: int


def record_cutouts(
    root: Path,
    source: Path,
    config: CutOutConfig,
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> CutOutSummary:
    """Cut out all pictures of a source and write the run.

    Args:
        root: Folder of all runs.
        source: Folder of pictures, or a CSV file.
        config: How.
        advance: Told how many pictures of how many are done.

    Raises:
        DataError: The source cannot be used, or no picture gave a usable cut-out.
    """
    pictures = find_pictures(source, config)
    files = (_file_input(source),) if source.is_file() else ()
    rows, shown = [], []
    with RunWriter(root, "cut-out", config, files=files) as run:
        for number, picture in enumerate(pictures):
            row, cell = _one(picture, config, run.path)
            rows.append(row)
            shown.append(cell)
            advance(number + 1, len(pictures))
        used = _best(rows, use_doubtful=config.use_doubtful)
        for number, row in enumerate(rows):
            row["used"] = number in used
        cutouts = pl.DataFrame(rows, schema=CUTOUTS.schema)
        run.write_table(CUTOUTS, cutouts)
        statuses = Counter(str(row["status"]) for row in rows)
        counted = ", ".join(f"{statuses[name]} {name}" for name in ORDER)
        title = f"{len(rows)} cut-outs of {source.name}: {counted}"
        run.write_bytes("sheet", SHEET, contact_sheet(shown, title), "image/png")
        if not used:
            raise DataError(_nothing_usable(source, cutouts, run.path / SHEET))
        run.write_table(PRODUCTS, _products(pictures, rows, used, config))
        for name in ORDER:
            run.add_metric(f"n_{name}", statuses[name])
        run.add_metric("n_products", len(used))
    return CutOutSummary(run.path, cutouts, len(used))


def _one(
    picture: SourcePicture, config: CutOutConfig, folder: Path
) -> tuple[dict[str, object], Shown]:
    row: dict[str, object] = dict.fromkeys(CUTOUTS.schema.names())
    row |= {"product_id": picture.product_id, "source_path": picture.name, "notes": ""}
    try:
        read = read_picture(picture.file, max_pixels=config.max_pixels, max_side=config.max_side)
    except DataError as error:
        row |= {"status": "failed", "reason": str(error)}
        return row, Shown(
            np.zeros((8, 8, 4), np.uint8), (picture.product_id, "not readable"), "failed"
        )
    cut = cut_out(read, method=config.method)
    row |= {
        "source_sha256": sha256_file(picture.file),
        "method": cut.method,
        "mask_score": cut.mask_score,
        "status": cut.status,
        "reason": cut.reason,
        "notes": "; ".join(read.notes),
        "width": read.rgba.shape[1],
        "height": read.rgba.shape[0],
    }
    if cut.status != "failed":
        row["cutout_path"], _ = add_image(folder, encode_png(cut.rgba))
    return row, _cell(picture, cut)


def _cell(picture: SourcePicture, cut: CutOut) -> Shown:
    seen = cut.rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    cropped = cut.rgba
    if rows.size:
        cropped = cropped[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    words = f"{cut.mask_score:.2f} {cut.status}"
    if cut.reason:
        words += f": {cut.reason}"
    return Shown(thumbnail(cropped), (picture.product_id, words), cut.status)


def _best(rows: list[dict[str, object]], *, use_doubtful: bool) -> set[int]:
    """Numbers of the rows that are used: of every product its first picture of the best status."""
    usable = ORDER[:2] if use_doubtful else ORDER[:1]
    best: dict[object, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        status = str(row["status"])
        if status in usable:
            rank = (ORDER.index(status), number)
            best[row["product_id"]] = min(rank, best.get(row["product_id"], rank))
    return {number for _, number in best.values()}


def _products(
    pictures: list[SourcePicture],
    rows: list[dict[str, object]],
    used: set[int],
    config: CutOutConfig,
) -> pl.DataFrame:
    catalogue = [
        (
            picture.product_id,
            picture.title,
            picture.category_path.rpartition(" > ")[2],
            picture.category_path,
            row["cutout_path"],
            config.split,
        )
        for number, (picture, row) in enumerate(zip(pictures, rows, strict=True))
        if number in used
    ]
    return pl.DataFrame(catalogue, schema=PRODUCTS.schema, orient="row")


def _nothing_usable(source: Path, cutouts: pl.DataFrame, sheet: Path) -> str:
    reasons = cutouts.group_by("status", "reason").len().sort("len", descending=True).head(3)
    lines = [f"  {n} x {status}: {reason}" for status, reason, n in reasons.iter_rows()]
    hint = ""
    if (cutouts["status"] == "doubtful").any():
        hint = f"\nlook at {sheet}; to use doubtful masks: --set use_doubtful=true"
    return f"{source}: no cut-out can be used\n" + "\n".join(lines) + hint


def _file_input(file: Path) -> FileInput:
    return FileInput(path=str(file), sha256=sha256_file(file), n_bytes=file.stat().st_size)
