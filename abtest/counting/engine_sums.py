"""The sums of a log that lies in another engine: polars, DuckDB, Spark, or what Ibis speaks to.

One set of narwhals expressions is run lazily by the engine that holds the rows. Only sums come
back, so a log larger than this machine can be analysed; the sums equal those of
:func:`abtest.counting.sums.sums_of`. Text is compared byte by byte, as these engines do by default.

This module needs narwhals; :mod:`abtest.counting.engines` opens tables and says what is missing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals as nw
import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.counting.sums import MOST_LABELS, SCHEMAS, Sums
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError, Problem

Lazy = nw.LazyFrame[Any]

NAME_ROLES = ("experiment", "arm", "unit", "category")
COUNT_ROLES = ("clicks", "impressions")
THINGS = {"creative": "n_creatives", "product": "n_products"}
NULL_TEXTS = ("null", "nan", "na", "n/a", "\\n")
UNIT = ["experiment_id", "arm", "unit_id"]


class EngineSums(NamedTuple):
    """What an engine counted.

    Attributes:
        sums: Sums of the log.
        things: Distinct creatives and products: columns ``experiment_id, arm, n_creatives,
            n_products`` (null where the log names none).
        columns: Role to the table's column, of those that are there.
        n_rows: Rows of the table.
        n_rows_without_impressions: Rows of no impressions and no clicks, which count for nothing.
    """

    sums: Sums
    things: pl.DataFrame
    columns: dict[str, str]
    n_rows: int
    n_rows_without_impressions: int


def engine_sums(frame: Any, config: LiftConfig, *, source: str) -> EngineSums:
    """Check and sum a table where it lies.

    Args:
        frame: A polars frame, DuckDB relation, Spark DataFrame, Ibis table, or anything else that
            narwhals takes.
        config: Columns and design.
        source: Name of the table, for messages.

    Raises:
        DataError: A needed column is missing or of a type that engines convert differently, or rows
            break a rule.
    """
    table = nw.from_native(frame).lazy()
    columns = _resolved(table, config, source)
    rows = _canonical(table, columns, config)
    n_rows, n_empty = _check(rows, columns, source)
    rows = rows.filter(nw.col("n") > 0)
    labels: list[str] = [role for role in ("category", "day") if role in columns]
    cells = _summed(rows, [*UNIT, *labels])
    daily = [_daily(cells, [], labels)]
    if "category" in labels:
        daily.append(_daily(cells, ["category"], labels))
    has_units = "unit" in columns and config.design.randomisation == "unit"
    parts = {
        name: SCHEMAS[name].to_frame()
        for name in ("by_category", "by_day", "first_seen", "crossover")
    }
    if has_units:
        parts |= {f"by_{label}": _products(cells, label) for label in labels}
        parts |= {"first_seen": _first_seen(cells, labels), "crossover": _crossover(cells)}
    sums = Sums(daily=_as(pl.concat(daily), "daily"), **parts)
    return EngineSums(sums, _things(rows, columns), columns, n_rows, n_empty)


def _resolved(table: Lazy, config: LiftConfig, source: str) -> dict[str, str]:
    schema = table.collect_schema()
    stated = config.columns.model_fields_set
    if config.columns.arm == EACH_ROW:
        raise DataError(f"{source}: columns.arm = '{EACH_ROW}' needs a file, whose rows have order")
    columns, missing = {}, []
    for role, name in config.columns.model_dump().items():
        if name and name in schema:
            columns[role] = name
        elif name and (
            role in (*stated, "arm", "clicks")
            or (role == "unit" and config.design.randomisation == "unit")
        ):
            missing.append(name)
    if missing:
        raise DataError.from_missing_columns(source, missing, list(schema))
    if config.design.randomisation == "unit" and "unit" not in columns:
        raise DataError(f"{source}: units were randomised, but columns.unit is empty")
    if config.design.randomisation == "impression":
        columns.pop("unit", None)
    problems = [
        Problem(f"column {name}", f"has type {schema[name]}; {wanted}; cast it in a view")
        for role, name in columns.items()
        if (wanted := _unfit(role, schema[name]))
    ]
    if problems:
        raise DataError.from_problems(source, problems)
    return columns


def _unfit(role: str, dtype: nw.dtypes.DType) -> str:
    """What the role needs, if the type does not have it; types that engines cast alike are few."""
    if role in (*NAME_ROLES, *THINGS):
        fits = dtype.is_integer() or dtype in (nw.String, nw.Categorical, nw.Enum)
        return "" if fits else f"{role} must be text or a whole number"
    if role in COUNT_ROLES:
        fits = dtype.is_integer() or dtype == nw.Boolean
        return "" if fits else f"{role} must be a whole number"
    is_local = dtype == nw.Datetime and getattr(dtype, "time_zone", None) is None
    return "" if dtype == nw.Date or is_local else "day must be a date, or a time without a zone"


def _canonical(table: Lazy, columns: dict[str, str], config: LiftConfig) -> Lazy:
    def text(role: str, absent: str) -> nw.Expr:
        return nw.col(columns[role]).cast(nw.String) if role in columns else nw.lit(absent)

    chosen = {
        "experiment_id": text("experiment", "experiment"),
        "arm": text("arm", ""),
        # Without units all traffic is one, whose sums of squares nobody asks for.
        "unit_id": text("unit", "all"),
        "c": nw.col(columns["clicks"]).cast(nw.Int64),
        "n": nw.lit(1)
        if "impressions" not in columns
        else nw.col(columns["impressions"]).cast(nw.Int64),
    }
    if "category" in columns:
        chosen["category"] = text("category", "")
    if "day" in columns:
        chosen["day"] = nw.col(columns["day"]).cast(nw.Date)
    chosen |= {role: text(role, "") for role in THINGS if role in columns}
    return table.select(**chosen)


def _check(rows: Lazy, columns: dict[str, str], source: str) -> tuple[int, int]:
    """Count the rows that break each rule, in one pass; refuse if there are any."""
    rules: list[tuple[str, str, nw.Expr]] = []
    canonical = {"experiment": "experiment_id", "unit": "unit_id"}
    for role in (*NAME_ROLES, *THINGS):
        if role not in columns:
            continue
        value = nw.col(canonical.get(role, role))
        blank = value.is_null() | (value.str.strip_chars() == "")
        rules.append((columns[role], f"{role} is missing", blank))
        if role in ("arm", "unit"):
            lowered = value.str.strip_chars().str.to_lowercase()
            wrong = f"{role} is a null written as text"
            rules.append((columns[role], wrong, lowered.is_in(list(NULL_TEXTS))))
    if "category" in columns:
        reserved = nw.col("category") == ALL_CATEGORIES
        wrong = f"{ALL_CATEGORIES} is reserved for the overall row"
        rules.append((columns["category"], wrong, reserved))
    if "day" in columns:
        rules.append((columns["day"], "day is missing", nw.col("day").is_null()))
    for role, short in (("impressions", "n"), ("clicks", "c")):
        if role in columns:
            rules.append((columns[role], "is missing", nw.col(short).is_null()))
            rules.append((columns[role], "is negative", nw.col(short) < 0))
    both = ", ".join(columns[role] for role in COUNT_ROLES if role in columns)
    wrong = (
        "more clicks than impressions"
        if "impressions" in columns
        else "more than one click in a row that is one impression; if rows are sums, name "
        "columns.impressions"
    )
    rules.append((both, wrong, nw.col("c") > nw.col("n")))
    empty = nw.col("n") == 0
    conditions = [*(broken for _, _, broken in rules), empty]
    counted = rows.select(
        n_rows=nw.len(),
        **{f"rule_{i}": _count(condition) for i, condition in enumerate(conditions)},
    )
    n_rows, *broken = (int(value or 0) for value in _collected(counted).row(0))
    if n_rows == 0:
        raise DataError(f"{source}: the table has no rows")
    problems = [
        Problem(f"column {column}", wrong, count)
        for (column, wrong, _), count in zip(rules, broken, strict=False)
        if count
    ]
    if problems:
        raise DataError.from_problems(
            source, problems, "Nothing was written. Leave such rows out in a view, or correct them"
        )
    if broken[-1] == n_rows:
        raise DataError(f"{source}: none of its {n_rows:,} rows has an impression")
    return n_rows, broken[-1]


def _count(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).sum().cast(nw.Int64)


def _summed(rows: Lazy, key: Sequence[str]) -> Lazy:
    """Impressions and clicks by key, as floats, which are exact and which all engines multiply."""
    return rows.group_by(*key).agg(
        nw.col("n").sum().cast(nw.Float64), nw.col("c").sum().cast(nw.Float64)
    )


def _daily(cells: Lazy, extra: list[str], labels: list[str]) -> pl.DataFrame:
    """Increments by day of the moments of units' cumulated counts, by key."""
    key = ["experiment_id", "arm", *extra]
    day = ["day"] if "day" in labels else []
    rows = _summed(cells, [*key, "unit_id", *day])
    n, c = nw.col("n"), nw.col("c")
    if day:
        rows = rows.with_columns(
            n_sum=n.cum_sum().over(*key, "unit_id", order_by="day"),
            c_sum=c.cum_sum().over(*key, "unit_id", order_by="day"),
        )
    else:
        rows = rows.with_columns(n_sum=n, c_sum=c)
    n_sum, c_sum = nw.col("n_sum"), nw.col("c_sum")
    n_before, c_before = n_sum - n, c_sum - c
    parts = rows.with_columns(
        first=nw.when(n_before == 0).then(nw.lit(1)).otherwise(nw.lit(0)),
        clicked=nw.when((c_before == 0) & (c > 0)).then(nw.lit(1)).otherwise(nw.lit(0)),
        nn=n_sum * n_sum - n_before * n_before,
        cc=c_sum * c_sum - c_before * c_before,
        nc=n_sum * c_sum - n_before * c_before,
    )
    sums = parts.group_by(*key, *day).agg(
        nw.col("first").sum().cast(nw.Int64).alias("units"),
        nw.col("clicked").sum().cast(nw.Int64).alias("clicking_units"),
        *(nw.col(name).sum() for name in ("n", "c", "nn", "cc", "nc")),
    )
    found = _collected(sums)
    absent = {"category": ALL_CATEGORIES, "day": None}
    filled = [pl.lit(value).alias(name) for name, value in absent.items() if name not in found]
    schema = SCHEMAS["daily"]
    return found.with_columns(filled).select(pl.col(name).cast(t) for name, t in schema.items())


def _products(cells: Lazy, label: str) -> pl.DataFrame:
    per_experiment = _collected(
        cells.select("experiment_id", label)
        .unique()
        .group_by("experiment_id")
        .agg(nw.len().alias("labels"))
    )
    few = per_experiment.filter(pl.col("labels") <= MOST_LABELS)["experiment_id"]
    if few.is_empty():
        return SCHEMAS[f"by_{label}"].to_frame()
    if few.len() < per_experiment.height:
        cells = cells.filter(nw.col("experiment_id").is_in(few.to_list()))
    sums = _summed(cells, [*UNIT, label])
    other = sums.rename({label: "other", "n": "n_other", "c": "c_other"})
    n, c, n_other, c_other = (nw.col(name) for name in ("n", "c", "n_other", "c_other"))
    pairs = (
        sums.join(other, on=UNIT, how="inner")
        .filter(nw.col(label) <= nw.col("other"))
        .with_columns(nn=n * n_other, nc=n * c_other, cn=c * n_other, cc=c * c_other)
        .group_by("experiment_id", "arm", label, "other")
        .agg(nw.len().alias("units"), *(nw.col(name).sum() for name in ("nn", "nc", "cn", "cc")))
    )
    return _as(_collected(pairs).rename({label: "label"}), f"by_{label}")


def _first_seen(cells: Lazy, labels: list[str]) -> pl.DataFrame:
    rows = cells
    if "day" in labels:
        first = cells.group_by(*UNIT).agg(nw.col("day").min())
        rows = cells.join(first, on=[*UNIT, "day"], how="inner")
    chosen = [nw.col(label).min() for label in labels]
    one = rows.group_by(*UNIT).agg(*chosen) if chosen else rows.select(*UNIT).unique()
    counted = one.group_by("experiment_id", "arm", *labels).agg(nw.len().alias("units"))
    found = _collected(counted)
    absent = [pl.lit(None).alias(name) for name in ("category", "day") if name not in labels]
    return _as(found.with_columns(absent), "first_seen")


def _crossover(cells: Lazy) -> pl.DataFrame:
    arms = cells.select(*UNIT).unique().group_by("experiment_id", "unit_id")
    crosses = nw.when(nw.col("arms") > 1).then(nw.lit(1)).otherwise(nw.lit(0))
    by_unit = arms.agg(nw.len().alias("arms")).with_columns(crosses=crosses)
    counted = by_unit.group_by("experiment_id").agg(
        nw.len().alias("units"), nw.col("crosses").sum().cast(nw.Int64).alias("crossing")
    )
    return _as(_collected(counted), "crossover")


def _things(rows: Lazy, columns: dict[str, str]) -> pl.DataFrame:
    named = {role: name for role, name in THINGS.items() if role in columns}
    unique = [nw.col(role).n_unique().alias(name) for role, name in named.items()]
    counted = rows.group_by("experiment_id", "arm").agg(nw.len().alias("n_rows"), *unique)
    absent = [pl.lit(None).alias(name) for role, name in THINGS.items() if role not in columns]
    found = _collected(counted).with_columns(absent).sort("experiment_id", "arm")
    return found.select("experiment_id", "arm", pl.col(*THINGS.values()).cast(pl.Int64))


def _as(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The columns and order of a frame of sums."""
    schema = SCHEMAS[name]
    values = {"units", "crossing", "clicking_units", "n", "c", "nn", "cc", "nc", "cn"}
    keys = [column for column in schema if column not in values]
    if name == "daily":
        keys = ["experiment_id", "category", "arm", "day"]
    return frame.select(pl.col(column).cast(t) for column, t in schema.items()).sort(keys)


def _collected(lazy: Lazy) -> pl.DataFrame:
    collected: pl.DataFrame = lazy.collect("polars").to_native()
    return collected
