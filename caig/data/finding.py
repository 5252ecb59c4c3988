"""Which files a source is: what kind of log, which files of counts, which folder of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from caig.contracts.records import FileInput
from caig.data.config import IngestConfig
from caig.data.counts_table import FORMATS, table_file
from caig.data.creative_ranking import LISTS, find_lists, list_file
from caig.data.creative_ranking_json import json_file
from caig.data.rows import RowsFile
from caig.data.upworthy import archive_files, headline_ads, is_archive, read_packages
from caig.errors import DataError
from caig.runs.files import sha256_file

KINDS = {
    "creative_ranking": f"CreativeRanking lists ({', '.join(LISTS)})",
    "creative_ranking_json": "its JSON derivative (.json)",
    "table": f"a table of counts ({', '.join(FORMATS)})",
    "upworthy": "headline tests of the Upworthy Research Archive (.csv, .csv.gz)",
}


@dataclass(frozen=True)
class Source:
    """A log of ads.

    Attributes:
        kind: One of :data:`KINDS`.
        files: Its files of counts.
        images: Folder that image names are relative to.
        headlines: Of a log of headlines, which has no pictures: what is known of each ad, as of
            :func:`caig.data.upworthy.headline_ads`.
    """

    kind: str
    files: tuple[RowsFile, ...]
    images: Path
    headlines: pl.DataFrame | None = None

    def named(self) -> str:
        """The files, for a message: ``a.csv``, or ``a.csv and 3 more``."""
        more = len(self.files) - 1
        return f"{self.files[0].path}{f' and {more} more' if more else ''}"

    def as_inputs(self) -> tuple[FileInput, ...]:
        """The files of counts, as a run's lineage."""
        return tuple(
            FileInput(
                path=str(file.path),
                sha256=sha256_file(file.path),
                n_bytes=file.path.stat().st_size,
            )
            for file in self.files
        )


def find_source(names: Sequence[Path], images: Path | None, config: IngestConfig) -> Source:
    """Find what is behind names.

    Args:
        names: One folder, or files of one kind.
        images: Folder of images; by default that of the counts, or for the lists of CreativeRanking
            the folder ``images`` beside them.
        config: Kind and columns.

    Raises:
        DataError: Nothing is there, kinds are mixed, a file is named twice, or columns are missing.
    """
    if images and not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    paths = [path for name in names for path in _behind(name)]
    if repeated := next((path for path in paths if paths.count(path) > 1), None):
        raise DataError(f"{repeated}: is named twice; its clicks would count twice. Name it once")
    kinds = {path: _kind(path, config.kind) for path in paths}
    if len(set(kinds.values())) > 1:
        mixed = ", ".join(f"{path} ({kind})" for path, kind in list(kinds.items())[:3])
        raise DataError(f"files of several kinds cannot make one run: {mixed}; read them apart")
    kind = next(iter(kinds.values()))
    if kind == "upworthy":
        packages = read_packages(paths, config.split)
        return Source(kind, archive_files(paths, packages), paths[0].parent, headline_ads(packages))
    if kind == "creative_ranking":
        files = tuple(list_file(path) for path in paths)
    elif kind == "creative_ranking_json":
        files = tuple(json_file(path) for path in paths)
    else:
        files = tuple(table_file(path, config.columns) for path in paths)
    return Source(kind, files, images if images else _images_beside(paths[0], kind))


def _behind(name: Path) -> list[Path]:
    if name.is_file():
        return [name]
    if not name.is_dir():
        raise DataError(f"{name}: no such file or folder")
    if lists := find_lists(name):
        return lists
    files = sorted(p for p in name.iterdir() if p.is_file())
    if tables := [p for p in files if p.suffix.lower() in FORMATS or is_archive(p)]:
        return tables
    known = "; ".join(KINDS.values())
    raise DataError(f"{name}: holds no counts; known: {known}")


def _kind(path: Path, stated: str) -> str:
    suffix = path.suffix.lower()
    if stated == "table" and suffix not in FORMATS:
        raise DataError(f"{path}: a table of counts is one of {', '.join(FORMATS)}")
    if stated != "auto":
        return stated
    if is_archive(path):
        return "upworthy"
    if suffix in FORMATS:
        return "table"
    if suffix == ".json":
        return "creative_ranking_json"
    if suffix == ".txt":
        return "creative_ranking"
    raise DataError(f"{path}: unknown kind of log; known: {'; '.join(KINDS.values())}")


def _images_beside(counts: Path, kind: str) -> Path:
    """Where the images of a file of counts are unless it is said."""
    if kind == "creative_ranking":  # as the two archives unpack: data/*.txt and images/
        for folder in (counts.parent, counts.parent.parent):
            if (folder / "images").is_dir():
                return folder / "images"
    return counts.parent
