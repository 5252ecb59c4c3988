"""Sums over the units of one bucket, from its sorted keys.

A bucket holds some thousand units, so that all of it stays in the processor's cache. Everything is
made of where runs of equal leading bits begin: a unit in an arm, and a category within it. Sums are
of whole numbers and therefore exact in floats up to 2^53.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from abtest.counting.packed_keys import Codes, Keys, Layout

Floats = npt.NDArray[np.float64]
BLOCK = 1 << 20
"""Cells of one table of units by labels."""
ROWS_AT_ONCE = 128
MOST_DENSE_LABELS = 100


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


@dataclass(frozen=True)
class BucketSums:
    """Sums of a bucket; a stratum is an experiment and an arm, ``experiment << arm bits | arm``.

    Attributes:
        daily: Increments by day of units, clicking units, n, c, nn, cc, nc, shape (7, labels), in
            the order of label bits.
        by_category: Of strata that occur: units, nn, nc and cc of every two categories by rank,
            shape (4, categories, categories).
        by_day: The same of days.
        first_seen: Units by stratum, day and category rank, flat.
        first_clicked: Units by stratum and day of their first click, flat.
        crossover: Units, and units in two arms or more, by experiment, shape (2, experiments).
        n_units: Distinct units.
    """

    daily: Floats
    by_category: dict[int, Floats]
    by_day: dict[int, Floats]
    first_seen: Codes
    first_clicked: Codes
    crossover: Codes
    n_units: int

    @classmethod
    def add_up(cls, parts: Iterable["BucketSums"]) -> "BucketSums":
        """Sums of several buckets together, one at a time; there is one at least."""
        iterator = iter(parts)
        total = next(iterator)
        for part in iterator:
            for products, added in (
                (total.by_category, part.by_category),
                (total.by_day, part.by_day),
            ):
                for stratum, values in added.items():
                    products[stratum] = products.get(stratum, 0.0) + values
            total = cls(
                daily=total.daily + part.daily,
                by_category=total.by_category,
                by_day=total.by_day,
                first_seen=total.first_seen + part.first_seen,
                first_clicked=total.first_clicked + part.first_clicked,
                crossover=total.crossover + part.crossover,
                n_units=total.n_units + part.n_units,
            )
        return total


class _Cells(NamedTuple):
    """Impressions and clicks of a unit in an arm by some label, ordered by unit.

    Attributes:
        unit: Number of the unit in its arm.
        label: Rank of the category, or day.
        n: Impressions, 1 or more.
        c: Clicks.
    """

    unit: Codes
    label: Codes
    n: Codes
    c: Codes


def bucket_sums(keys: Keys, shape: Shape) -> BucketSums:
    """Sums over the units of one bucket.

    Args:
        keys: Its keys, sorted; one or more.
        shape: How many there are of everything.
    """
    bits, n_days, n_labels = shape.layout, shape.n_days, shape.n_categories
    signed = keys.view(np.int64)
    label = (signed >> bits.values) & ((1 << bits.labels) - 1)
    n = ((signed >> bits.c) & ((1 << bits.n) - 1)) + 1 if bits.n else None
    n_before = None if n is None else np.cumsum(n) - n
    clicked = np.flatnonzero(keys & np.uint64((1 << bits.c) - 1))
    c = signed[clicked] & ((1 << bits.c) - 1)

    # Runs of a unit, arm and category, and of a unit and arm.
    is_start = _is_start(keys >> np.uint64(bits.day + bits.values))
    starts = np.flatnonzero(is_start)
    rows = np.diff(starts, append=keys.size)
    first_keys = keys[starts]
    new_unit = _is_start(first_keys >> np.uint64(bits.payload - bits.experiment - bits.arm))
    unit_starts = np.flatnonzero(new_unit)
    unit = np.cumsum(new_unit) - 1
    first_label = label[starts]
    stratum = first_label[unit_starts] >> (bits.category + bits.day)

    run_clicked = np.searchsorted(starts, clicked, side="right") - 1
    c_of_run = np.bincount(run_clicked, c, starts.size).astype(np.int64)
    n_of_run = rows if n is None else np.add.reduceat(n, starts)
    unit_of_row = np.repeat(unit, rows)
    day = label & ((1 << bits.day) - 1)
    rank = shape.category_rank[(first_label >> bits.day) & ((1 << bits.category) - 1)]

    daily = np.zeros((7, 1 << bits.labels))
    runs = _Runs(keys, label, n, n_before, is_start, starts, rows)
    _add_impressions(daily, runs)
    if clicked.size:
        _add_clicks(daily, runs, bits, c_of_run > 0)
    by_category = {}
    if shape.has_category_products:
        by_category = _products(stratum, _Cells(unit, rank, n_of_run, c_of_run), n_labels)
    cell = unit_of_row * n_days + day
    n_of_cell = np.bincount(cell, n)
    days = np.flatnonzero(n_of_cell)
    c_of_cell = np.bincount(cell[clicked], c, n_of_cell.size)
    cells = _Cells(
        days // n_days,
        days % n_days,
        n_of_cell[days].astype(np.int64),
        c_of_cell[days].astype(np.int64),
    )
    seen = np.minimum.reduceat(day[starts] * n_labels + rank, unit_starts)
    flat_days = n_days << (bits.experiment + bits.arm)
    return BucketSums(
        daily=daily,
        by_category=by_category,
        by_day=_products(stratum, cells, n_days),
        first_seen=np.bincount(
            stratum * (n_days * n_labels) + seen, minlength=flat_days * n_labels
        ),
        first_clicked=_first_clicked(
            stratum, unit_of_row[clicked], day[clicked], n_days, flat_days
        ),
        crossover=_crossover(first_keys[unit_starts], bits),
        n_units=int(np.count_nonzero(_is_start(first_keys >> np.uint64(bits.payload)))),
    )


def _is_start(values: npt.NDArray[np.uint64] | Codes) -> npt.NDArray[np.bool_]:
    is_start = np.empty(values.size, np.bool_)
    is_start[0] = True
    np.not_equal(values[1:], values[:-1], out=is_start[1:])
    return is_start


class _Runs(NamedTuple):
    """Rows of a bucket, and the runs of rows of one unit, arm and category.

    Attributes:
        keys: Of every row.
        label: Of every row, its bits of experiment, arm, category and day.
        n: Impressions of every row; None if that is 1.
        n_before: Impressions of all rows before it; None if that is their number.
        is_start: Whether a run begins.
        starts: Where runs begin.
        rows: Rows of every run.
    """

    keys: Keys
    label: Codes
    n: Codes | None
    n_before: Codes | None
    is_start: npt.NDArray[np.bool_]
    starts: Codes
    rows: Codes


def _add_impressions(daily: Floats, runs: _Runs) -> None:
    """Increments of what does not concern clicks; a row adds (before + n)^2 - before^2."""
    _, label, n, n_before, is_start, starts, _ = runs
    size = daily.shape[1]
    daily[0] = np.bincount(label[starts], minlength=size)
    again = np.flatnonzero(~is_start)
    run = again - np.arange(1, again.size + 1)
    if n is None or n_before is None:
        daily[2] = np.bincount(label, minlength=size)
        daily[4] = daily[2] + np.bincount(label[again], 2.0 * (again - starts[run]), size)
    else:
        daily[2] = np.bincount(label, n, size)
        twice = 2.0 * (n_before[again] - n_before[starts[run]]) * n[again]
        daily[4] = np.bincount(label, n * (1.0 * n), size) + np.bincount(label[again], twice, size)


def _add_clicks(
    daily: Floats, runs: _Runs, bits: Layout, has_clicked: npt.NDArray[np.bool_]
) -> None:
    """Increments that concern clicks, from the runs with a click: few units click."""
    keys, _, _, n_before, _, starts, rows = runs
    size, rows = daily.shape[1], rows[has_clicked]
    run_start = np.cumsum(rows) - rows
    start = np.repeat(starts[has_clicked], rows)
    row = start + np.arange(start.size) - np.repeat(run_start, rows)
    fields = keys[row].view(np.int64)
    label = (fields >> bits.values) & ((1 << bits.labels) - 1)
    c = fields & ((1 << bits.c) - 1)
    n = ((fields >> bits.c) & ((1 << bits.n) - 1)) + 1.0
    before = 1.0 * (row - start if n_before is None else n_before[row] - n_before[start])
    c_sum = np.cumsum(c) - c
    c_before = c_sum - np.repeat(c_sum[run_start], rows)
    daily[1] = np.bincount(label[(c_before == 0) & (c > 0)], minlength=size)
    daily[3] = np.bincount(label, c, size)
    daily[5] = np.bincount(label, (2.0 * c_before + c) * c, size)
    daily[6] = np.bincount(label, n * c_before + c * (before + n), size)


def _products(stratum: Codes, cells: _Cells, n_labels: int) -> dict[int, Floats]:
    """Units, nn, nc and cc of two labels, by stratum, from a table of units by labels.

    Args:
        stratum: Of every unit.
        cells: Counts.
        n_labels: Labels.
    """
    if n_labels > MOST_DENSE_LABELS:
        return _sparse_products(stratum, cells, n_labels)
    found: dict[int, Floats] = {}
    block = max(1, BLOCK // n_labels)
    for first in range(0, stratum.size, block):
        size = min(block, stratum.size - first)
        within = slice(*np.searchsorted(cells.unit, (first, first + size)))
        unit, label, n, c = (values[within] for values in cells)
        place = (unit - first) * n_labels + label
        shown, clicked = np.zeros((size, n_labels)), np.zeros((size, n_labels))
        shown.ravel()[place] = n
        clicked.ravel()[place] = c
        has_clicked = np.zeros(size, np.bool_)
        has_clicked[unit[c > 0] - first] = True
        of_unit = stratum[first : first + size]
        for one in map(int, np.flatnonzero(np.bincount(of_unit))):
            x = shown[of_unit == one]
            clickers = has_clicked & (of_unit == one)
            y, z = shown[clickers], clicked[clickers]
            seen = (x > 0).astype(np.float64)
            pairs = ((seen, seen), (x, x), (y, z), (z, z))
            products = np.stack([_product(left, right) for left, right in pairs])
            found[one] = found.get(one, 0.0) + products
    return found


def _sparse_products(stratum: Codes, cells: _Cells, n_labels: int) -> dict[int, Floats]:
    """:func:`_products` of so many labels that most of a table would be zeros."""
    place, shape = (cells.unit, cells.label), (stratum.size, n_labels)
    has_clicked = cells.c > 0
    clicks = (cells.unit[has_clicked], cells.label[has_clicked])
    shown = csr_array((cells.n.astype(np.float64), place), shape)
    clicked = csr_array((cells.c[has_clicked].astype(np.float64), clicks), shape)
    found = {}
    for one in map(int, np.flatnonzero(np.bincount(stratum))):
        x, z = shown[stratum == one], clicked[stratum == one]
        seen = x.astype(np.bool_).astype(np.float64)
        pairs = ((seen, seen), (x, x), (x, z), (z, z))
        found[one] = np.stack([(left.T @ right).toarray() for left, right in pairs])
    return found


def _product(left: Floats, right: Floats) -> Floats:
    """``left.T @ right``, some rows at a time.

    A product of all rows would be cut among BLAS's own threads, which wait for one another where
    buckets have threads of their own: slower by far than no threads at all.
    """
    whole = len(left) // ROWS_AT_ONCE * ROWS_AT_ONCE
    stacked = (-1, ROWS_AT_ONCE, left.shape[1])
    parts = left[:whole].reshape(stacked).transpose(0, 2, 1) @ right[:whole].reshape(stacked)
    rest: Floats = left[whole:].T @ right[whole:]
    total: Floats = rest + parts.sum(axis=0)
    return total


def _first_clicked(stratum: Codes, unit: Codes, day: Codes, n_days: int, flat_days: int) -> Codes:
    if not unit.size:
        return np.zeros(flat_days, np.int64)
    starts = np.flatnonzero(_is_start(unit))
    first = np.minimum.reduceat(day, starts)
    return np.bincount(stratum[unit[starts]] * n_days + first, minlength=flat_days)


def _crossover(keys: Keys, bits: Layout) -> Codes:
    """Units and units in several arms, by experiment; ``keys`` are the first of a unit and arm."""
    in_experiment = keys >> np.uint64(bits.payload - bits.experiment)
    starts = np.flatnonzero(_is_start(in_experiment))
    experiment = in_experiment[starts].view(np.int64) & ((1 << bits.experiment) - 1)
    is_crossing = np.diff(starts, append=keys.size) > 1
    size = 1 << bits.experiment
    return np.stack(
        [
            np.bincount(experiment, minlength=size),
            np.bincount(experiment[is_crossing], minlength=size),
        ]
    )
