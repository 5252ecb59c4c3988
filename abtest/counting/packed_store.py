"""Keys of a log's rows, kept by bucket of units until all rows are there.

They are gathered by the million and brought into the order of buckets in one go. From a number of
rows on they are written to a temporary folder.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array

from abtest.counting.collisions import CHECK_BITS, Checks
from abtest.counting.packed_keys import BUCKET_BITS, Codes, Keys, Layout, Payload

N_BUCKETS = 1 << BUCKET_BITS
ROWS_AT_ONCE = 1_000_000
ROWS_IN_MEMORY = 40_000_000
"""Keys and checks beyond these, of 12 bytes a row, are written to a temporary folder."""


class KeyStore:
    """Keeps keys, and for every key a check of its unit."""

    def __init__(self, rows_in_memory: int = ROWS_IN_MEMORY) -> None:
        """Keep nothing so far.

        Args:
            rows_in_memory: Rows from which on keys are kept on disk.
        """
        self._rows_in_memory = rows_in_memory
        self._chunks: list[_Chunk] = []
        self._gathered: _Gathered | None = None
        self._n_rows = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, layout: Layout, payload: Payload, units: Keys, others: Keys) -> None:
        """Keep rows.

        Args:
            layout: Of the keys.
            payload: What keys hold beside the unit.
            units: Hash of every row's unit.
            others: Another hash of it.
        """
        if self._gathered is None or not self._gathered.takes(layout, payload.size):
            self.put_away()
            self._gathered = _Gathered(layout, max(ROWS_AT_ONCE, payload.size))
        self._gathered.add(payload, units, others)

    def bucket(self, number: int, layout: Layout) -> tuple[Keys, Checks]:
        """Keys, in a layout as wide as any that were added, and checks of a bucket's rows."""
        parts = [(chunk.layout, *chunk.bucket(number)) for chunk in self._chunks]
        keys = np.concatenate([layout.relaid(keys, old) for old, keys, _ in parts])
        return keys, np.concatenate([checks for *_, checks in parts])

    def close(self) -> None:
        """Remove what is on disk."""
        if self._folder is not None:
            self._folder.cleanup()

    def put_away(self) -> None:
        """Bring what was gathered into the order of buckets; to be called before :meth:`bucket`."""
        if self._gathered is None:
            return
        chunk = self._gathered.by_bucket()
        self._gathered = None
        self._n_rows += chunk.keys.size
        if self._n_rows > self._rows_in_memory:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="caig-lift-")
            chunk = chunk.on_disk(Path(self._folder.name) / str(len(self._chunks)))
        self._chunks.append(chunk)


class _Gathered:
    """Rows of one layout that are not yet in the order of buckets."""

    def __init__(self, layout: Layout, most: int) -> None:
        self._layout = layout
        self._keys = np.empty(most, np.uint64)
        self._checks = np.empty(most, np.int32)
        self._buckets = np.empty(most, np.int32)
        self._size = 0

    def takes(self, layout: Layout, n_rows: int) -> bool:
        return layout == self._layout and self._size + n_rows <= self._keys.size

    def add(self, payload: Payload, units: Keys, others: Keys) -> None:
        new = slice(self._size, self._size + units.size)
        self._keys[new] = self._layout.with_units(payload, units)
        self._buckets[new] = units >> np.uint64(64 - BUCKET_BITS)
        self._checks[new] = others >> np.uint64(64 - CHECK_BITS)
        self._size += units.size

    def by_bucket(self) -> "_Chunk":
        keys, checks, buckets = (
            values[: self._size] for values in (self._keys, self._checks, self._buckets)
        )
        # Making rows of a sparse matrix is a counting sort that takes a number of 31 bits along.
        shape = N_BUCKETS, 1 << CHECK_BITS
        matrix = coo_array((keys.view(np.int64), (buckets, checks)), shape)
        matrix.has_canonical_format = True  # rows that are alike are not to be summed
        rows = matrix.tocsr()
        borders = rows.indptr.astype(np.int64)
        return _Chunk(self._layout, borders, rows.data.view(np.uint64), rows.indices)


@dataclass(frozen=True)
class _Chunk:
    """Rows in the order of buckets, in memory or in a file.

    Attributes:
        layout: Of the keys.
        borders: Where every bucket begins, and the end of the last.
        keys: Keys; none if they are in the file.
        checks: Checks.
        path: A file of keys and then checks.
    """

    layout: Layout
    borders: Codes
    keys: Keys
    checks: Checks
    path: Path | None = None

    def on_disk(self, path: Path) -> "_Chunk":
        """The same, in a file."""
        with path.open("wb") as stream:
            self.keys.tofile(stream)
            self.checks.tofile(stream)
        # Not parts of the arrays: of these nothing may stay in memory.
        nothing = np.empty(0, np.uint64), np.empty(0, np.int32)
        return _Chunk(self.layout, self.borders, *nothing, path)

    def bucket(self, number: int) -> tuple[Keys, Checks]:
        """Keys and checks of one bucket."""
        first, last = map(int, self.borders[number : number + 2])
        if self.path is None:
            return self.keys[first:last], self.checks[first:last]
        n_rows = int(self.borders[-1])
        return (
            np.fromfile(self.path, np.uint64, last - first, offset=8 * first),
            np.fromfile(self.path, np.int32, last - first, offset=8 * n_rows + 4 * first),
        )
