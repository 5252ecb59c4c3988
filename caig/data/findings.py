"""What is wrong with a source, gathered while it is read, so that one message tells all of it."""

from collections.abc import Iterable, Mapping

import polars as pl

from caig.errors import DataError, Problem

SHOWN = 3


class Findings:
    """Problems of one source: by column and rule, with counts and the first rows of each."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}

    def add(
        self, column: str, rule: str, rows: Iterable[str], *, count: int, hint: str = ""
    ) -> None:
        """Add rows that break a rule; nothing if there are none.

        Args:
            column: Column the rule is about.
            rule: What is wrong.
            rows: The first offending rows, rendered; more than enough are not kept.
            count: Rows that break it.
            hint: What to do about it.
        """
        if not count:
            return
        before = self._problems.get((column, rule), Problem(column, rule, 0, (), hint))
        shown = (*before.rows, *rows)[:SHOWN]
        self._problems[column, rule] = Problem(
            column, rule, (before.count or 0) + count, shown, hint
        )

    def add_rows(
        self,
        column: str,
        rule: str,
        broken: pl.DataFrame,
        shown: Mapping[str, str],
        *,
        place: str,
        hint: str = "",
    ) -> None:
        """Add the rows of a frame.

        Args:
            column: Column the rule is about.
            rule: What is wrong.
            broken: Offending rows, with their number in column ``row``.
            shown: Columns to show of each, by the name to show them under.
            place: What stands before the number, e.g. ``clicks.csv line``.
            hint: What to do about it.
        """
        rows = (
            f"{place} {row['row']}: "
            + ", ".join(f"{name}={row[column]!r}" for name, column in shown.items())
            for row in broken.head(SHOWN).iter_rows(named=True)
        )
        self.add(column, rule, rows, count=broken.height, hint=hint)

    def refuse(self, source: str) -> None:
        """Raise if anything was found.

        Raises:
            DataError: With everything that was found.
        """
        if self._problems:
            raise DataError.from_problems(
                source, list(self._problems.values()), "nothing was written"
            )
