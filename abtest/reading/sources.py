"""Which files a log is, and how to read each in batches.

A log is named by files, globs, folders, or run folders that hold an ``impression_log``. Text
formats are read as text and converted by us, so that a value that is no number is reported with its
row instead of failing somewhere inside a parser.
"""

import glob
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from abtest.reading.damage import (
    BYTE_ORDER_MARK,
    explain,
    first_lines,
    has_byte_order_mark,
    is_gzipped,
    open_bytes,
    parsed_json,
    readable,
    refuse_undecodable,
)
from abtest.reading.row_groups import row_group_sizes
from caig import text
from caig.contracts.records import FileInput
from caig.contracts.tables import find_contract
from caig.errors import ArtifactError, DataError
from caig.runs.files import CHUNK_BYTES, sha256_file
from caig.runs.store import MANIFEST, PARTIAL, Run

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".ndjson": "ndjson",
    ".ndjson.gz": "ndjson",
    ".jsonl": "ndjson",
    ".jsonl.gz": "ndjson",
}
ROW = "__row__"
SAMPLE_BYTES = 1 << 16
SAMPLE_LINES = 1_000
MOST_ROWS_IN_GROUP = 2_000_000
"""Larger row groups are left to the reader, which decodes them by and by."""
REPEATED = "{}_duplicated_0"
"""How the CSV reader names the second of two columns that share a name."""


@dataclass(frozen=True)
class LogFile:
    """One file of a log.

    Attributes:
        path: Where it is, as the user named it.
        format: parquet, csv, tsv or ndjson.
        sha256: Of its content, hex.
        n_bytes: Its size.
    """

    path: Path
    format: str
    sha256: str
    n_bytes: int

    def as_input(self) -> FileInput:
        """This file as a run's lineage."""
        return FileInput(path=str(self.path), sha256=self.sha256, n_bytes=self.n_bytes)


@dataclass(frozen=True)
class LogSource:
    """Everything a log is read from.

    Attributes:
        files: Its files, in order.
        runs: Runs that hold some of them, by role.
        tables: Tables of engines that are read instead of files, as the user named them.
    """

    files: tuple[LogFile, ...]
    runs: dict[str, Run]
    tables: tuple[str, ...] = ()

    def named(self) -> str:
        """The files for a message: ``a.csv``, or ``a.csv and 3 more files``."""
        more = len(self.files) - 1
        others = f" and {text.plural(more, 'more file')}" if more else ""
        return f"{self.files[0].path}{others}"

    @property
    def outside_runs(self) -> tuple[FileInput, ...]:
        """Files that belong to no run."""
        inside = [run.path for run in self.runs.values()]
        return tuple(f.as_input() for f in self.files if f.path.parent not in inside)


def find_log(names: Sequence[str]) -> LogSource:
    """Find the files behind names.

    Args:
        names: Files, globs (``**`` goes into folders), folders, or run folders.

    Raises:
        DataError: Nothing is found, a format is unknown, a file is empty, or two files are the same
            one or have the same content: its clicks would count twice.
    """
    found: dict[Path, Run | None] = {}
    for name in names:
        behind = _behind(name)
        if repeated := next((path for path in behind if path in found), None):
            raise _counted_twice(repeated, "is named twice")
        found |= behind
    files = [_described(path) for path in found]
    _refuse_duplicates(files)
    runs: dict[str, Run] = {}
    for file, run in zip(files, found.values(), strict=True):
        if run is not None:
            _refuse_altered(file, run)
            runs["impression_log" if not runs else f"impression_log_{len(runs) + 1}"] = run
    return LogSource(tuple(files), runs)


def column_types(file: LogFile) -> dict[str, pl.DataType]:
    """Columns of a file and their types; a text format's are all text, or nested in NDJSON.

    NDJSON states its columns in every line: they are those of the first :data:`SAMPLE_LINES`.

    Raises:
        DataError: The file cannot be read.
    """
    with readable(file.path, file.format):
        if file.format == "ndjson":
            return _json_types(file)
        types = dict(_scan(file, ()).collect_schema())
        if file.format != "parquet" and any("\N{REPLACEMENT CHARACTER}" in name for name in types):
            refuse_undecodable(file.path)  # the reader is strict about rows, but not about names
        return types


def batches(file: LogFile, columns: Sequence[str], batch_rows: int) -> Iterator[pl.DataFrame]:
    """The file's rows in order, ``batch_rows`` at a time, numbered from 1 in :data:`ROW`.

    Raises:
        DataError: The file is damaged or is no text where it must be.
    """
    n_read = 0
    with readable(file.path, file.format):
        for decoded in _decoded(file, columns, batch_rows):
            for batch in _even_slices(decoded, batch_rows):
                yield batch.with_row_index(ROW, offset=n_read + 1)
                n_read += batch.height
        if file.format == "parquet" and n_read != (n_rows := _parquet_rows(file)):
            # Seen with damaged row groups: the reader loses them and says nothing.
            explain(file.path, file.format, f"{n_read:,} of its {n_rows:,} rows could be read")


def expected_rows(file: LogFile) -> int | None:
    """About how many rows the file has, for a progress bar; None where that takes reading it.

    Raises:
        DataError: The file cannot be read.
    """
    if file.format == "parquet":
        with readable(file.path, file.format):
            return _parquet_rows(file)
    if is_gzipped(file.path):
        return None
    with file.path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    lines = sample.count(b"\n")
    return int(file.n_bytes / (len(sample) / lines)) if lines else None


def _behind(name: str) -> dict[Path, Run | None]:
    """Files behind one name, in order, each with the run whose impression log it is."""
    path = Path(name)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        _refuse_unfinished(path.parent)
        if not _format(path):
            raise DataError(f"{name}: unknown log format; known: {', '.join(FORMATS)}")
        return {path: None}
    matches = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207
    if not matches:
        raise DataError(f"{name}: no such file or folder, and no file fits it as a pattern")
    # ** fits a folder and what is in it; within one pattern that is no repetition.
    found: dict[Path, Run | None] = {}
    for match in matches:
        found |= _behind(str(match))
    return found


def _in_folder(folder: Path) -> dict[Path, Run | None]:
    _refuse_unfinished(folder)
    if (folder / MANIFEST).is_file():
        run = Run.open(folder)
        log = run.file("impression_log")
        find_contract(run.manifest.artifacts["impression_log"].format)
        return {log: run}
    found = sorted(
        path
        for path in folder.rglob("*")
        if _format(path) and path.is_file() and not _is_hidden(path.relative_to(folder))
    )
    if not found:
        raise DataError(f"{folder}: no log in this folder; known: {', '.join(FORMATS)}")
    for parent in dict.fromkeys(path.parent for path in found):
        _refuse_unfinished(parent)
    return dict.fromkeys(found)


def _is_hidden(path: Path) -> bool:
    """Whether other programs keep it for themselves: .ipynb_checkpoints, _delta_log, _temporary."""
    return any(part.startswith((".", "_")) for part in path.parts)


def _refuse_unfinished(folder: Path) -> None:
    if (folder / PARTIAL).is_file() and not (folder / MANIFEST).is_file():
        Run.open(folder)  # raises, and says why


def _refuse_altered(file: LogFile, run: Run) -> None:
    if file.sha256 != run.manifest.artifacts["impression_log"].sha256:
        raise ArtifactError(
            f"{file.path}: is not what its run wrote: the checksum differs from {MANIFEST}; "
            f"see: caig runs verify {run.run_id} --runs {run.path.parent}"
        )


def _format(path: Path) -> str | None:
    name = path.name.lower()
    return next((kind for suffix, kind in FORMATS.items() if name.endswith(suffix)), None)


def _described(path: Path) -> LogFile:
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: the file is empty")
        kind = _format(path)
        assert kind is not None
        return LogFile(path, kind, sha256_file(path), size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _refuse_duplicates(files: Sequence[LogFile]) -> None:
    seen: dict[str, LogFile] = {}
    for file in files:
        first = seen.setdefault(file.sha256, file)
        if first is not file:
            raise _counted_twice(file.path, f"has the same content as {first.path}")
    names = {str(file.path): file for file in files}
    for file in files:
        packed = names.get(f"{file.path}.gz")
        if packed is not None and _unpacked_sha256(packed.path) == file.sha256:
            raise _counted_twice(packed.path, f"has the same content as {file.path}")


def _counted_twice(path: Path, how: str) -> DataError:
    return DataError(f"{path}: {how}; its clicks would count twice. Name it once")


def _unpacked_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with readable(path, "gzip"), open_bytes(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _parquet_rows(file: LogFile) -> int:
    return int(pl.scan_parquet(file.path, glob=False).select(pl.len()).collect().item())


def _decoded(file: LogFile, columns: Sequence[str], batch_rows: int) -> Iterator[pl.DataFrame]:
    """The rows as the reader hands them over best: row groups, or batches."""
    scan = _scan(file, columns).select(columns)
    sizes = row_group_sizes(file.path) if file.format == "parquet" else None
    if not sizes or max(sizes) > MOST_ROWS_IN_GROUP:
        yield from scan.collect_batches(chunk_size=batch_rows, maintain_order=True)
        return
    ends = [int(end) for end in np.cumsum(sizes)]
    with ThreadPoolExecutor(1) as pool:
        ahead: Future[pl.DataFrame] | None = None
        first = 0
        for end, following in zip(ends, [*ends[1:], None], strict=True):
            if end - first < batch_rows and following is not None:
                continue
            decoding = pool.submit(scan.slice(first, end - first).collect)
            if ahead is not None:
                yield ahead.result()
            ahead, first = decoding, end
        if ahead is not None:
            yield ahead.result()


def _even_slices(rows: pl.DataFrame, most: int) -> Iterator[pl.DataFrame]:
    """As few and as equal slices of at most ``most`` rows as can be."""
    n_slices = -(-rows.height // most)
    return rows.iter_slices(-(-rows.height // n_slices)) if n_slices else iter(())


def _json_types(file: LogFile) -> dict[str, pl.DataType]:
    types: dict[str, pl.DataType] = {}
    lines = first_lines(file.path, SAMPLE_LINES)
    if not lines:
        raise DataError(f"{file.path}: the file has no rows")
    for line in lines:
        try:
            record = parsed_json(line)
        except ValueError as error:
            explain(file.path, file.format, str(error))
        for name, value in record.items():
            if isinstance(value, list):
                types[name] = pl.List(pl.String())
            elif isinstance(value, dict):
                types[name] = pl.Struct({})
            else:
                types.setdefault(name, pl.String())
    return types


def _scan(file: LogFile, columns: Sequence[str]) -> pl.LazyFrame:
    if file.format == "parquet":
        return pl.scan_parquet(file.path, glob=False)
    if file.format == "ndjson":
        schema = dict.fromkeys(columns, pl.String)
        if not has_byte_order_mark(file.path):
            return pl.scan_ndjson(file.path, schema=schema)
        with open_bytes(file.path) as stream:  # the reader takes the mark for a part of the JSON
            return pl.scan_ndjson(stream.read().removeprefix(BYTE_ORDER_MARK), schema=schema)
    separator = "\t" if file.format == "tsv" else ","
    return pl.scan_csv(file.path, separator=separator, infer_schema=False, glob=False)
