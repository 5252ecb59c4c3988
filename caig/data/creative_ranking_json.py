"""The JSON derivative of CreativeRanking: one object, read entry by entry.

``{item_id: [{creative_id, creative_image_hash, exp_impression_cnt, exp_click_cnt, ...}, ...]}``, as
the reward models of Yang et al. (WWW 2024, arXiv 2401.10934) are trained from it. A key may carry a
suffix after ``_``, which belongs to no product; base_impression_cnt and base_click_cnt are of
another serving policy and are not read. The file is parsed as it streams by: an object of gigabytes
is never in memory as one.
"""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from caig.data.rows import RowsFile
from caig.data.textfiles import named_errors
from caig.errors import DataError

FIELDS = ("creative_id", "creative_image_hash", "exp_impression_cnt", "exp_click_cnt")
NAMES = {
    "product_id": "item_id",
    "image": "creative_image_hash",
    "impressions": "exp_impression_cnt",
    "clicks": "exp_click_cnt",
}
SCHEMA = pl.Schema(
    {
        "row": pl.Int64(),
        "product_id": pl.String(),
        "creative_id": pl.String(),
        "image": pl.String(),
        "impressions": pl.String(),
        "clicks": pl.String(),
    }
)
BATCH_ENTRIES = 1 << 16
CHUNK_BYTES = 1 << 20
LONGEST = 1 << 20
"""Characters between an error and the end of what is read from which on it is no cut."""

WHITE = " \t\r\n"


def json_file(path: Path) -> RowsFile:
    """One such file; its rows are its entries, counted from 1 over all products."""
    return RowsFile(path, "entry", lambda: _batches(path), NAMES)


def _batches(path: Path) -> Iterator[pl.DataFrame]:
    entries: list[tuple[Any, ...]] = []
    number = 0
    with named_errors(path, "a JSON object of products", FIELDS):
        for key, creatives in _members(path):
            if not isinstance(creatives, list):
                raise DataError(
                    f"{path}: '{key}': is no list of creatives (got {_shown(creatives)})"
                )
            for creative in creatives:
                number += 1
                entries.append((number, key.partition("_")[0], *_fields(path, key, creative)))
            if len(entries) >= BATCH_ENTRIES:
                yield pl.DataFrame(entries, schema=SCHEMA, orient="row")
                entries = []
    if entries:
        yield pl.DataFrame(entries, schema=SCHEMA, orient="row")


def _fields(path: Path, key: str, creative: Any) -> list[str]:
    if not isinstance(creative, dict):
        raise DataError(f"{path}: '{key}': a creative is no object (got {_shown(creative)})")
    missing = [name for name in FIELDS if name not in creative]
    if missing:
        found = ", ".join(map(str, creative)) or "none"
        raise DataError(f"{path}: '{key}': a creative has no '{missing[0]}'; fields found: {found}")
    # Texts, so that what is no count is told with all else that is wrong; null is an empty text.
    return ["" if creative[name] is None else str(creative[name]) for name in FIELDS]


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """Key and value of each member of the object in a file, in order."""
    decoder = json.JSONDecoder()
    buffer = _Buffer(path)
    buffer.expect("{")
    if buffer.peek() == "}":
        return
    while True:
        key = buffer.value(decoder)
        if not isinstance(key, str):
            raise DataError(f"{path}: a key of the object is no text (got {_shown(key)})")
        buffer.expect(":")
        yield key, buffer.value(decoder)
        if buffer.peek() == "}":
            return
        buffer.expect(",")


class _Buffer:
    """The part of a file that is being parsed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._at = 0
        self._chunks = _chunks(path)

    def peek(self) -> str:
        """The next character that is not white space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in WHITE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise self._broken(
                    "the file ends within the object: it was cut off; write it again"
                )

    def expect(self, sign: str) -> None:
        found = self.peek()
        if found != sign:
            raise self._broken(f"expected '{sign}', found {found!r}")
        self._at += 1

    def value(self, decoder: json.JSONDecoder) -> Any:
        self.peek()
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # Broken, or not here yet. More of the file can tell, but not endlessly more.
                said = f"{error.msg} near {self._text[error.pos : error.pos + 20]!r}"
                if len(self._text) - error.pos <= LONGEST and self._more():
                    continue
                raise self._broken(said) from None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return value

    def _more(self) -> bool:
        chunk = next(self._chunks, "")
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _broken(self, why: str) -> DataError:
        return DataError(f"{self._path}: not a JSON object of products: {why}")


def _chunks(path: Path) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    with path.open("rb") as file:
        while content := file.read(CHUNK_BYTES):
            if text := decode(content):
                yield text
        decode(b"", final=True)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
