"""From a log to sums, in one pass: read in batches, convert, check every row, count.

Nothing is dropped in silence. A row that breaks a rule refuses the whole log, with the file, the
column, how many rows, and the first of them; or, if the user asks for it, is set aside, counted and
written out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.counting.counters import Counter as RowCounter
from abtest.counting.counters import UnitCounter
from abtest.counting.counts import UnitCounts
from abtest.counting.name_codes import RowCodes, RowNames
from abtest.counting.packed import HASHES, CannotPackError, CollisionError, PackedCounter
from abtest.counting.sums import Sums
from abtest.creatives.collecting import CreativeCollector
from abtest.reading.columns import looks_at_creatives, resolve_columns
from abtest.reading.row_checks import RowChecks
from abtest.reading.rows import NO_ZONE, Columns, Rule, canonical, is_clean, rules
from abtest.reading.sources import ROW, LogFile, batches
from caig.errors import DataError, Problem

SHOWN_ROWS = 3
SHOWN_PROBLEMS = 12
THINGS_AT_ONCE = 1_000_000
CODED_ROLES = {"experiment": "experiment_id", "arm": "arm", "category": "category"}
QUARANTINE = ("file", "row", "reason")


@dataclass(frozen=True)
class Ingested:
    """What a log holds.

    Attributes:
        sums: Its sums.
        things: Distinct creatives and products: columns ``experiment_id, arm, n_creatives,
            n_products`` (null where the log names none).
        columns: Which raw column plays which role.
        n_rows: Rows read.
        n_rows_quarantined: Rows set aside.
        n_rows_without_impressions: Rows of no impressions and no clicks, which count for nothing.
        quarantine: The rows set aside, as text, with file, row and reason; None if there are none.
        zones: Time zones found in the day column, with rows.
        recount: Reads the log again, for :attr:`counts`.
        creatives: Sums by creative, columns :data:`abtest.creatives.collecting.CREATIVE_SUMS`; None
            if not asked for.
        row_checks: ``health/1`` of checks of single rows; None if the log names nothing for them.
    """

    sums: Sums
    things: pl.DataFrame
    columns: Columns
    n_rows: int
    n_rows_quarantined: int
    n_rows_without_impressions: int
    quarantine: pl.DataFrame | None
    zones: dict[str, int]
    recount: Callable[[], UnitCounts]
    creatives: pl.DataFrame | None = None
    row_checks: pl.DataFrame | None = None

    @cached_property
    def counts(self) -> UnitCounts:
        """Counts by unit, category and day: a second pass over the log, and a lot of memory."""
        return self.recount()


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

    def counts() -> UnitCounts:
        counter = UnitCounter()
        _read(files, config, columns, counter, lambda _file, _rows: None, counts_only=True)
        return counter.counts()

    once = _Once(on_batch)
    for hashes in HASHES if "unit" in columns and config.design.randomisation == "unit" else ():
        names = RowNames()
        counter = PackedCounter(names, hashes=hashes)
        try:
            reading = _read(files, config, columns, counter, once.one_pass(), names=names)
            return reading.result(counts)
        except CollisionError:
            continue
        except CannotPackError:
            break
    return _read(files, config, columns, UnitCounter(), once.one_pass()).result(counts)


@dataclass
class _Once:
    """Hands every batch over once, though a log may have to be read twice."""

    on_batch: Callable[[LogFile, int], None]
    n_handed: int = 0

    def one_pass(self) -> Callable[[LogFile, int], None]:
        """What to call after every batch of one pass over the log."""
        number = count(1)

        def hand(file: LogFile, rows: int) -> None:
            if next(number) > self.n_handed:
                self.n_handed += 1
                self.on_batch(file, rows)

        return hand


def _read(
    files: Sequence[LogFile],
    config: LiftConfig,
    columns: Columns,
    counter: RowCounter,
    on_batch: Callable[[LogFile, int], None],
    *,
    counts_only: bool = False,
    names: RowNames | None = None,
) -> "_Reading":
    reading = _Reading(columns, config, rules(columns, config), counter, names)
    if not counts_only:
        reading.creatives = CreativeCollector() if looks_at_creatives(config) else None
        reading.row_checks = RowChecks(columns)
    watched = _absent_defaults(columns, config)
    for file in files:
        read = list(dict.fromkeys(columns.values()))
        if file.format == "ndjson":
            read += watched.keys() - set(read)
        for batch in batches(file, read, config.ingest.batch_rows):
            _refuse_late_columns(file, batch, watched)
            reading.add(file, batch)
            on_batch(file, batch.height)
        if not reading.rows_of[str(file.path)]:
            raise DataError(f"{file.path}: the file has no rows")
    return reading


@dataclass
class _Reading:
    """State of one pass over a log."""

    columns: Columns
    config: LiftConfig
    rules: list[Rule]
    counter: RowCounter
    names: RowNames | None
    things: list[pl.DataFrame] = field(default_factory=list)
    quarantined: list[pl.DataFrame] = field(default_factory=list)
    problems: dict[tuple[str, Rule], Problem] = field(default_factory=dict)
    rows_of: Counter[str] = field(default_factory=Counter)
    zones: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows_of_experiment: Counter[str] = field(default_factory=Counter)
    creatives: CreativeCollector | None = None
    row_checks: RowChecks | None = None
    n_bad: int = 0
    n_empty: int = 0

    def add(self, file: LogFile, batch: pl.DataFrame) -> None:
        self.rows_of[str(file.path)] += batch.height
        rows = canonical(batch, self.columns, self.config)
        if self.config.columns.arm == EACH_ROW:
            rows = self._with_numbered_arms(rows)
        codes = self._codes(rows)
        kept = self._checked(file, rows, is_coded=codes is not None)
        if kept.is_empty():
            if self.names is not None:
                self.names.forget_latest()
            return
        self._count_zones(file, kept)
        filled = kept
        if kept["_n"].min() == 0:
            filled = kept.filter((pl.col("_n") > 0) | (pl.col("_c") > 0))
        self.n_empty += kept.height - filled.height
        if filled is not rows and self.names is not None:
            self.names.forget_latest()
        self._count(filled, codes if filled is rows else None)

    def _codes(self, rows: pl.DataFrame) -> RowCodes | None:
        """Numbers of the rows' names, if the counter has use for them."""
        if self.names is None:
            return None
        named = rows.select(experiment_id="_experiment_id", arm="_arm", category="_category")
        return self.names.codes(named)

    def _count_zones(self, file: LogFile, rows: pl.DataFrame) -> None:
        """Rows by zone; times of a type have one zone."""
        if "day" not in self.columns:
            return
        if rows.schema[self.columns["day"]].is_temporal():
            self.zones[(str(file.path), rows["_zone"][0])] += rows.height
            return
        for zone, n_rows in rows.group_by("_zone").len().drop_nulls().iter_rows():
            self.zones[(str(file.path), zone)] += n_rows

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

    def _checked(self, file: LogFile, rows: pl.DataFrame, *, is_coded: bool) -> pl.DataFrame:
        known = {}
        if self.names is not None and is_coded:
            known = {role: self.names.of[column].names for role, column in CODED_ROLES.items()}
        if is_clean(rows, self.columns, self.config, known):
            return rows
        broken = [rule.broken.fill_null(value=False) for rule in self.rules]
        counts = rows.select(expr.sum().alias(str(i)) for i, expr in enumerate(broken)).row(0)
        if not any(counts):
            return rows
        for rule, expr, n_rows in zip(self.rules, broken, counts, strict=True):
            if n_rows:
                self._record(file, rule, rows.filter(expr).head(SHOWN_ROWS), n_rows)
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

    def _count(self, rows: pl.DataFrame, codes: RowCodes | None) -> None:
        canonical_rows = rows.select(
            experiment_id="_experiment_id",
            arm="_arm",
            unit_id="_unit_id",
            category="_category",
            day="_day",
            n=pl.col("_n").cast(pl.Int64),
            c=pl.col("_c").cast(pl.Int64),
        )
        self.counter.add(canonical_rows, codes)
        if self.row_checks is not None:
            self.row_checks.add(rows)
        if self.creatives is not None:
            named = rows.select(product_id="_product", creative_id="_creative")
            self.creatives.add(pl.concat([canonical_rows.drop("day"), named], how="horizontal"))
        if self.columns.keys() & {"creative", "product"}:
            new = rows.select("_experiment_id", "_arm", "_creative", "_product").unique()
            self.things.append(new)
            if sum(part.height for part in self.things) >= THINGS_AT_ONCE:
                self.things = [pl.concat(self.things).unique()]

    def result(self, recount: Callable[[], UnitCounts]) -> Ingested:
        if self.problems and self.config.ingest.bad_rows == "refuse":
            raise self._refusal()
        self._refuse_mixed_zones()
        n_rows = self.rows_of.total()
        if n_rows == self.n_bad + self.n_empty:
            raise DataError(
                f"no row is left: of {n_rows:,} rows {self.n_bad:,} were set aside and "
                f"{self.n_empty:,} have no impressions"
            )
        sums = self.counter.sums()
        return Ingested(
            sums=sums,
            things=_distinct(pl.concat(self.things)) if self.things else _no_things(sums),
            columns=self.columns,
            n_rows=n_rows,
            n_rows_quarantined=self.n_bad,
            n_rows_without_impressions=self.n_empty,
            quarantine=pl.concat(self.quarantined) if self.quarantined else None,
            zones=dict(sum((Counter({z: n}) for (_, z), n in self.zones.items()), Counter())),
            recount=recount,
            creatives=None if self.creatives is None else self.creatives.result(),
            row_checks=None
            if self.row_checks is None
            else self.row_checks.result(self.config.health),
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


def _absent_defaults(columns: Columns, config: LiftConfig) -> dict[str, str]:
    """Default columns that the log seems not to have, with their role."""
    stated = config.columns.model_fields_set
    return {
        name: role
        for role, name in config.columns.model_dump().items()
        if name and role not in columns and role not in stated
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


def _no_things(sums: Sums) -> pl.DataFrame:
    unknown = pl.lit(None, dtype=pl.Int64)
    arms = sums.daily.select("experiment_id", "arm").unique()
    return arms.with_columns(n_creatives=unknown, n_products=unknown)


def _distinct(things: pl.DataFrame) -> pl.DataFrame:
    def number(column: str) -> pl.Expr:
        distinct = pl.col(column).drop_nulls().n_unique().cast(pl.Int64)
        return pl.when(distinct > 0).then(distinct)

    return things.group_by(experiment_id="_experiment_id", arm="_arm").agg(
        n_creatives=number("_creative"), n_products=number("_product")
    )
