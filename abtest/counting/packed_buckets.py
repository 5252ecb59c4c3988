"""Sums over units, from sorted keys, some ten thousand of them at a time.

So few keys stay in the processor's cache. Everything is made of where runs of equal leading bits
begin: a unit in an arm, and a category within it. Sums are of whole numbers and therefore exact in
floats up to 2^53.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from abtest.counting.packed_keys import Codes, Keys, Layout
from abtest.counting.packed_products import Counts, Floats, Table, products_by_stratum, table_of

ROWS_AT_ONCE = 1 << 17
CELLS_AT_ONCE = 1 << 22
"""Of a table of units by labels, were every row of a unit of its own."""


@dataclass(frozen=True)
class Shape:
    """How many there are of everything, and how categories are ordered.

    Attributes:
        layout: Bits of the keys.
        n_categories: Categories.
        n_days: Days from the first to the last.
        category_rank: Place of every category's code when sorted by name.
        has_category_products: Whether products of categories are wanted.
    """

    layout: Layout
    n_categories: int
    n_days: int
    category_rank: Codes
    has_category_products: bool

    @property
    def n_strata(self) -> int:
        """Experiments times arms, as many as their bits tell apart."""
        return 1 << (self.layout.experiment + self.layout.arm)


class UnitSums:
    """Sums over units; a stratum is an experiment and an arm, ``experiment << arm bits | arm``.

    Attributes:
        shape: How many there are of everything.
        daily: Increments by day of units, clicking units, n, c, nn, cc, nc, shape (7, labels), in
            the order of label bits.
        by_category: Of strata that occur: units, nn, nc and cc of every two categories by rank,
            shape (4, categories, categories).
        by_day: The same of days.
        first_seen: Units by stratum, day and category rank, flat.
        first_clicked: Units by stratum and day of their first click, flat.
        crossover: Units, and units in two arms or more, by experiment, shape (2, experiments).
    """

    def __init__(self, shape: Shape) -> None:
        """Sums over no unit."""
        flat_days = shape.n_strata * shape.n_days
        self.shape = shape
        self.daily = np.zeros((7, 1 << shape.layout.labels))
        self.by_category: dict[int, Floats] = {}
        self.by_day: dict[int, Floats] = {}
        self.first_seen = np.zeros(flat_days * shape.n_categories, np.int64)
        self.first_clicked = np.zeros(flat_days, np.int64)
        self.crossover = np.zeros((2, 1 << shape.layout.experiment), np.int64)

    def add(self, keys: Keys) -> None:
        """Add units.

        Args:
            keys: All keys of these units, sorted; one or more.
        """
        for part in _some_units(keys, self.shape):
            rows = _Rows.of(part, self.shape)
            units = _Units.of(rows, self.shape)
            clicks = _Clicks.of(rows, self.shape.layout)
            self._add_daily(rows, clicks)
            self._add_products(rows, units, clicks)
            self._add_first_seen(rows, units)
            if clicks.row.size:
                self._add_first_clicked(rows, units, clicks)
            self._add_crossover(rows.keys[rows.starts[units.starts]])

    def merge(self, other: "UnitSums") -> None:
        """Add the sums over other units."""
        for mine, added in ((self.by_category, other.by_category), (self.by_day, other.by_day)):
            _accumulate(mine, added.items())
        self.daily += other.daily
        self.first_seen += other.first_seen
        self.first_clicked += other.first_clicked
        self.crossover += other.crossover

    def _add_daily(self, rows: "_Rows", clicks: "_Clicks") -> None:
        """Increments of sums over units; a row adds (before + n)^2 - before^2 to that of n^2."""
        daily, size, label = self.daily, self.daily.shape[1], rows.label
        daily[0] += np.bincount(label[rows.starts], minlength=size)
        if rows.n is None:
            shown = np.bincount(label, minlength=size)
            daily[2] += shown
            daily[4] += shown + 2.0 * np.bincount(label, rows.before, size)
        else:
            daily[2] += np.bincount(label, rows.n, size)
            daily[4] += np.bincount(label, rows.n * (rows.n + 2.0 * rows.before), size)
        if clicks.row.size:
            daily[[1, 3, 5, 6]] += _click_increments(rows, clicks, self.shape.layout, size)

    def _add_products(self, rows: "_Rows", units: "_Units", clicks: "_Clicks") -> None:
        n_units, n_labels, n_days = units.stratum.size, self.shape.n_categories, self.shape.n_days
        has_clicked = np.zeros(n_units, np.bool_)
        has_clicked[units.of_run[clicks.run]] = True
        clickers = np.flatnonzero(has_clicked)
        clicker = (np.cumsum(has_clicked) - 1)[units.of_run[clicks.run]]

        def add(found: dict[int, Floats], shown: Table, label: Codes) -> None:
            size = clickers.size, shown.shape[1]
            clicked = np.bincount(clicker * size[1] + label, clicks.c, size[0] * size[1])
            counts = Counts(shown, clickers, table_of(clicked, size))
            _accumulate(found, products_by_stratum(counts, units.borders))

        if self.shape.has_category_products:
            cell = units.of_run * n_labels + rows.rank
            shown = table_of(rows.n_of_run(), (n_units, n_labels), cell)
            add(self.by_category, shown, rows.rank[clicks.run])
        cell = (units.of_run * n_days)[rows.run] + rows.day
        by_day = np.bincount(cell, rows.n, n_units * n_days)
        add(self.by_day, table_of(by_day, (n_units, n_days)), rows.day[clicks.row])

    def _add_first_seen(self, rows: "_Rows", units: "_Units") -> None:
        n_days, n_labels = self.shape.n_days, self.shape.n_categories
        seen = np.minimum.reduceat(rows.day[rows.starts] * n_labels + rows.rank, units.starts)
        place = units.stratum * (n_days * n_labels) + seen
        self.first_seen += np.bincount(place, minlength=self.first_seen.size)

    def _add_first_clicked(self, rows: "_Rows", units: "_Units", clicks: "_Clicks") -> None:
        bits = self.shape.layout
        starts = np.flatnonzero(_is_start(units.of_run[clicks.run]))
        first = np.minimum.reduceat(rows.day[clicks.row], starts)
        stratum = rows.label[clicks.row[starts]] >> (bits.category + bits.day)
        place = stratum * self.shape.n_days + first
        self.first_clicked += np.bincount(place, minlength=self.first_clicked.size)

    def _add_crossover(self, keys: Keys) -> None:
        """Add units and units in several arms; ``keys`` are the first of a unit and arm."""
        bits = self.shape.layout
        in_experiment = keys >> np.uint64(bits.payload - bits.experiment)
        starts = np.flatnonzero(_is_start(in_experiment))
        experiment = in_experiment[starts].view(np.int64) & ((1 << bits.experiment) - 1)
        is_crossing = np.diff(starts, append=keys.size) > 1
        for row, which in enumerate((experiment, experiment[is_crossing])):
            self.crossover[row] += np.bincount(which, minlength=self.crossover.shape[1])


class _Rows(NamedTuple):
    """Rows, and runs of rows of one unit, arm and category.

    Attributes:
        keys: Of every row, sorted.
        label: Of every row, its bits of experiment, arm, category and day.
        day: Of every row.
        n: Impressions of every row; None if that is 1.
        before: Impressions of all rows of its run before it.
        run: Number of every row's run.
        starts: Where runs begin.
        rank: Of every run's category.
    """

    keys: Keys
    label: Codes
    day: Codes
    n: Codes | None
    before: Codes
    run: Codes
    starts: Codes
    rank: Codes

    @classmethod
    def of(cls, keys: Keys, shape: Shape) -> "_Rows":
        bits, signed = shape.layout, keys.view(np.int64)
        is_start = _is_start(keys >> np.uint64(bits.day + bits.values))
        starts = np.flatnonzero(is_start)
        run: Codes = np.cumsum(is_start, dtype=np.int64)
        run -= 1
        n = ((signed >> bits.c) & ((1 << bits.n) - 1)) + 1 if bits.n else None
        before = np.arange(keys.size) if n is None else np.cumsum(n) - n
        before -= before[starts][run]
        label = (signed >> bits.values) & ((1 << bits.labels) - 1)
        category = (label[starts] >> bits.day) & ((1 << bits.category) - 1)
        return cls(
            keys=keys,
            label=label,
            day=label & ((1 << bits.day) - 1),
            n=n,
            before=before,
            run=run,
            starts=starts,
            rank=shape.category_rank[category],
        )

    def n_of_run(self) -> Codes:
        """Impressions of every run."""
        if self.n is None:
            return np.diff(self.starts, append=self.keys.size)
        return np.add.reduceat(self.n, self.starts)


class _Units(NamedTuple):
    """Units in an arm, numbered stratum by stratum.

    Attributes:
        of_run: Number of every run's unit.
        starts: First run of every unit, in the order of keys.
        stratum: Of every unit, in the order of keys.
        borders: Number of every stratum's first unit, and of units.
    """

    of_run: Codes
    starts: Codes
    stratum: Codes
    borders: Codes

    @classmethod
    def of(cls, rows: _Rows, shape: Shape) -> "_Units":
        bits = shape.layout
        firsts = rows.keys[rows.starts]
        is_start = _is_start(firsts >> np.uint64(bits.payload - bits.experiment - bits.arm))
        starts = np.flatnonzero(is_start)
        stratum = rows.label[rows.starts[starts]] >> (bits.category + bits.day)
        number = np.empty(starts.size, np.int64)
        # A stable sort of 16 bits counts.
        is_short = shape.n_strata <= 1 << 16
        order = np.argsort(stratum.astype(np.uint16) if is_short else stratum, kind="stable")
        number[order] = np.arange(starts.size)
        sizes = np.bincount(stratum, minlength=shape.n_strata)
        return cls(number[np.cumsum(is_start) - 1], starts, stratum, np.cumsum([0, *sizes]))


class _Clicks(NamedTuple):
    """Rows with a click.

    Attributes:
        row: Their number.
        run: Of every such row.
        c: Clicks.
    """

    row: Codes
    run: Codes
    c: Codes

    @classmethod
    def of(cls, rows: _Rows, bits: Layout) -> "_Clicks":
        c = rows.keys & np.uint64((1 << bits.c) - 1)
        row = np.flatnonzero(c)
        return cls(row, rows.run[row], c[row].view(np.int64))


def _click_increments(rows: _Rows, clicks: _Clicks, bits: Layout, size: int) -> Floats:
    """Increments of clicking units, c, cc and nc, from the runs with a click: few units click."""
    run = clicks.run[_is_start(clicks.run)]
    start = rows.starts[run]
    length = np.append(rows.starts, rows.keys.size)[run + 1] - start
    before = np.cumsum(length) - length
    row = np.arange(length.sum()) + np.repeat(start - before, length)
    label, n_before = rows.label[row], rows.before[row]
    c = rows.keys[row].view(np.int64) & ((1 << bits.c) - 1)
    n = 1 if rows.n is None else rows.n[row]
    c_sum = np.cumsum(c) - c
    c_before = c_sum - np.repeat(c_sum[before], length)
    return np.stack(
        [
            np.bincount(label[(c_before == 0) & (c > 0)], minlength=size),
            np.bincount(label, c, size),
            np.bincount(label, (2.0 * c_before + c) * c, size),
            np.bincount(label, 1.0 * n * c_before + 1.0 * c * (n_before + n), size),
        ]
    )


def _some_units(keys: Keys, shape: Shape) -> Iterator[Keys]:
    """Parts of the keys, with all of a unit in one."""
    most_labels = max(shape.n_days, shape.n_categories if shape.has_category_products else 1)
    # Sums of all labels take as long as some rows, however few the rows are.
    least = (1 << shape.layout.labels) // 4
    n_rows = min(ROWS_AT_ONCE, max(CELLS_AT_ONCE // most_labels, least))
    first = 0
    while first < keys.size:
        last = min(first + n_rows, keys.size)
        last_of_unit = keys[last - 1] | np.uint64((1 << shape.layout.payload) - 1)
        last = int(np.searchsorted(keys, last_of_unit, side="right"))
        yield keys[first:last]
        first = last


def _accumulate(found: dict[int, Floats], products: Iterable[tuple[int, Floats]]) -> None:
    for stratum, added in products:
        found[stratum] = found.get(stratum, 0.0) + added


def _is_start(values: npt.NDArray[np.uint64] | Codes) -> npt.NDArray[np.bool_]:
    is_start = np.ones(values.size, np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_start[1:])
    return is_start
