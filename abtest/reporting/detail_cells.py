"""Cells of the report's further tables: from a row to the text that stands in a column.

Each function makes a cell of one kind; every figure goes through :mod:`caig.text`, so that figures
read alike everywhere.
"""

from collections.abc import Callable
from typing import Any

from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

Row = dict[str, Any]
Cell = Callable[[Row], str]


def name(column: str) -> Cell:
    """A name from the log; the overall row is called so."""
    return lambda row: "Overall" if row[column] == ALL_CATEGORIES else str(row[column])


def words(column: str) -> Cell:
    """A text of ours, its underscores as spaces."""
    return lambda row: text.UNKNOWN if row[column] is None else str(row[column]).replace("_", " ")


def lift(column: str) -> Cell:
    """A relative lift."""
    return lambda row: text.lift(row[column])


def interval(column: str) -> Cell:
    """The interval of a relative lift."""
    return lambda row: text.interval(row[f"{column}_ci_lower"], row[f"{column}_ci_upper"])


def limits(lower: str, upper: str) -> Cell:
    """Two limits of a relative lift that are columns of their own."""
    return lambda row: text.interval(row[lower], row[upper])


def p_value(column: str) -> Cell:
    """A p-value."""
    return lambda row: text.p_value(row[column])


def share(column: str) -> Cell:
    """A fraction, in percent."""
    return lambda row: text.percent(row[column])


def ctr(column: str) -> Cell:
    """A click-through rate."""
    return lambda row: text.ctr(row[column])


def count(column: str) -> Cell:
    """A count."""
    return lambda row: text.count(row[column])


def number(column: str, decimals: int = 2) -> Cell:
    """A plain figure."""
    return lambda row: text.UNKNOWN if row[column] is None else f"{row[column]:.{decimals}f}"


def yes(column: str) -> Cell:
    """Yes, no, or not known."""
    return lambda row: text.UNKNOWN if row[column] is None else "yes" if row[column] else "no"
