"""Sums of a log without a table of units: rows become numbers, and sorted numbers become sums.

Every row is packed into 64 bits (:mod:`abtest.counting.packed_keys`), the numbers are kept in
buckets of units (:mod:`abtest.counting.packed_store`) and, once all are there, sorted and summed
bucket by bucket (:mod:`abtest.counting.packed_buckets`). The result is that of
:func:`abtest.counting.sums.sums_of`.

Units enter as a hash of 44 bits or more, 60 in a usual log. So that two units are never taken for
one, 30 bits of a second hash are kept for every row (:mod:`abtest.counting.collisions`): if rows of
one unit differ in them, :class:`CollisionError` is raised. (That two units agree in both is left
out of account: among ten million units it happens with a probability of 10^-13.)

What does not fit raises :class:`CannotPackError`, and is to be counted as
:class:`abtest.counting.counts.UnitCounts`: rows without units, more than 2^18 combinations of
experiment, arm, category and day, more than :data:`MOST_LABELS` days, or rows of so many
impressions and clicks that 28 bits cannot hold them beside these.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import polars as pl

from abtest.counting.collisions import has_collision
from abtest.counting.name_codes import NAMED, RowCodes, RowNames
from abtest.counting.packed_buckets import Shape, UnitSums
from abtest.counting.packed_frames import Names, sums_of_bucket
from abtest.counting.packed_keys import Fields, Keys, Layout, Payload
from abtest.counting.packed_store import N_BUCKETS, ROWS_IN_MEMORY, KeyStore
from abtest.counting.sums import MOST_LABELS, Sums

N_THREADS = 2
MOST_PRODUCTS = 1 << 23
"""Strata times labels squared."""

Hashes = Callable[[pl.Series], tuple[Keys, Keys]]


def _two_hashes(units: pl.Series, *, seed: int) -> tuple[Keys, Keys]:
    return units.hash(seed).to_numpy(), units.hash(~seed & 0xFFFF_FFFF).to_numpy()


HASHES: tuple[Hashes, ...] = (
    partial(_two_hashes, seed=0x5EED),
    partial(_two_hashes, seed=0xFACADE),
)
"""Each gives two hashes of every unit that have nothing to do with each other; units that collide
in those of one do not in those of the next."""


class CannotPackError(Exception):
    """Rows that do not fit into numbers of 64 bits."""


class CollisionError(CannotPackError):
    """Two units with the same hash."""


class PackedCounter:
    """Counts rows; takes those of :meth:`abtest.counting.counts.UnitCounts.from_rows`."""

    def __init__(
        self,
        names: RowNames | None = None,
        *,
        hashes: Hashes = HASHES[0],
        rows_in_memory: int = ROWS_IN_MEMORY,
    ) -> None:
        """Count nothing so far.

        Args:
            names: Numbers names, for rows that come with numbers as well.
            hashes: Two hashes of units.
            rows_in_memory: Rows from which on keys are kept on disk.
        """
        self._hashes = hashes
        self._names = names or RowNames()
        self._layout: Layout | None = None
        self._has: tuple[bool, bool] | None = None
        self._store = KeyStore(rows_in_memory)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: Future[None] | None = None

    def add(self, rows: pl.DataFrame, codes: RowCodes | None = None) -> None:
        """Count rows, ``experiment_id, arm, unit_id, category, day, n, c``.

        Args:
            rows: The rows.
            codes: Their names' numbers, if that is known.

        Raises:
            CannotPackError: They do not fit.
        """
        if rows.is_empty():
            return
        if rows["n"].min() < 1 or rows["c"].min() < 0:  # type: ignore[operator]
            raise CannotPackError
        codes = codes or self._names.codes(rows)
        n_without_day = rows["day"].null_count()
        has = rows["category"].null_count() == 0, n_without_day == 0
        if codes is None or rows["unit_id"].null_count() or n_without_day not in (0, rows.height):
            raise CannotPackError
        if (self._has or has) != has:
            raise CannotPackError
        self._has = has
        fields, first_day, last_day = _fields(rows, codes)
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
        self._store.put_away()
        buckets = iter(range(N_BUCKETS))
        with ThreadPoolExecutor(N_THREADS) as pool:
            parts = [pool.submit(self._sums_of, buckets, shape) for _ in range(N_THREADS)]
        found, *others = (part.result() for part in parts)
        for other in others:
            found.merge(other)
        self._store.close()
        return sums_of_bucket(found, shape, names)

    def _keep(self, layout: Layout, payload: Payload, units: pl.Series) -> None:
        self._store.add(layout, payload, *self._hashes(units))

    def _sums_of(self, buckets: Iterator[int], shape: Shape) -> UnitSums:
        """Sums of the buckets that no other thread takes."""
        sums, layout = UnitSums(shape), shape.layout
        for bucket in buckets:
            keys, checks = self._store.bucket(bucket, layout)
            if not keys.size:
                continue
            if has_collision(keys, layout, checks):
                raise CollisionError
            # Three times as fast as numpy's on this kind of number.
            sums.add(pl.Series(keys).sort(multithreaded=False).to_numpy())
        return sums

    def _names_by_code(self, *, has_categories: bool, has_days: bool) -> Names:
        experiments, arms, categories = (self._names.of[name].names.to_list() for name in NAMED)
        return Names(experiments, arms, categories if has_categories else [None], has_days)


def _fields(rows: pl.DataFrame, codes: RowCodes) -> tuple[Fields, int, int]:
    """Fields of rows, days since 1970, and the first and the last day."""
    zeros = np.zeros(rows.height, np.uint32)
    days, first, last = zeros, 0, 0
    if not rows["day"].null_count():
        days = rows["day"].to_physical().to_numpy()
        first, last = int(days.min()), int(days.max())
    n, c = rows["n"], rows["c"]
    fields = Fields(
        experiment=codes["experiment_id"],
        arm=codes["arm"],
        category=codes["category"],
        day=days,
        n=zeros if n.max() == 1 else n.to_numpy() - 1,
        c=c.to_numpy(),
    )
    return fields, first, last
