"""Why a log file cannot be read, in words that find the spot.

Readers say that something is wrong; a person needs the line. Everything here runs after a reader
has failed, apart from a look at a text file's first bytes; so it may be slow and may read a file
again.
"""

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import polars as pl

from caig.errors import DataError, Problem

SHOWN_LINES = 3
SHOWN_CHARACTERS = 60
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
UNREADABLE = (OSError, EOFError, zlib.error)


@contextmanager
def readable(path: Path, kind: str) -> Iterator[None]:
    """Turn a reader's errors into one that names the file and what is wrong with it.

    Args:
        path: The file that is read inside the context.
        kind: parquet, csv, tsv or ndjson.

    Raises:
        DataError: The file is empty, damaged, cut off, no UTF-8, or of another format.
    """
    if kind != "parquet":
        _refuse_utf16(path)
    try:
        yield
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty") from None
    except (pl.exceptions.PolarsError, *UNREADABLE) as error:
        explain(path, kind, str(error))


def explain(path: Path, kind: str, reason: str) -> NoReturn:
    """Raise the error that says why ``path`` is not readable as ``kind``.

    Args:
        path: The file.
        kind: parquet, csv, tsv or ndjson.
        reason: What the reader said, for when nothing better is found.

    Raises:
        DataError: Always.
    """
    try:
        if kind != "parquet":
            refuse_undecodable(path)
        if kind == "ndjson":
            _refuse_bad_json(path)
        if kind in ("csv", "tsv"):
            _refuse_bad_records(path, "\t" if kind == "tsv" else ",")
    except UNREADABLE as error:
        reason = str(error)
    said = (reason.strip() or "no reason given").splitlines()[0]
    raise DataError(
        f"{path}: not readable as {kind} ({said}); "
        "the file is damaged, cut off, or of another format: write it again"
    )


def open_bytes(path: Path) -> IO[bytes]:
    """Open a text file for reading, unpacked if it is gzipped, whatever its name says."""
    if not is_gzipped(path):
        return path.open("rb")
    return cast(IO[bytes], gzip.open(path, "rb"))


def is_gzipped(path: Path) -> bool:
    """Whether the content is gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def has_byte_order_mark(path: Path) -> bool:
    """Whether the text begins with the UTF-8 byte-order mark."""
    with open_bytes(path) as stream:
        return stream.read(3) == BYTE_ORDER_MARK


def refuse_undecodable(path: Path) -> None:
    """Raise if a text file is no UTF-8.

    Raises:
        DataError: With the first line and byte that are not.
    """
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                near = line[max(0, error.start - 12) : error.start + 12].decode("latin-1")
                raise DataError(
                    f"{path}: not UTF-8 text: line {number}, byte {error.start + 1} "
                    f"(0x{line[error.start]:02x}), near {near!r}; if it is latin-1, convert it "
                    "with iconv -f latin1 -t utf8"
                ) from None


def parsed_json(line: bytes) -> dict[str, Any]:
    """One line of NDJSON.

    Raises:
        ValueError: It is no JSON object; NaN, infinity and numbers beyond a double are no JSON.
    """
    try:
        record = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from None
    if not isinstance(record, dict):
        raise ValueError("not an object")
    return record


def first_lines(path: Path, number: int) -> list[bytes]:
    """The first lines that are not blank, without a byte-order mark."""
    with open_bytes(path) as stream:
        lines = (line.removeprefix(BYTE_ORDER_MARK) for line in stream)
        return list(islice((line for line in lines if line.strip()), number))


def _refuse_utf16(path: Path) -> None:
    try:
        with open_bytes(path) as stream:
            start = stream.read(2)
    except UNREADABLE:
        return  # the reader will say so
    # Without a mark, UTF-16 shows as a zero beside the first letter.
    if start in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
        raise DataError(f"{path}: UTF-16 text; save it as UTF-8")


def _refuse_bad_json(path: Path) -> None:
    shown, count = [], 0
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
            if not text.strip():
                continue
            try:
                parsed_json(text)
            except ValueError as error:
                count += 1
                if count <= SHOWN_LINES:
                    shown.append(f"line {number}: {_shortened(text)} ({error})")
    if count:
        problem = Problem("lines", "no JSON object", count, tuple(shown))
        raise DataError.from_problems(
            str(path), [problem], "NDJSON has one object a line; JSON has null, but no NaN"
        )


def _refuse_bad_records(path: Path, separator: str) -> None:
    """Rows with more fields than the header, and a quote that is never closed."""
    shown, count = [], 0
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=separator, strict=True)
        n_columns, row, begins = 0, 0, 1
        while True:
            begins = reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                problem = Problem(f"line {begins}", f"quotes that do not pair up ({error})")
                raise DataError.from_problems(str(path), [problem]) from None
            if fields is None:
                break
            if not n_columns:
                n_columns = len(fields)
                continue
            row += 1
            if len(fields) > n_columns:
                count += 1
                if count <= SHOWN_LINES:
                    text = _shortened(separator.join(fields).encode())
                    shown.append(f"row {row} (line {begins}): {len(fields)} fields: {text}")
    if count:
        problem = Problem("rows", f"more fields than the header's {n_columns}", count, tuple(shown))
        raise DataError.from_problems(
            str(path), [problem], "A value that holds the separator must stand in double quotes"
        )


def _shortened(line: bytes) -> str:
    text = line.decode("utf-8").rstrip("\r\n")
    return repr(text[:SHOWN_CHARACTERS] + ("..." if len(text) > SHOWN_CHARACTERS else ""))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value
