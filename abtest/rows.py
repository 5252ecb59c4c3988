"""One batch of raw rows: converted to canonical columns, and checked rule by rule.

Conversion never raises and never guesses: a value that cannot be converted becomes null and breaks a rule,
and the rule knows the raw column, so that the message shows what the file holds.
"""

from dataclasses import dataclass

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.sources import ROW
from caig.contracts.experiments import ALL_CATEGORIES

Columns = dict[str, str]
"""Role (a field of :class:`abtest.config.Columns`) to the log's column; absent roles are left out."""

TEXT_ROLES = ("experiment", "arm", "unit", "category", "creative", "product")
NULL_TEXTS = ("null", "nan", "na", "n/a", "\\n")
"""What exports write for a null; as an arm or a unit they are taken for one, not for a name."""

DATE = r"^(\d{4}-\d{2}-\d{2}|\d{8})"
TIME = r"^\d{4}-\d{2}-\d{2}[T ](\d{2}:\d{2}(?::\d{2})?)"
OFFSET = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})$"
NO_ZONE = "no zone"


@dataclass(frozen=True)
class Rule:
    """One rule of the rows.

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


def canonical(
    batch: pl.DataFrame, columns: Columns, config: LiftConfig, file_index: int
) -> pl.DataFrame:
    """Add the canonical columns to raw rows.

    Args:
        batch: Raw rows with their number in ``ROW``.
        columns: Which raw column plays which role.
        config: Configuration.
        file_index: Position of the file in the log, for arms that are rows.

    Returns:
        ``batch`` with ``_experiment_id, _arm, _unit_id, _category, _creative, _product`` (text), ``_day``
        (date), ``_zone`` (text; null without a day), ``_n`` and ``_c`` (whole numbers as floats; null where
        the raw value is no number).
    """
    texts = {role: _text(columns.get(role)) for role in TEXT_ROLES}
    if config.columns.arm == EACH_ROW:
        row = pl.col(ROW).cast(pl.String).str.zfill(12)
        texts["arm"] = pl.format("{}:{}", pl.lit(f"{file_index:06d}"), row)
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
    return _with_day(converted, columns.get("day"), config.design.day_zone)


def rules(columns: Columns, config: LiftConfig) -> list[Rule]:
    """All rules of canonical rows, in the order in which they are reported."""
    found = []
    for role in TEXT_ROLES:
        column = columns.get(role)
        skipped = role == "unit" and config.design.randomisation == "impression"
        if column is None or skipped or (role == "arm" and config.columns.arm == EACH_ROW):
            continue
        value = pl.col(f"_{_canonical_name(role)}")
        found.append(Rule(column, f"{role} is missing", value.is_null() | (value == ""), (column,)))
        if role in ("arm", "unit"):
            written_null = value.str.to_lowercase().is_in(list(NULL_TEXTS))
            found.append(Rule(column, f"{role} is a null written as text", written_null, (column,)))
    if "category" in columns:
        name = columns["category"]
        reserved = pl.col("_category") == ALL_CATEGORIES
        found.append(
            Rule(name, f"{ALL_CATEGORIES} is reserved for the overall row", reserved, (name,))
        )
    if "day" in columns:
        name = columns["day"]
        wrong = "day is missing or no date like 2026-03-31, 20260331 or 2026-03-31T14:05:00+00:00"
        found.append(Rule(name, wrong, pl.col("_day").is_null(), (name,)))
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
        wrong = "more than one click in a row that is one impression; if rows are sums, name columns.impressions"
        rule = Rule(clicks, wrong, exceeds, (clicks,))
    return [*found, rule]


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
        )
    ]


def _text(column: str | None) -> pl.Expr:
    return pl.lit(None, dtype=pl.String) if column is None else pl.col(column).cast(pl.String)


def _number(batch: pl.DataFrame, column: str) -> pl.Expr:
    """A count as float: exact up to 2^53, and NaN, infinity and fractions survive to be reported."""
    value = pl.col(column)
    if batch.schema[column] != pl.String:
        return value.cast(pl.Float64, strict=False)
    lowered = value.str.strip_chars().str.to_lowercase()
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
    day_text = written.str.extract(DATE)
    is_compact = (written.str.len_chars() == 8) & (day_text.str.len_chars() == 8)
    is_plain = written.str.len_chars() == 10
    clock = written.str.extract(TIME)
    clock = pl.when(clock.str.len_chars() == 5).then(clock + ":00").otherwise(clock)
    offset = written.str.extract(OFFSET).str.replace("Z", "+00:00").str.replace(":", "")
    local = pl.concat_str(day_text, pl.lit(" "), clock).str.to_datetime(
        "%Y-%m-%d %H:%M:%S", strict=False
    )
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = sign * (
        offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
        + offset.str.slice(3, 2).cast(pl.Int64, strict=False)
    )
    utc = (local - pl.duration(minutes=minutes)).dt.replace_time_zone("UTC")
    zoned_day = utc.dt.convert_time_zone(day_zone).dt.date()
    day = (
        pl.when(is_compact)
        .then(day_text.str.to_date("%Y%m%d", strict=False))
        .when(is_plain)
        .then(day_text.str.to_date("%Y-%m-%d", strict=False))
        .when(clock.is_not_null() & offset.is_not_null())
        .then(zoned_day)
        .otherwise(local.dt.date())
    )
    zone = (
        pl.when(offset.is_null())
        .then(pl.lit(NO_ZONE))
        .otherwise(offset.str.slice(0, 3) + ":" + offset.str.slice(3))
    )
    return batch.with_columns(_day=day).with_columns(
        _zone=pl.when(pl.col("_day").is_not_null()).then(zone)
    )
