"""How many rows each row group of a Parquet file has.

The reader decodes whole row groups, and several of them ahead of whoever takes its batches. Asked
for one at a time it needs less memory and less time, but it does not tell where they begin. So the
end of the file is read here: what is in it says
https://parquet.apache.org/docs/file-format/metadata, how it is written
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Iterator
from pathlib import Path

MAGIC = b"PAR1"
END_BYTES = 8
MOST_BYTES = 1 << 20
"""Of a footer; to read a larger one, of ten thousand column chunks, takes longer than it saves."""
ROW_GROUPS = 4
NUM_ROWS = 3

TRUE, FALSE, BYTE, INT16, INT32, INT64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
FIXED_BYTES = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8, UUID: 16}


def row_group_sizes(path: Path) -> list[int] | None:
    """Rows of every row group, in order; None if the footer is encrypted, large or makes no sense.

    Args:
        path: A Parquet file.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - END_BYTES))
        end = stream.read()
        length = int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or length > min(MOST_BYTES, size - END_BYTES):
            return None
        stream.seek(size - END_BYTES - length)
        footer = _Footer(stream.read(length))
    try:
        sizes = footer.row_group_sizes()
    except (IndexError, KeyError, RecursionError):
        return None
    return sizes if min(sizes, default=0) >= 0 else None


class _Footer:
    """Reads field after field; what a field holds must be read or skipped before the next."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def row_group_sizes(self) -> list[int]:
        sizes = []
        for field, kind in self._fields():
            if field != ROW_GROUPS:
                self._skip(kind)
                continue
            size, _ = self._list()
            for _ in range(size):
                for inner, inner_kind in self._fields():
                    if inner == NUM_ROWS:
                        sizes.append(self._whole_number())
                    else:
                        self._skip(inner_kind)
        return sizes

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of every field of a struct."""
        field = 0
        while head := self._byte():
            step = head >> 4
            field = field + step if step else self._whole_number()
            yield field, head & 15

    def _skip(self, kind: int) -> None:
        if kind in (INT16, INT32, INT64):
            self._varint()
        elif kind == BINARY:
            self._move(self._varint())
        elif kind == STRUCT:
            for _, inner in self._fields():
                self._skip(inner)
        elif kind in (LIST, SET):
            size, inner = self._list()
            for _ in range(size):
                # Only in lists has a truth value a byte of its own.
                self._skip(BYTE if inner in (TRUE, FALSE) else inner)
        elif kind == MAP:
            self._skip_map()
        else:
            self._move(FIXED_BYTES[kind])

    def _skip_map(self) -> None:
        size = self._varint()
        kinds = self._byte() if size else 0
        for _ in range(size):
            for kind in (kinds >> 4, kinds & 15):
                self._skip(BYTE if kind in (TRUE, FALSE) else kind)

    def _list(self) -> tuple[int, int]:
        """Size of a list, and the kind of what is in it."""
        head = self._byte()
        size = head >> 4
        return (self._varint() if size == 15 else size), head & 15

    def _whole_number(self) -> int:
        zigzag = self._varint()
        return (zigzag >> 1) ^ -(zigzag & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _move(self, n_bytes: int) -> None:
        self._at += n_bytes
        if self._at > len(self._content):
            raise IndexError  # as reading does

    def _byte(self) -> int:
        byte = self._content[self._at]
        self._at += 1
        return byte
