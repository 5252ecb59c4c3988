"""Sums over units of products of two labels' counts, from tables of units by labels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from abtest.counting.packed_keys import Codes

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.floating]
"""Whole numbers, by unit and label."""

UNITS_AT_ONCE = 128
"""A product over more would be cut among BLAS's own threads, which wait for one another where other
threads work as well: slower by far than no threads at all."""
MOST_IN_FLOAT32 = 362
"""Sums of :data:`UNITS_AT_ONCE` products of such numbers are below 2^24 and exact in 32 bits."""
MOST_DENSE_LABELS = 100


class Counts(NamedTuple):
    """Counts of units by some label.

    Attributes:
        shown: Impressions.
        clickers: Units with a click, in order.
        clicked: Clicks of these.
    """

    shown: Table
    clickers: Codes
    clicked: Table


def table_of(counts: Codes | Floats, shape: tuple[int, int], cells: Codes | None = None) -> Table:
    """A table of numbers as short as their products are exact in.

    Args:
        counts: Whole numbers.
        shape: Of the table.
        cells: Which cells of the table they are, counted row by row; None if all.
    """
    dtype = np.float32 if counts.max(initial=0) <= MOST_IN_FLOAT32 else np.float64
    table: Table = np.zeros(shape, dtype)
    table.ravel()[slice(None) if cells is None else cells] = counts
    return table


def products_by_stratum(counts: Counts, borders: Codes) -> Iterator[tuple[int, Floats]]:
    """Units, nn, nc and cc of every two labels, shape (4, labels, labels), of strata that occur.

    Args:
        counts: Of units, stratum by stratum.
        borders: Where every stratum's units begin, and the end of the last.
    """
    multiply = _multiply if counts.shown.shape[1] <= MOST_DENSE_LABELS else _multiply_sparse
    with_click = np.searchsorted(counts.clickers, borders)
    for stratum in map(int, np.flatnonzero(np.diff(borders))):
        x = counts.shown[borders[stratum] : borders[stratum + 1]]
        clickers = slice(*with_click[stratum : stratum + 2])
        y, z = counts.shown[counts.clickers[clickers]], counts.clicked[clickers]
        seen = (x > 0).astype(np.float32)
        pairs = ((seen, seen), (x, x), (y, z), (z, z))
        yield stratum, np.stack([multiply(left, right) for left, right in pairs])


def _multiply(left: Table, right: Table) -> Floats:
    whole = len(left) // UNITS_AT_ONCE * UNITS_AT_ONCE
    stacked = (-1, UNITS_AT_ONCE, left.shape[1])
    parts = left[:whole].reshape(stacked).transpose(0, 2, 1) @ right[:whole].reshape(stacked)
    rest = left[whole:].T @ right[whole:]
    total: Floats = parts.sum(axis=0, dtype=np.float64) + rest
    return total


def _multiply_sparse(left: Table, right: Table) -> Floats:
    """The same of so many labels that most of a table are zeros."""
    first, second = (csr_array(table.astype(np.float64)) for table in (left, right))
    product: Floats = (first.T @ second).toarray()
    return product
