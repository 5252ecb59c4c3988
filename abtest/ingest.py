"""From a log to counts, in one pass: read in batches, convert, check every row, sum.

Nothing is dropped in silence. A row that breaks a rule refuses the whole log, with the file, the column, how
many rows, and the first of them; or, if the user asks for it, is set aside, counted and written out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.counts import UnitCounts
from abtest.rows import NO_ZONE, Columns, Rule, canonical, rules
from abtest.sources import ROW, LogFile, batches, column_names
from caig.errors import DataError, Problem

SHOWN_ROWS = 3
SHOWN_PROBLEMS = 12
COMPACT_ABOVE = 4_000_000
LOOKS_LIKE_IMPRESSIONS = ("n_impressions", "impressions", "imps", "impression", "views", "shown")
REQUIRED_ROLES = ("arm", "clicks")


@dataclass(frozen=True)
class Ingested:
    """What a log holds.

    Attributes:
        counts: Its counts.
        things: Distinct creatives and products: columns ``experiment_id, arm, n_creatives, n_products``
            (null where the log names none).
        columns: Which raw column plays which role.
        n_rows: Rows read.
        n_rows_quarantined: Rows set aside.
        n_rows_without_impressions: Rows of no impressions and no clicks, which count for nothing.
        quarantine: The rows set aside, as text, with file, row and reason; None if there are none.
        zones: Time zones found in the day column, with rows.
    """

    counts: UnitCounts
    things: pl.DataFrame
    columns: Columns
    n_rows: int
    n_rows_quarantined: int
    n_rows_without_impressions: int
    quarantine: pl.DataFrame | None
    zones: dict[str, int]


def resolve_columns(files: Sequence[LogFile], config: LiftConfig) -> Columns:
    """Which raw column plays which role, the same in every file.

    Raises:
        DataError: A needed or stated column is missing, files differ, or the log seems to hold sums that
            the configuration does not name.
    """
    first, *others = [(file, _resolved(file, config)) for file in files]
    for file, columns in others:
        if columns != first[1]:
            only = sorted(set(columns.items()) ^ set(first[1].items()))
            named = ", ".join(f"{column} ({role})" for role, column in only)
            raise DataError(
                f"{file.path}: its columns differ from those of {first[0].path}: {named}"
            )
    return first[1]


def ingest(
    files: Sequence[LogFile],
    config: LiftConfig,
    on_batch: Callable[[LogFile, int], None] = lambda _file, _rows: None,
) -> Ingested:
    """Read a log.

    Args:
        files: Its files.
        config: Columns, design and what to do with bad rows.
        on_batch: Called after every batch with the file and the batch's rows, for progress.

    Raises:
        DataError: A file cannot be read, or rows break rules.
    """
    columns = resolve_columns(files, config)
    reading = _Reading(columns, config, rules(columns, config))
    for index, file in enumerate(files):
        for batch in batches(file, list(dict.fromkeys(columns.values())), config.ingest.batch_rows):
            reading.add(file, index, batch)
            on_batch(file, batch.height)
        if not reading.rows_of[str(file.path)]:
            raise DataError(f"{file.path}: the file has no rows")
    return reading.result()


@dataclass
class _Reading:
    """State of one pass over a log."""

    columns: Columns
    config: LiftConfig
    rules: list[Rule]
    parts: list[pl.DataFrame] = field(default_factory=list)
    things: list[pl.DataFrame] = field(default_factory=list)
    quarantined: list[pl.DataFrame] = field(default_factory=list)
    problems: dict[tuple[str, Rule], Problem] = field(default_factory=dict)
    rows_of: Counter[str] = field(default_factory=Counter)
    zones: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_empty: int = 0

    def add(self, file: LogFile, file_index: int, batch: pl.DataFrame) -> None:
        self.rows_of[str(file.path)] += batch.height
        rows = canonical(batch, self.columns, self.config, file_index)
        rows = self._checked(file, rows)
        for zone, count in rows.group_by("_zone").len().iter_rows():
            if zone is not None:
                self.zones[(str(file.path), zone)] += count
        is_empty = (pl.col("_n") == 0) & (pl.col("_c") == 0)
        filled = rows.filter(~is_empty)
        self.n_empty += rows.height - filled.height
        self._count(filled)

    def _checked(self, file: LogFile, rows: pl.DataFrame) -> pl.DataFrame:
        broken = [rule.broken.fill_null(value=False) for rule in self.rules]
        counts = rows.select(expr.sum().alias(str(i)) for i, expr in enumerate(broken)).row(0)
        if not any(counts):
            return rows
        for rule, expr, count in zip(self.rules, broken, counts, strict=True):
            if count:
                self._record(file, rule, rows.filter(expr).head(SHOWN_ROWS), count)
        is_bad = pl.any_horizontal(broken)
        raw = dict.fromkeys(self.columns.values())
        reasons = [
            pl.when(expr).then(pl.lit(f"{rule.column}: {rule.wrong}"))
            for rule, expr in zip(self.rules, broken, strict=True)
        ]
        self.quarantined.append(
            rows.filter(is_bad).select(
                file=pl.lit(str(file.path)),
                row=pl.col(ROW).cast(pl.Int64),
                reason=pl.concat_str(reasons, separator="; ", ignore_nulls=True),
                **{name: pl.col(name).cast(pl.String) for name in raw},
            )
        )
        return rows.filter(~is_bad)

    def _record(self, file: LogFile, rule: Rule, first: pl.DataFrame, count: int) -> None:
        shown = tuple(
            f"row {row[ROW]}: " + ", ".join(f"{name}={row[name]!r}" for name in rule.shown)
            for row in first.iter_rows(named=True)
        )
        key = (str(file.path), rule)
        before = self.problems.get(key)
        if before is not None:
            shown, count = before.rows or shown, (before.count or 0) + count
        self.problems[key] = Problem(f"column {rule.column}", rule.wrong, count, shown)

    def _count(self, rows: pl.DataFrame) -> None:
        canonical_rows = rows.select(
            experiment_id="_experiment_id",
            arm="_arm",
            unit_id="_unit_id",
            category="_category",
            day="_day",
            n=pl.col("_n").cast(pl.Int64),
            c=pl.col("_c").cast(pl.Int64),
        )
        self.parts.append(UnitCounts.from_rows(canonical_rows).cells)
        self.things.append(rows.select("_experiment_id", "_arm", "_creative", "_product").unique())
        if sum(part.height for part in self.parts[1:]) > COMPACT_ABOVE:
            self.parts = [self._merged().cells]
            self.things = [pl.concat(self.things).unique()]

    def _merged(self) -> UnitCounts:
        return UnitCounts.merge(UnitCounts(part) for part in self.parts)

    def result(self) -> Ingested:
        if self.problems and self.config.ingest.bad_rows == "refuse":
            raise self._refusal()
        self._refuse_mixed_zones()
        counts = self._merged()
        things = pl.concat(self.things)
        if self.config.columns.arm == EACH_ROW:
            counts, things = _numbered_arms(counts, things)
        quarantine = pl.concat(self.quarantined) if self.quarantined else None
        n_rows = self.rows_of.total()
        n_bad = 0 if quarantine is None else quarantine.height
        if n_rows == n_bad + self.n_empty:
            raise DataError(f"no row is left: {n_bad:,} of {n_rows:,} were set aside")
        return Ingested(
            counts=counts,
            things=_distinct(things),
            columns=self.columns,
            n_rows=n_rows,
            n_rows_quarantined=n_bad,
            n_rows_without_impressions=self.n_empty,
            quarantine=quarantine,
            zones=dict(sum((Counter({z: n}) for (_, z), n in self.zones.items()), Counter())),
        )

    def _refusal(self) -> DataError:
        n_bad, n_rows = sum(part.height for part in self.quarantined), self.rows_of.total()
        listed = [
            Problem(f"{path}: {problem.column}", problem.rule, problem.count, problem.rows)
            for (path, _), problem in self.problems.items()
        ]
        more = len(listed) - SHOWN_PROBLEMS
        hint = f"... and {more} more problem(s)\n" if more > 0 else ""
        return DataError.from_problems(
            f"{n_bad:,} of {n_rows:,} rows cannot be right; nothing was written",
            listed[:SHOWN_PROBLEMS],
            hint
            + "Rows are counted from 1, without a header. To set such rows aside, written out and "
            "counted: --set ingest.bad_rows=quarantine",
        )

    def _refuse_mixed_zones(self) -> None:
        names = {zone for _, zone in self.zones}
        convertible = NO_ZONE not in names and self.config.ingest.mixed_time_zones == "convert"
        if len(names) <= 1 or convertible:
            return
        listed = tuple(f"{path}: {zone} in {n:,} rows" for (path, zone), n in self.zones.items())
        advice = (
            "times without a zone cannot be placed beside times with one; write one zone throughout"
            if NO_ZONE in names
            else "to convert them all to design.day_zone: --set ingest.mixed_time_zones=convert"
        )
        problem = Problem(
            f"column {self.columns['day']}", "mixed time zones", None, listed[:8], advice
        )
        raise DataError.from_problems("the log", [problem])


def _resolved(file: LogFile, config: LiftConfig) -> Columns:
    found = column_names(file)
    wanted = config.columns.model_dump()
    stated = config.columns.model_fields_set
    columns: Columns = {}
    missing = []
    for role, name in wanted.items():
        if not name or (role == "arm" and name == EACH_ROW):
            continue
        if name in found:
            columns[role] = name
        elif role in stated or role in REQUIRED_ROLES:
            missing.append((role, name))
    if config.design.randomisation == "unit" and "unit" not in columns and wanted["unit"]:
        missing.append(("unit", wanted["unit"]))
    if missing:
        roles = ", ".join(f"columns.{role}" for role, _ in dict(missing).items())
        hint = f"set the right name, e.g. --set {roles.split(', ')[0]}=NAME"
        if "unit" in dict(missing):
            hint += '; a log without units needs --set design.randomisation="impression"'
        names = dict.fromkeys(name for _, name in missing)
        raise DataError.from_missing_columns(str(file.path), names, found, hint)
    _refuse_unnamed(file, config, columns, found)
    return columns


def _refuse_unnamed(file: LogFile, config: LiftConfig, columns: Columns, found: list[str]) -> None:
    if config.design.randomisation == "unit" and "unit" not in columns:
        raise DataError(
            f"{file.path}: units were randomised, but columns.unit is empty; name the unit's column, or "
            'say --set design.randomisation="impression"'
        )
    if "impressions" in columns or "impressions" in config.columns.model_fields_set:
        return
    suspects = [name for name in found if name.lower() in LOOKS_LIKE_IMPRESSIONS]
    if suspects:
        raise DataError(
            f"{file.path}: column '{suspects[0]}' looks like impressions, but columns.impressions does not "
            f"name it. Rows that are sums: --set columns.impressions={suspects[0]}. "
            "Rows that are one impression each: --set columns.impressions=''"
        )


def _numbered_arms(counts: UnitCounts, things: pl.DataFrame) -> tuple[UnitCounts, pl.DataFrame]:
    """Replace file:row by 1, 2, ... within the experiment."""
    arms = counts.cells.select("experiment_id", "arm").unique()
    numbered = arms.with_columns(
        number=pl.col("arm").rank("ordinal").over("experiment_id").cast(pl.String)
    )
    key = ["experiment_id", "arm"]
    cells = counts.cells.join(numbered, on=key).with_columns(arm="number").drop("number")
    renamed = things.join(numbered, left_on=["_experiment_id", "_arm"], right_on=key).with_columns(
        _arm="number"
    )
    return UnitCounts.from_rows(cells), renamed.drop("number")


def _distinct(things: pl.DataFrame) -> pl.DataFrame:
    def number(column: str) -> pl.Expr:
        distinct = pl.col(column).drop_nulls().n_unique().cast(pl.Int64)
        return pl.when(distinct > 0).then(distinct)

    return things.group_by(experiment_id="_experiment_id", arm="_arm").agg(
        n_creatives=number("_creative"), n_products=number("_product")
    )
