"""Errors of readers, in words that name the file and what it should be."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from caig.errors import DataError


@contextmanager
def named_errors(path: Path, should_be: str, columns: Sequence[str] = ()) -> Iterator[None]:
    """Turn a reader's errors into one that names the file.

    Args:
        path: File that is read inside the context.
        should_be: What it should be, in words.
        columns: Its columns, for the message.

    Raises:
        DataError: The file cannot be read, is empty, no UTF-8, or something else than it should be.
    """
    named = f" ({', '.join(columns)})" if columns else ""
    try:
        yield
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty; it should be {should_be}{named}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text ({error.reason}); if it is latin-1, convert it with "
            "iconv -f latin1 -t utf8"
        ) from None
    except pl.exceptions.PolarsError as error:
        said = (str(error).strip() or "no reason given").splitlines()[0]
        raise DataError(
            f"{path}: not readable as {should_be}{named}: {said}; the file is damaged, cut off, or "
            "of another format: write it again"
        ) from None
