"""One batch of raw rows: converted to canonical columns, and checked rule by rule.

Conversion never raises and never guesses: a value that cannot be converted becomes null and breaks
a rule, and the rule knows the raw column, so that the message shows what the file holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import Problem

Columns = dict[str, str]
"""Role (a field of :class:`abtest.config.Columns`) to the log's column; absent roles are left out.
"""

TEXT_ROLES = ("experiment", "arm", "unit", "category", "creative", "product")
COUNT_ROLES = ("clicks", "impressions")
NULL_TEXTS = ("null", "nan", "na", "n/a", "\\n")
"""What exports write for a null; as an arm or a unit they are taken for one, not for a name."""

CANONICAL = (
    *("_experiment_id", "_arm", "_unit_id", "_category", "_creative", "_product"),
    *("_day", "_zone", "_n", "_c", "_written", "_impression", "_assigned"),
)
"""Columns that :func:`canonical` adds, ``_written`` only while it works, the last two only if the
log names them."""

DAY = r"^(\d{4}-\d{2}-\d{2})"
CLOCK = r"[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?"
OFFSET = r"\s*(Z|UTC|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)?"
WRITTEN_DAY = f"{DAY}(?:{CLOCK}{OFFSET})?$"
LIKE_A_DAY = "2026-03-31, 20260331 or 2026-03-31T14:05:00+00:00"
NO_ZONE = "no zone"
EXACT_BELOW = 2**53
"""From here on a float cannot tell a whole number from the next."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of the rows; equal to itself only, as expressions cannot be compared.

    Attributes:
        column: The raw column, or columns, it is about.
        wrong: What is wrong when it is broken, in words.
        broken: True on an offending row.
        shown: Raw columns that show the offence.
    """

    column: str
    wrong: str
    broken: pl.Expr
    shown: tuple[str, ...]


def type_problems(types: Mapping[str, pl.DataType], columns: Columns) -> list[Problem]:
    """Columns whose type cannot hold what their role needs.

    Args:
        types: Columns of a file with their types.
        columns: Which raw column plays which role.
    """
    problems = []
    for role, column in columns.items():
        dtype = types[column]
        if role in (*TEXT_ROLES, "impression"):
            fits, wanted = dtype.is_numeric() or dtype == pl.Boolean, "names"
        elif role in COUNT_ROLES:
            fits, wanted = dtype.is_numeric() or dtype == pl.Boolean, "counts"
        else:
            fits = dtype.is_integer() or isinstance(dtype, (pl.Date, pl.Datetime))
            wanted = "days or times"
        if not fits and not isinstance(dtype, (pl.String, pl.Categorical, pl.Enum, pl.Null)):
            problems.append(
                Problem(f"column {column}", f"has type {dtype}; {role} must hold {wanted}")
            )
    return problems


def canonical(batch: pl.DataFrame, columns: Columns, config: LiftConfig) -> pl.DataFrame:
    """Add the canonical columns to raw rows.

    Args:
        batch: Raw rows.
        columns: Which raw column plays which role.
        config: Configuration.

    Returns:
        ``batch`` with ``_experiment_id, _arm, _unit_id, _category, _creative, _product`` (text; the
        arm is null where every row is one), ``_day`` (date), ``_zone`` (text; null without a day),
        ``_n`` and ``_c`` (whole numbers as floats; null where the raw value is no number); and
        ``_impression`` (text) and ``_assigned`` (date), each only if the log names it.
    """
    texts = {role: _text(batch, columns.get(role)) for role in TEXT_ROLES}
    if "experiment" not in columns:
        texts["experiment"] = pl.lit("experiment")
    if config.design.randomisation == "impression":
        texts["unit"] = pl.lit(None, dtype=pl.String)
    impressions = columns.get("impressions")
    converted = batch.with_columns(
        _experiment_id=texts["experiment"],
        _arm=texts["arm"],
        _unit_id=texts["unit"],
        _category=texts["category"],
        _creative=texts["creative"],
        _product=texts["product"],
        _c=_number(batch, columns["clicks"]),
        _n=_number(batch, impressions) if impressions else pl.lit(1.0),
    )
    day_zone = config.design.day_zone
    if "impression" in columns:
        converted = converted.with_columns(_impression=_text(batch, columns["impression"]))
    if "assigned" in columns:
        assigned = _with_day(converted, columns["assigned"], day_zone)
        converted = assigned.rename({"_day": "_assigned"}).drop("_zone")
    return _with_day(converted, columns.get("day"), day_zone)


def rules(columns: Columns, config: LiftConfig) -> list[Rule]:
    """All rules of canonical rows, in the order in which they are reported."""
    found = []
    for role in TEXT_ROLES:
        column = columns.get(role)
        skipped = role == "unit" and config.design.randomisation == "impression"
        if column is None or skipped or (role == "arm" and config.columns.arm == EACH_ROW):
            continue
        value = pl.col(f"_{_canonical_name(role)}")
        missing = value.is_null() | (value.str.strip_chars() == "")
        found.append(Rule(column, f"{role} is missing", missing, (column,)))
        if role in ("arm", "unit"):
            written_null = value.str.strip_chars().str.to_lowercase().is_in(list(NULL_TEXTS))
            found.append(Rule(column, f"{role} is a null written as text", written_null, (column,)))
    if "category" in columns:
        name = columns["category"]
        reserved = pl.col("_category") == ALL_CATEGORIES
        found.append(
            Rule(name, f"{ALL_CATEGORIES} is reserved for the overall row", reserved, (name,))
        )
    if "day" in columns:
        name = columns["day"]
        wrong = f"day is missing or no date like {LIKE_A_DAY}"
        found.append(Rule(name, wrong, pl.col("_day").is_null(), (name,)))
    if "assigned" in columns:
        name = columns["assigned"]
        is_written = pl.col(name).cast(pl.String).str.strip_chars() != ""
        unread = pl.col("_assigned").is_null() & is_written
        found.append(Rule(name, f"assigned is no date like {LIKE_A_DAY}", unread, (name,)))
    for role, value in (("impressions", pl.col("_n")), ("clicks", pl.col("_c"))):
        if role in columns:
            found += _count_rules(columns[role], value)
    clicks, impressions = columns["clicks"], columns.get("impressions")
    exceeds = pl.col("_c").is_finite() & pl.col("_n").is_finite() & (pl.col("_c") > pl.col("_n"))
    if impressions:
        rule = Rule(
            f"{clicks}, {impressions}",
            "more clicks than impressions",
            exceeds,
            (clicks, impressions),
        )
    else:
        wrong = (
            "more than one click in a row that is one impression; "
            "if rows are sums, name columns.impressions"
        )
        rule = Rule(clicks, wrong, exceeds, (clicks,))
    return [*found, rule]


def is_clean(
    rows: pl.DataFrame,
    columns: Columns,
    config: LiftConfig,
    known: Mapping[str, pl.Series] | None = None,
) -> bool:
    """Whether a glance at smallest and largest values tells that no row breaks a rule.

    It costs a tenth of the rules themselves. False says nothing: the rules must be asked.

    Args:
        rows: Rows that :func:`canonical` made.
        columns: Which raw column plays which role.
        config: Configuration.
        known: Names by role, if all that the rows have are among them; looked at in place of rows.
    """
    if "day" in columns and rows["_day"].null_count():
        return False
    if "assigned" in columns and (
        rows["_assigned"].null_count() > rows[columns["assigned"]].null_count()
    ):
        return False
    if not all(
        _is_clean_count(rows[name], rows.schema[columns[role]])
        for role, name in (("impressions", "_n"), ("clicks", "_c"))
        if role in columns
    ):
        return False
    n, c = rows["_n"], rows["_c"]
    if (c > n).any() if "impressions" in columns else c.max() > 1:  # type: ignore[operator]
        return False
    named = {role: rows[f"_{_canonical_name(role)}"] for role in TEXT_ROLES if role in columns}
    if config.design.randomisation == "impression":
        named.pop("unit", None)
    if any(values.null_count() for values in named.values()):
        return False
    return all(
        _is_clean_name(
            (known or named).get(role, values),
            is_number=rows.schema[columns[role]].is_integer(),
            role=role,
        )
        for role, values in named.items()
    )


def _is_clean_count(value: pl.Series, raw: pl.DataType) -> bool:
    if value.null_count() or value.is_empty():
        return False
    if not (raw.is_integer() or raw == pl.Boolean) and not (
        value.is_finite().all() and (value == value.floor()).all()
    ):
        return False
    return bool(value.min() >= 0 and value.max() < EXACT_BELOW)  # type: ignore[operator]


def _is_clean_name(value: pl.Series, *, is_number: bool, role: str) -> bool:
    if is_number:
        return True
    first, last = str(value.min()), str(value.max())
    # Between these lies no text that is empty, or begins with white space of any script.
    if first < "!" or last >= "\x80":
        return False
    if role == "category" and first <= ALL_CATEGORIES <= last:
        return not (value == ALL_CATEGORIES).any()
    if role not in ("arm", "unit"):
        return True
    # Nulls written as text begin with one of these; white space may follow them.
    return not any(
        first[:1] <= letter <= last[:1] and value.str.starts_with(letter).any()
        for letter in ("n", "N", "\\")
    )


def _canonical_name(role: str) -> str:
    return {"experiment": "experiment_id", "unit": "unit_id"}.get(role, role)


def _count_rules(column: str, value: pl.Expr) -> list[Rule]:
    finite = value.is_finite()
    return [
        Rule(column, wrong, broken, (column,))
        for wrong, broken in (
            ("is missing or not a number", value.is_null()),
            ("is NaN or infinite", ~finite),
            ("is negative", finite & (value < 0)),
            ("is not a whole number", finite & (value != value.floor())),
            ("is too large to be counted exactly", finite & (value >= EXACT_BELOW)),
        )
    ]


def _text(batch: pl.DataFrame, column: str | None) -> pl.Expr:
    if column is None:
        return pl.lit(None, dtype=pl.String)
    value = pl.col(column)
    if batch.schema[column].is_float():
        value = value.fill_nan(None)  # how pandas writes a missing number
    return value.cast(pl.String)


def _number(batch: pl.DataFrame, column: str) -> pl.Expr:
    """A count as float, in which NaN, infinity and fractions survive to be reported."""
    value = pl.col(column)
    if batch.schema[column].is_numeric() or batch.schema[column] == pl.Boolean:
        return value.cast(pl.Float64, strict=False)
    lowered = value.cast(pl.String).str.strip_chars().str.to_lowercase()
    as_flag = lowered.replace_strict({"true": "1", "false": "0"}, default=lowered)
    return as_flag.cast(pl.Float64, strict=False)


def _with_day(batch: pl.DataFrame, column: str | None, day_zone: str) -> pl.DataFrame:
    if column is None:
        return batch.with_columns(
            _day=pl.lit(None, dtype=pl.Date), _zone=pl.lit(None, dtype=pl.String)
        )
    dtype = batch.schema[column]
    value = pl.col(column)
    if dtype == pl.Date:
        return batch.with_columns(_day=value, _zone=pl.lit(NO_ZONE))
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return batch.with_columns(_day=value.dt.date(), _zone=pl.lit(NO_ZONE))
        local = value.dt.convert_time_zone(day_zone)
        return batch.with_columns(_day=local.dt.date(), _zone=pl.lit(dtype.time_zone))
    return _with_parsed_day(batch, value.cast(pl.String).str.strip_chars(), day_zone)


def _with_parsed_day(batch: pl.DataFrame, written: pl.Expr, day_zone: str) -> pl.DataFrame:
    """Parse every distinct text once: a log has few days, and its times repeat across rows."""
    distinct = batch.select(written=written.unique())
    parsed = distinct.with_columns(_parsed_day(distinct["written"], day_zone))
    keyed = batch.with_columns(_written=written).join(
        parsed, left_on="_written", right_on="written", how="left", maintain_order="left"
    )
    return keyed.drop("_written")


def _parsed_day(written: pl.Series, day_zone: str) -> list[pl.Series]:
    parts = written.str.extract_groups(WRITTEN_DAY).struct.unnest()
    parts.columns = ["day", "clock", "offset"]
    offset = pl.col("offset").str.replace("Z|UTC", "+0000").str.replace(":", "").str.pad_end(5, "0")
    is_short = pl.col("clock").str.len_chars() == 5
    parts = parts.with_columns(
        offset=offset,
        local=pl.concat_str(
            "day",
            pl.lit(" "),
            "clock",
            pl.when(is_short).then(pl.lit(":00")).otherwise(pl.lit("")),
        ).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False),
        compact=written.str.extract(r"^(\d{8})$"),
    )
    offset, local = pl.col("offset"), pl.col("local")
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    hours, minutes = (offset.str.slice(start, 2).cast(pl.Int64, strict=False) for start in (1, 3))
    utc = (local - pl.duration(minutes=sign * (hours * 60 + minutes))).dt.replace_time_zone("UTC")
    plain = pl.coalesce(
        pl.col("day").str.to_date("%Y-%m-%d", strict=False),
        pl.col("compact").str.to_date("%Y%m%d", strict=False),
    )
    day = (
        pl.when(pl.col("clock").is_null())
        .then(plain)
        .when(offset.is_not_null())
        .then(utc.dt.convert_time_zone(day_zone).dt.date())
        .otherwise(local.dt.date())
    )
    zone = (
        pl.when(offset.is_null())
        .then(pl.lit(NO_ZONE))
        .otherwise(offset.str.slice(0, 3) + ":" + offset.str.slice(3))
    )
    found = parts.select(_day=day, _zone=pl.when(day.is_not_null()).then(zone))
    return found.get_columns()
