"""What a table contract is, and the check that every table passes when written and when read.

A contract is columns with dtypes, units and ranges, a key, and invariants between columns. The
check reports every broken rule at once, with counts and first rows, because a table that is half
right is the one that ends up in a decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from caig.errors import DataError, Problem

SHOWN_ROWS = 3


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Attributes:
        name: Column name.
        dtype: Polars data type.
        meaning: What it holds, with its unit.
        nullable: True where "unknown" is a legal answer. NaN never is: unknown is null.
        allowed: The closed set of texts, or None for any.
        lower: Smallest legal value, or None.
        upper: Largest legal value, or None.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    nullable: bool = False
    allowed: tuple[str, ...] | None = None
    lower: float | None = None
    upper: float | None = None

    def violations(self) -> list[tuple[str, pl.Expr]]:
        """Rules of this column as (what is wrong, expression that is true on an offending row)."""
        value = pl.col(self.name)
        rules: list[tuple[str, pl.Expr]] = []
        if not self.nullable:
            rules.append(("is null", value.is_null()))
        if self.dtype in (pl.Float32, pl.Float64):
            rules.append(("is NaN or infinite", ~value.is_finite()))
            value = pl.when(value.is_finite()).then(value)  # NaN is not also out of range
        if self.allowed is not None:
            rules.append((f"is none of {', '.join(self.allowed)}", ~value.is_in(self.allowed)))
        if self.lower is not None:
            rules.append((f"is below {self.lower:g}", value < self.lower))
        if self.upper is not None:
            rules.append((f"is above {self.upper:g}", value > self.upper))
        return rules


@dataclass(frozen=True)
class Invariant:
    """A rule between columns, as an expression that must not be false on any row."""

    rule: str
    holds: pl.Expr


@dataclass(frozen=True)
class TableContract:
    """A versioned table format; stored as Parquet and named ``name/version`` in a manifest.

    Attributes:
        name: Format name, also the artifact's default name.
        version: Major version. A reader refuses a major it does not know.
        summary: One sentence: what one row is.
        columns: All columns, in order; no others are allowed.
        key: Columns that together identify a row; empty if rows have no identity.
        invariants: Rules between columns.
    """

    name: str
    version: int
    summary: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    invariants: tuple[Invariant, ...] = ()

    @property
    def identifier(self) -> str:
        """``name/version``, e.g. ``lift_table/1``."""
        return f"{self.name}/{self.version}"

    @cached_property
    def schema(self) -> pl.Schema:
        """Column names and dtypes, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def empty(self) -> pl.DataFrame:
        """A table of this format with no rows."""
        return pl.DataFrame(schema=self.schema)


def estimate_columns(
    name: str, meaning: str, lower: float | None = None, upper: float | None = None
) -> tuple[Column, ...]:
    """Columns of an estimate and its interval, all null where the estimate cannot be made.

    Args:
        name: Of the estimate; the limits are ``<name>_ci_lower`` and ``<name>_ci_upper``.
        meaning: What it is, with its unit.
        lower: Smallest value it and its limits can have.
        upper: Largest.
    """
    return (
        Column(name, pl.Float64, meaning, nullable=True, lower=lower, upper=upper),
        Column(
            f"{name}_ci_lower",
            pl.Float64,
            "Lower interval limit.",
            nullable=True,
            lower=lower,
            upper=upper,
        ),
        Column(
            f"{name}_ci_upper",
            pl.Float64,
            "Upper interval limit; null with a known lower limit means unbounded.",
            nullable=True,
            lower=lower,
            upper=upper,
        ),
    )


def check(frame: pl.DataFrame, contract: TableContract, *, source: str = "") -> pl.DataFrame:
    """Return ``frame`` with the contract's column order, or say everything that is wrong with it.

    Args:
        frame: The table.
        contract: The format it must have.
        source: Name for messages, e.g. a file path; the contract's identifier by default.

    Raises:
        DataError: Columns are missing, superfluous or of another dtype, the key repeats, or a rule
            is broken.
    """
    source = source or contract.identifier
    _check_schema(frame, contract, source)
    problems = _rule_problems(frame, contract) + _key_problems(frame, contract.key)
    if problems:
        raise DataError.from_problems(source, problems, f"format {contract.identifier}")
    return frame.select(contract.schema.names())


def _check_schema(frame: pl.DataFrame, contract: TableContract, source: str) -> None:
    missing = [name for name in contract.schema.names() if name not in frame.columns]
    if missing:
        raise DataError.from_missing_columns(
            source, missing, frame.columns, f"format {contract.identifier}"
        )
    problems = [
        Problem(name, f"is no column of {contract.identifier}")
        for name in frame.columns
        if name not in contract.schema
    ]
    problems += [
        Problem(name, f"has dtype {frame.schema[name]}, must be {dtype}")
        for name, dtype in contract.schema.items()
        if frame.schema[name] != dtype
    ]
    if problems:
        raise DataError.from_problems(source, problems, f"format {contract.identifier}")


def _rule_problems(frame: pl.DataFrame, contract: TableContract) -> list[Problem]:
    rules = [(c.name, wrong, expr) for c in contract.columns for wrong, expr in c.violations()]
    rules += [("row", f"breaks '{i.rule}'", ~i.holds) for i in contract.invariants]
    # A comparison with null is null: neither broken nor kept; nulls have their own rule.
    counts = frame.select(
        expr.fill_null(value=False).sum().alias(str(index))
        for index, (_, _, expr) in enumerate(rules)
    ).row(0)
    problems = []
    for (column, wrong, expr), count in zip(rules, counts, strict=True):
        if count:
            shown = (*contract.key, *expr.meta.root_names()) if column == "row" else (column,)
            rows = _rendered(frame, expr, tuple(dict.fromkeys(shown)))
            problems.append(Problem(column, wrong, count, rows))
    return problems


def _key_problems(frame: pl.DataFrame, key: Sequence[str]) -> list[Problem]:
    if not key:
        return []
    repeats = frame.height - frame.select(key).n_unique()
    if not repeats:
        return []
    repeated = pl.struct(key).is_duplicated()
    return [Problem(", ".join(key), "key repeats", repeats, _rendered(frame, repeated, tuple(key)))]


def _rendered(frame: pl.DataFrame, broken: pl.Expr, columns: tuple[str, ...]) -> tuple[str, ...]:
    first = (
        frame.with_row_index("row")
        .filter(broken.fill_null(value=False))
        .head(SHOWN_ROWS)
        .select("row", *columns)
    )
    return tuple(
        f"row {row['row']}: " + ", ".join(f"{name}={row[name]!r}" for name in columns)
        for row in first.iter_rows(named=True)
    )
