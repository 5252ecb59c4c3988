"""What makes sums of a log's rows, handed over batch by batch."""

from typing import Protocol

import polars as pl

from abtest.counting.counts import UnitCounts
from abtest.counting.name_codes import RowCodes
from abtest.counting.sums import Sums, sums_of

SUM_AT_ONCE = 4_000_000


class Counter(Protocol):
    """Counts rows of one impression or more.

    :class:`UnitCounter` takes whatever there is; :class:`abtest.counting.packed.PackedCounter` is
    some times faster where it can be used.
    """

    def add(self, rows: pl.DataFrame, codes: RowCodes | None = None) -> None:
        """Count rows: ``experiment_id, arm, unit_id, category`` (text), ``day``, ``n``, ``c``.

        Args:
            rows: The rows.
            codes: Numbers of their names, where they are known.
        """

    def sums(self) -> Sums:
        """Sums of all rows that were added; asked for once, at the end."""


class UnitCounter:
    """Holds the counts of every unit by category and day."""

    def __init__(self) -> None:
        """Count nothing so far."""
        self._pending: list[pl.DataFrame] = []
        self._parts: list[UnitCounts] = []

    def add(self, rows: pl.DataFrame, codes: RowCodes | None = None) -> None:
        """Count rows; numbers of their names are of no use."""
        del codes
        self._pending.append(rows)
        if sum(part.height for part in self._pending) >= SUM_AT_ONCE:
            self._sum_pending()

    def sums(self) -> Sums:
        """Sums of the counts."""
        return sums_of(self.counts())

    def counts(self) -> UnitCounts:
        """The counts themselves."""
        self._sum_pending()
        return UnitCounts.beside(self._parts)

    def _sum_pending(self) -> None:
        """Sum some millions of rows once; merging all sums again and again would take forever."""
        if self._pending:
            self._parts.append(UnitCounts.from_rows(pl.concat(self._pending)))
            self._pending = []
