"""Sums of a log without a table of units: rows become numbers, and sorted numbers become sums.

Every row is packed into 64 bits (:mod:`abtest.counting.packed_keys`), the numbers are kept in
buckets of units and, once all are there, sorted and summed bucket by bucket
(:mod:`abtest.counting.packed_buckets`). The result is that of :func:`abtest.counting.sums.sums_of`.

Units enter as a hash of 44 bits or more, 60 in a usual log. So that two units are never taken for
one, a second hash of 64 bits is counted as well: if the two do not find the same number of units,
:class:`CannotPackError` is raised. (That both lose as many units is left out of account: with ten
million units three in 10^6 logs would have a collision of the second.)

What does not fit raises :class:`CannotPackError` too, and is to be counted as
:class:`abtest.counting.counts.UnitCounts`: rows without units, more than 2^18 combinations of
experiment, arm, category and day, more than :data:`MOST_LABELS` days, or rows of so many
impressions and clicks that 28 bits cannot hold them beside these.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from abtest.counting.packed_buckets import BucketSums, Shape, bucket_sums
from abtest.counting.packed_frames import Names, sums_of_bucket
from abtest.counting.packed_keys import BUCKET_BITS, Codes, Fields, Keys, Layout
from abtest.counting.sums import MOST_LABELS, Sums

N_THREADS = 2
N_BUCKETS = 1 << BUCKET_BITS
ROWS_IN_MEMORY = 40_000_000
"""Keys beyond these, of 8 bytes each, are written to a temporary folder."""
DISTINCT_AT_ONCE = 3_000_000
MOST_PRODUCTS = 1 << 23
"""Strata times labels squared."""

Hashes = Callable[[pl.Series], tuple[Keys, Keys]]


class CannotPackError(Exception):
    """Rows that do not fit into numbers of 64 bits, or two units with one hash."""


def two_hashes(units: pl.Series) -> tuple[Keys, Keys]:
    """Two hashes of every unit that have nothing to do with each other."""
    return units.hash(0x5EED).to_numpy(), units.hash(0xC0FFEE).to_numpy()


class PackedCounter:
    """Counts rows; takes those of :meth:`abtest.counting.counts.UnitCounts.from_rows`."""

    def __init__(
        self, *, hashes: Hashes = two_hashes, rows_in_memory: int = ROWS_IN_MEMORY
    ) -> None:
        """Count nothing so far.

        Args:
            hashes: Two hashes of units.
            rows_in_memory: Rows from which on keys are kept on disk.
        """
        self._hashes = hashes
        self._rows_in_memory = rows_in_memory
        self._types = {
            name: pl.Categorical(pl.Categories.random())
            for name in ("experiment_id", "arm", "category")
        }
        self._layout: Layout | None = None
        self._names: dict[str, dict[int, str]] = {name: {} for name in self._types}
        # Codes live as long as a column that has them.
        self._with_codes: dict[str, pl.Series] = {}
        self._has: tuple[bool, bool] | None = None
        self._chunks: list[_Chunk] = []
        self._n_rows = 0
        self._units = _Distinct()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread = ThreadPoolExecutor(1)
        self._waiting: Future[None] | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Count rows, ``experiment_id, arm, unit_id, category, day, n, c``.

        Raises:
            CannotPackError: They do not fit.
        """
        if rows.is_empty():
            return
        if rows["n"].min() < 1 or rows["c"].min() < 0:  # type: ignore[operator]
            raise CannotPackError
        nulls = rows.null_count().row(0, named=True)
        has = nulls["category"] == 0, nulls["day"] == 0
        all_or_none = all(nulls[name] in (0, rows.height) for name in ("category", "day"))
        if nulls["unit_id"] or not all_or_none or (self._has or has) != has:
            raise CannotPackError
        self._has = has
        fields, first_day, last_day = self._fields(rows)
        largest = Fields(*(int(values.max()) for values in fields))  # type: ignore[arg-type]
        before = self._layout or Layout(first_day=first_day, last_day=last_day)
        layout = before.widened(largest, first_day, last_day)
        if not layout.fits or last_day - first_day >= MOST_LABELS:
            raise CannotPackError
        self._layout = layout
        payload = layout.packed(fields._replace(day=fields.day - layout.first_day))
        if self._waiting is not None:
            self._waiting.result()
        self._waiting = self._thread.submit(self._keep, layout, payload, rows["unit_id"])

    def sums(self) -> Sums:
        """Sums of all rows that were added.

        Raises:
            CannotPackError: Two units share a hash, or the tables of products are too large.
        """
        if self._layout is None or self._waiting is None or self._has is None:
            raise CannotPackError
        self._waiting.result()
        self._thread.shutdown()
        has_categories, has_days = self._has
        names = self._names_by_code(has_categories=has_categories, has_days=has_days)
        layout, n_days = self._layout, self._layout.last_day - self._layout.first_day + 1
        n_categories = len(names.categories)
        n_labels = max(n_categories if n_categories <= MOST_LABELS else 1, n_days)
        n_experiments, n_arms = 1 << layout.experiment, 1 << layout.arm
        is_large = n_experiments * n_arms * n_labels**2 > MOST_PRODUCTS
        if n_days > MOST_LABELS or is_large or (n_experiments > 1 and n_categories > MOST_LABELS):
            raise CannotPackError
        order = sorted(range(n_categories), key=lambda code: names.categories[code] or "")
        shape = Shape(
            layout=layout,
            n_categories=n_categories,
            n_days=n_days,
            category_rank=np.argsort(order),
            has_category_products=has_categories and n_categories <= MOST_LABELS,
        )
        with ThreadPoolExecutor(N_THREADS) as pool:
            found = BucketSums.add_up(_of_all_buckets(pool, partial(self._bucket, shape)))
        if found.n_units != self._units.count():
            raise CannotPackError
        if self._folder is not None:
            self._folder.cleanup()
        return sums_of_bucket(found, shape, names)

    def _fields(self, rows: pl.DataFrame) -> tuple[Fields, int, int]:
        """Codes of rows, days since 1970, and the first and the last day."""
        codes = {}
        zeros = np.zeros(rows.height, np.int64)
        for name, dtype in self._types.items():
            if rows[name].null_count():
                codes[name] = zeros
                continue
            coded = rows[name].cast(dtype)
            codes[name] = coded.to_physical().cast(pl.Int64).to_numpy()
            self._with_codes.setdefault(name, coded.head(1))
            known = self._names[name]
            if int(codes[name].max()) >= len(known):
                distinct = coded.unique()
                known.update(zip(distinct.to_physical(), distinct.cast(pl.String), strict=True))
        days, first, last = zeros, 0, 0
        if not rows["day"].null_count():
            days = rows["day"].to_physical().cast(pl.Int64).to_numpy()
            first, last = int(days.min()), int(days.max())
        n, c = rows["n"], rows["c"]
        return (
            Fields(
                experiment=codes["experiment_id"],
                arm=codes["arm"],
                category=codes["category"],
                day=days,
                n=zeros if n.max() == 1 else n.to_numpy() - 1,
                c=c.to_numpy(),
            ),
            first,
            last,
        )

    def _keep(self, layout: Layout, payload: Keys, units: pl.Series) -> None:
        """Bring the keys of a batch into the order of buckets, and count its units."""
        first, second = self._hashes(units)
        keys = layout.with_units(payload, first)
        bucket = (first >> np.uint64(64 - BUCKET_BITS)).astype(np.int32)
        # The transposition of a sparse matrix of one row is a counting sort.
        one_row = np.array([0, keys.size], np.int32)
        sorted_ = csr_array((keys.view(np.int64), bucket, one_row), shape=(1, N_BUCKETS)).tocsc()
        chunk = _Chunk(layout, sorted_.indptr.astype(np.int64), sorted_.data.view(np.uint64))
        self._n_rows += keys.size
        if self._n_rows > self._rows_in_memory:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="caig-lift-")
            chunk = chunk.on_disk(Path(self._folder.name) / str(len(self._chunks)))
        self._chunks.append(chunk)
        self._units.add(second)

    def _bucket(self, shape: Shape, bucket: int) -> BucketSums | None:
        parts = [
            shape.layout.relaid(keys, chunk.layout)
            for chunk in self._chunks
            if (keys := chunk.bucket(bucket)).size
        ]
        if not parts:
            return None
        # Three times as fast as numpy's on this kind of number; a thread each sorts a bucket.
        keys = pl.Series(np.concatenate(parts)).sort(multithreaded=False).to_numpy()
        return bucket_sums(keys, shape)

    def _names_by_code(self, *, has_categories: bool, has_days: bool) -> Names:
        experiments, arms, categories = (
            [known[code] for code in range(len(known))] for known in self._names.values()
        )
        return Names(experiments, arms, categories if has_categories else [None], has_days)


@dataclass(frozen=True)
class _Chunk:
    """Keys of a batch in the order of buckets."""

    layout: Layout
    borders: Codes
    keys: Keys | Path

    def on_disk(self, path: Path) -> "_Chunk":
        """The same, with the keys in a file."""
        assert isinstance(self.keys, np.ndarray)
        self.keys.tofile(path)
        return _Chunk(self.layout, self.borders, path)

    def bucket(self, number: int) -> Keys:
        """Keys of one bucket."""
        first, last = self.borders[number : number + 2]
        if isinstance(self.keys, Path):
            return np.fromfile(self.keys, np.uint64, last - first, offset=8 * first)
        return self.keys[first:last]


class _Distinct:
    """Counts distinct numbers in memory that grows with their count, not with the rows."""

    def __init__(self) -> None:
        self._known = pl.Series(dtype=pl.UInt64)
        self._pending: list[pl.Series] = []
        self._n_pending = 0

    def add(self, values: Keys) -> None:
        self._pending.append(pl.Series(values))
        self._n_pending += values.size
        if self._n_pending >= max(DISTINCT_AT_ONCE, self._known.len()):
            self._merge()

    def count(self) -> int:
        self._merge()
        return self._known.len()

    def _merge(self) -> None:
        together = pl.concat([self._known, *self._pending]).sort(multithreaded=False)
        values = together.to_numpy()
        is_new = np.ones(values.size, np.bool_)
        np.not_equal(values[1:], values[:-1], out=is_new[1:])
        self._known = pl.Series(values[is_new])
        self._pending, self._n_pending = [], 0


def _of_all_buckets(
    pool: ThreadPoolExecutor, sums: Callable[[int], BucketSums | None]
) -> Iterator[BucketSums]:
    """Sums of all buckets; results are taken while later ones are made, so that few wait."""
    return (found for found in pool.map(sums, range(N_BUCKETS)) if found is not None)
