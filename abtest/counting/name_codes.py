"""Numbers for the names in columns, the same in all batches, and cheaper than categoricals.

As long as names are few, a row's number is looked up by a hash in a table in which every name has a
place of its own. That a row does have the name so found is checked by comparing the texts, so that
no number rests on a hash.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

ShortCodes = npt.NDArray[np.uint32]
RowCodes = Mapping[str, ShortCodes]
"""Numbers of the names of rows, by column."""

NAMED = ("experiment_id", "arm", "category")
MOST_NAMES = 1 << 18
FEW = 3
MOST_IN_TABLE = 1_000
LEAST_TABLE_BITS = 12
MOST_SEEDS = 100


class RowNames:
    """Numbers of the experiments, arms and categories of rows.

    Attributes:
        of: Names and numbers, by column.
    """

    def __init__(self) -> None:
        """Know no name."""
        self.of = {column: NameCodes() for column in NAMED}
        self._before = dict.fromkeys(NAMED, 0)

    def codes(self, rows: pl.DataFrame) -> RowCodes | None:
        """Numbers of rows, 0 in a column of nulls.

        None if only some of a column are null, or more than :data:`MOST_NAMES` are known.

        Args:
            rows: Has columns :data:`NAMED`, as text.
        """
        self._before = {column: names.names.len() for column, names in self.of.items()}
        codes = {}
        for column, names in self.of.items():
            n_nulls = rows[column].null_count()
            if n_nulls not in (0, rows.height) or names.names.len() > MOST_NAMES:
                return None
            codes[column] = (
                np.zeros(rows.height, np.uint32) if n_nulls else names.codes(rows[column])
            )
        return codes

    def forget_latest(self) -> None:
        """Forget names that came with the latest rows, as not all of those are counted."""
        for column, names in self.of.items():
            names.forget(self._before[column])


class NameCodes:
    """Numbers of the names in one column, from 0 in the order in which they turn up.

    Attributes:
        names: By number.
    """

    def __init__(self) -> None:
        """Know no name."""
        self.names = pl.Series(dtype=pl.String)
        self._table: ShortCodes | None = None
        self._seed = 0

    def codes(self, column: pl.Series) -> ShortCodes:
        """Numbers of the names in a column of texts without nulls; new names get the next."""
        found = self._known(column)
        if found is None:
            distinct = column.unique(maintain_order=True)
            new = distinct.filter(~distinct.is_in(self.names.implode()))
            self.names = pl.concat([self.names, new]).rechunk()
            self._fill_table()
            found = self._known(column)
            assert found is not None
        return found

    def forget(self, number: int) -> None:
        """Know the first ``number`` names only."""
        if self.names.len() > number:
            self.names = self.names.head(number)
            self._fill_table()

    def _known(self, column: pl.Series) -> ShortCodes | None:
        """Numbers of the names; None if there are new ones."""
        if self.names.len() <= FEW:
            return self._compared(column)
        if self._table is None:
            number = pl.int_range(self.names.len(), dtype=pl.UInt32, eager=True)
            found = column.replace_strict(self.names, number, default=None, return_dtype=pl.UInt32)
            return None if found.null_count() else found.to_numpy()
        codes = self._table[self._places(column)]
        return codes if (self.names.gather(pl.Series(codes)) == column).all() else None

    def _compared(self, column: pl.Series) -> ShortCodes | None:
        """Numbers of few names: it is fastest to compare with each of them."""
        codes = np.zeros(column.len(), np.uint32)
        is_known = np.zeros(column.len(), np.bool_)
        for number, name in enumerate(self.names):
            is_name = (column == name).to_numpy()
            is_known |= is_name
            if number:
                codes += is_name * np.uint32(number)
        return codes if is_known.all() else None

    def _places(self, names: pl.Series) -> npt.NDArray[np.int64]:
        assert self._table is not None
        bits = self._table.size.bit_length() - 1
        return (names.hash(self._seed).to_numpy() >> np.uint64(64 - bits)).view(np.int64)

    def _fill_table(self) -> None:
        """A table in which every name has a place of its own; None if there are too many."""
        n_names = self.names.len()
        if n_names <= MOST_IN_TABLE:
            # Of n names in n^2 places all have one of their own with a probability of 0.6.
            self._table = np.zeros(1 << max(LEAST_TABLE_BITS, 2 * n_names.bit_length()), np.uint32)
            for self._seed in range(MOST_SEEDS):
                places = self._places(self.names)
                if np.unique(places).size == n_names:
                    self._table[places] = np.arange(n_names)
                    return
        self._table = None
