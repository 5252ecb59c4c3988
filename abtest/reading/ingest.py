"""From a log to counts, in one pass: read in batches, convert, check every row, sum.

Nothing is dropped in silence. A row that breaks a rule refuses the whole log, with the file, the
column, how many rows, and the first of them; or, if the user asks for it, is set aside, counted and
written out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.sums import Sums, sums_of
from abtest.reading.rows import CANONICAL, NO_ZONE, Columns, Rule, canonical, rules, type_problems
from abtest.reading.sources import REPEATED, ROW, LogFile, batches, column_types
from caig.errors import DataError, Problem

SHOWN_ROWS = 3
SHOWN_PROBLEMS = 12
SUM_AT_ONCE = 4_000_000
LOOKS_LIKE_IMPRESSIONS = ("n_impressions", "impressions", "imps", "impression", "views", "shown")
QUARANTINE = ("file", "row", "reason")
REQUIRED_ROLES = ("arm", "clicks")


@dataclass(frozen=True)
class Ingested:
    """What a log holds.

    Attributes:
        counts: Its counts.
        things: Distinct creatives and products: columns ``experiment_id, arm, n_creatives,
            n_products`` (null where the log names none).
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

    @cached_property
    def sums(self) -> Sums:
        """Sums of the counts."""
        return sums_of(self.counts)


def resolve_columns(files: Sequence[LogFile], config: LiftConfig) -> Columns:
    """Which raw column plays which role, the same in every file.

    Raises:
        DataError: A needed or stated column is missing, occurs twice or is of a wrong type, files
            differ, or the log seems to hold sums that the configuration does not name.
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
    watched = _absent_defaults(columns, config)
    for file in files:
        names = list(dict.fromkeys(columns.values()))
        if file.format == "ndjson":
            names += watched.keys() - set(names)
        for batch in batches(file, names, config.ingest.batch_rows):
            _refuse_late_columns(file, batch, watched)
            reading.add(file, batch)
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
    pending: list[pl.DataFrame] = field(default_factory=list)
    parts: list[UnitCounts] = field(default_factory=list)
    things: list[pl.DataFrame] = field(default_factory=list)
    quarantined: list[pl.DataFrame] = field(default_factory=list)
    problems: dict[tuple[str, Rule], Problem] = field(default_factory=dict)
    rows_of: Counter[str] = field(default_factory=Counter)
    zones: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows_of_experiment: Counter[str] = field(default_factory=Counter)
    n_bad: int = 0
    n_empty: int = 0

    def add(self, file: LogFile, batch: pl.DataFrame) -> None:
        self.rows_of[str(file.path)] += batch.height
        rows = canonical(batch, self.columns, self.config)
        if self.config.columns.arm == EACH_ROW:
            rows = self._with_numbered_arms(rows)
        rows = self._checked(file, rows)
        for zone, count in rows.group_by("_zone").len().iter_rows():
            if zone is not None:
                self.zones[(str(file.path), zone)] += count
        is_empty = (pl.col("_n") == 0) & (pl.col("_c") == 0)
        filled = rows.filter(~is_empty)
        self.n_empty += rows.height - filled.height
        self._count(filled)

    def _with_numbered_arms(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Number an experiment's rows through the log; a row that is set aside keeps its number."""
        experiment = pl.col("_experiment_id")
        before = experiment.replace_strict(
            dict(self.rows_of_experiment), default=0, return_dtype=pl.Int64
        )
        number = before + pl.int_range(1, pl.len() + 1).over(experiment)
        lengths = rows.group_by("_experiment_id").len().drop_nulls()
        numbered = rows.with_columns(_arm=number.cast(pl.String))
        self.rows_of_experiment.update(dict(lengths.iter_rows()))
        return numbered

    def _checked(self, file: LogFile, rows: pl.DataFrame) -> pl.DataFrame:
        broken = [rule.broken.fill_null(value=False) for rule in self.rules]
        counts = rows.select(expr.sum().alias(str(i)) for i, expr in enumerate(broken)).row(0)
        if not any(counts):
            return rows
        for rule, expr, count in zip(self.rules, broken, counts, strict=True):
            if count:
                self._record(file, rule, rows.filter(expr).head(SHOWN_ROWS), count)
        is_bad = pl.any_horizontal(broken)
        bad = rows.filter(is_bad)
        self.n_bad += bad.height
        if self.config.ingest.bad_rows == "quarantine":
            self.quarantined.append(self._set_aside(file, bad, broken))
        return rows.filter(~is_bad)

    def _set_aside(self, file: LogFile, bad: pl.DataFrame, broken: list[pl.Expr]) -> pl.DataFrame:
        reasons = [
            pl.when(expr).then(pl.lit(f"{rule.column}: {rule.wrong}"))
            for rule, expr in zip(self.rules, broken, strict=True)
        ]
        raw = [
            pl.col(name).cast(pl.String).alias(f"{name} (log)" if name in QUARANTINE else name)
            for name in dict.fromkeys(self.columns.values())
        ]
        return bad.select(
            pl.lit(str(file.path)).alias("file"),
            pl.col(ROW).cast(pl.Int64).alias("row"),
            pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason"),
            *raw,
        )

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
        self.pending.append(canonical_rows)
        self.things.append(rows.select("_experiment_id", "_arm", "_creative", "_product").unique())
        if sum(part.height for part in self.pending) >= SUM_AT_ONCE:
            self._sum_pending()

    def _sum_pending(self) -> None:
        """Sum some millions of rows once; merging all sums again and again would take forever."""
        if self.pending:
            self.parts.append(UnitCounts.from_rows(pl.concat(self.pending)))
            self.things = [pl.concat(self.things).unique()]
            self.pending = []

    def result(self) -> Ingested:
        if self.problems and self.config.ingest.bad_rows == "refuse":
            raise self._refusal()
        self._refuse_mixed_zones()
        self._sum_pending()
        counts = UnitCounts.beside(self.parts)
        things = pl.concat(self.things)
        n_rows = self.rows_of.total()
        if n_rows == self.n_bad + self.n_empty:
            raise DataError(
                f"no row is left: of {n_rows:,} rows {self.n_bad:,} were set aside and "
                f"{self.n_empty:,} have no impressions"
            )
        return Ingested(
            counts=counts,
            things=_distinct(things),
            columns=self.columns,
            n_rows=n_rows,
            n_rows_quarantined=self.n_bad,
            n_rows_without_impressions=self.n_empty,
            quarantine=pl.concat(self.quarantined) if self.quarantined else None,
            zones=dict(sum((Counter({z: n}) for (_, z), n in self.zones.items()), Counter())),
        )

    def _refusal(self) -> DataError:
        listed = [
            Problem(f"{path}: {problem.column}", problem.rule, problem.count, problem.rows)
            for (path, _), problem in self.problems.items()
        ]
        more = len(listed) - SHOWN_PROBLEMS
        hint = f"... and {more} more problem(s)\n" if more > 0 else ""
        return DataError.from_problems(
            f"{self.n_bad:,} of {self.rows_of.total():,} rows cannot be right; nothing was written",
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
    types = column_types(file)
    found = list(types)
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
    _refuse_unusable(file, columns, types)
    return columns


def _refuse_unnamed(file: LogFile, config: LiftConfig, columns: Columns, found: list[str]) -> None:
    if config.design.randomisation == "unit" and "unit" not in columns:
        raise DataError(
            f"{file.path}: units were randomised, but columns.unit is empty; name the unit's "
            'column, or say --set design.randomisation="impression"'
        )
    if "impressions" in columns or "impressions" in config.columns.model_fields_set:
        return
    suspects = [name for name in found if name.lower() in LOOKS_LIKE_IMPRESSIONS]
    if suspects:
        raise DataError(
            f"{file.path}: column '{suspects[0]}' looks like impressions, but columns.impressions "
            f"does not name it. Rows that are sums: --set columns.impressions={suspects[0]}. "
            "Rows that are one impression each: --set columns.impressions=''"
        )


def _refuse_unusable(file: LogFile, columns: Columns, types: dict[str, pl.DataType]) -> None:
    problems = type_problems(types, columns)
    for name in dict.fromkeys(columns.values()):
        if REPEATED.format(name) in types:
            problems.append(Problem(f"column {name}", "occurs twice in the header"))
        if name in (*CANONICAL, ROW):
            problems.append(Problem(f"column {name}", "has a name kept for our own; rename it"))
    if problems:
        raise DataError.from_problems(str(file.path), problems)


def _absent_defaults(columns: Columns, config: LiftConfig) -> dict[str, str]:
    """Default columns that the log seems not to have, with their role."""
    stated = config.columns.model_fields_set
    return {
        name: role
        for role, name in config.columns.model_dump().items()
        if role not in columns and role not in stated
    }


def _refuse_late_columns(file: LogFile, batch: pl.DataFrame, watched: dict[str, str]) -> None:
    """NDJSON may begin to name a column after the rows in which columns are looked for."""
    for name in watched.keys() & set(batch.columns):
        late = batch.filter(pl.col(name).is_not_null())
        if not late.is_empty():
            raise DataError(
                f"{file.path}: column '{name}' is absent at first and appears in row "
                f"{late[ROW][0]:,}; name it in every row from the start, null where unknown, or "
                f"leave it out: --set columns.{watched[name]}=''"
            )


def _distinct(things: pl.DataFrame) -> pl.DataFrame:
    def number(column: str) -> pl.Expr:
        distinct = pl.col(column).drop_nulls().n_unique().cast(pl.Int64)
        return pl.when(distinct > 0).then(distinct)

    return things.group_by(experiment_id="_experiment_id", arm="_arm").agg(
        n_creatives=number("_creative"), n_products=number("_product")
    )
