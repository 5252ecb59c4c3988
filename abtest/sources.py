"""Which files a log is, and how to read each in batches.

A log is named by files, globs, folders, or run folders that hold an ``impression_log``. Text formats are
read as text and converted by us, so that a value that is no number is reported with its row instead of
failing somewhere inside a parser.
"""

import glob
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from caig.contracts.records import FileInput
from caig.errors import DataError
from caig.runs.files import sha256_file
from caig.runs.store import MANIFEST, Run

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
    """

    files: tuple[LogFile, ...]
    runs: dict[str, Run]

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
    paths: list[Path] = []
    runs: dict[str, Run] = {}
    for name in names:
        folder = Path(name)
        if (folder / MANIFEST).is_file():
            run = Run.open(folder)
            runs["impression_log" if not runs else f"impression_log_{len(runs) + 1}"] = run
            paths.append(run.file("impression_log"))
        else:
            paths += _paths_behind(name)
    files = [_described(path) for path in paths]
    _refuse_duplicates(files)
    return LogSource(tuple(files), runs)


def column_names(file: LogFile) -> list[str]:
    """Columns of a file.

    Raises:
        DataError: The file cannot be read.
    """
    with _readable(file):
        return [name for name in _scan(file).collect_schema() if name != ROW]


def batches(file: LogFile, columns: Sequence[str], batch_rows: int) -> Iterator[pl.DataFrame]:
    """The file's rows in order, ``batch_rows`` at a time, with their number in :data:`ROW` (from 1).

    Raises:
        DataError: The file is damaged or is no text where it must be.
    """
    with _readable(file):
        chosen = _scan(file).select(pl.col(ROW) + 1, *columns)
        yield from chosen.collect_batches(chunk_size=batch_rows, maintain_order=True)


def expected_rows(file: LogFile) -> int | None:
    """About how many rows the file has, for a progress bar; None where that takes reading it."""
    if file.format == "parquet":
        return int(pl.scan_parquet(file.path).select(pl.len()).collect().item())
    if file.path.suffix == ".gz":
        return None
    with file.path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    lines = sample.count(b"\n")
    return int(file.n_bytes / (len(sample) / lines)) if lines else None


def _paths_behind(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        found = sorted(
            p for p in path.rglob("*") if _format(p) and not p.name.startswith((".", "_"))
        )
        if not found:
            raise DataError(f"{name}: no log in this folder; known: {', '.join(FORMATS)}")
        return found
    if path.is_file():
        if not _format(path):
            raise DataError(f"{name}: unknown log format; known: {', '.join(FORMATS)}")
        return [path]
    matches = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207
    if not matches:
        raise DataError(f"{name}: no such file or folder, and no file fits it as a pattern")
    return [behind for match in matches for behind in _paths_behind(str(match))]


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
        if first is file:
            continue
        how = (
            "is named twice" if first.path == file.path else f"has the same content as {first.path}"
        )
        raise DataError(f"{file.path}: {how}; its clicks would count twice. Name it once")


def _scan(file: LogFile) -> pl.LazyFrame:
    if file.format == "parquet":
        return pl.scan_parquet(file.path, row_index_name=ROW, glob=False)
    if file.format == "ndjson":
        return pl.scan_ndjson(file.path, row_index_name=ROW, infer_schema_length=None).cast(
            pl.String
        )
    separator = "\t" if file.format == "tsv" else ","
    return pl.scan_csv(
        file.path, separator=separator, infer_schema=False, row_index_name=ROW, glob=False
    )


class _readable:  # noqa: N801
    """Turns the reader's errors into one that names the file and what is wrong with it."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __enter__(self) -> None:
        if self._file.format != "parquet":
            self._refuse_other_encodings()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pl.exceptions.NoDataError):
            raise DataError(f"{self._file.path}: the file is empty") from None
        if isinstance(error, (pl.exceptions.PolarsError, OSError, EOFError)):
            self._refuse_other_encodings(whole=True)
            reason = str(error).strip().splitlines()[0]
            raise DataError(
                f"{self._file.path}: not readable as {self._file.format} ({reason}); "
                "the file is damaged, cut off, or of another format: write it again"
            ) from None

    def _refuse_other_encodings(self, *, whole: bool = False) -> None:
        opened = gzip.open if self._file.path.suffix == ".gz" else open
        try:
            with opened(self._file.path, "rb") as stream:
                start = stream.read(2)
                if start in (b"\xff\xfe", b"\xfe\xff"):
                    raise DataError(f"{self._file.path}: UTF-16 text; save it as UTF-8")
                if not whole:
                    return
                stream.seek(0)
                for number, line in enumerate(stream, start=1):
                    self._refuse_undecodable(number, line)
        except (OSError, EOFError):
            return  # damaged; the caller says so

    def _refuse_undecodable(self, number: int, line: bytes) -> None:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            shown = line[max(0, error.start - 12) : error.start + 12].decode("latin-1")
            raise DataError(
                f"{self._file.path}: not UTF-8 text: line {number}, byte {error.start + 1} "
                f"(0x{line[error.start]:02x}), near {shown!r}; if it is latin-1, convert it: "
                f"iconv -f latin1 -t utf8 {self._file.path} > converted.csv"
            ) from None
