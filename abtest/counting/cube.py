"""The cube: counts by day, bucket of units, arm and category; kept, added up and asked again.

Units fall into 1,024 buckets by their name, a bucket in one arm being a sum of many independent
units. Variances between buckets estimate the same as variances between units, less precisely: of
the ratio of the two standard errors see docs/simulation.md. In exchange a cube has no unit in it,
is a few megabytes whatever the log's size, and an analysis of any days takes milliseconds.

What a cube cannot say: how many units an experiment had, since a unit of two days counts on each.
So sample ratios by unit, units in two arms and figures per unit need the log.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np
import polars as pl

from abtest.counting.counts import UnitCounts
from abtest.counting.sums import SCHEMAS, Sums, sums_of
from caig.contracts.cubes import CUBE, N_BUCKETS
from caig.errors import DataError

CELL = ["experiment_id", "day", "bucket", "arm", "category"]
COUNTS = ["n_impressions", "n_clicks", "n_units"]


def bucket_of(units: pl.Series) -> pl.Series:
    """Buckets of units: the first 8 hex digits of the md5 of the UTF-8 text, modulo 1024.

    Every engine has md5, and it mixes names that count up; engines' own hash functions differ, so
    cubes made with them could not be added up. In SQL of DuckDB:
    ``('0x' || substr(md5(unit), 1, 8))::UINTEGER % 1024``; of Spark:
    ``conv(substring(md5(unit), 1, 8), 16, 10) % 1024``.

    Args:
        units: Texts, best each once: a digest takes about a microsecond.

    Returns:
        Int32, 0 to 1023; null where the unit is.
    """
    known = units.drop_nulls().cast(pl.String)
    digests = b"".join(hashlib.md5(name.encode()).digest()[:4] for name in known.to_list())
    buckets = (np.frombuffer(digests, dtype=">u4") % N_BUCKETS).astype(np.int32)
    spread = pl.Series(units.name, [None], dtype=pl.Int32).new_from_index(0, units.len())
    return spread.scatter(units.is_not_null().arg_true(), buckets)


def cube_of(counts: UnitCounts) -> pl.DataFrame:
    """``cube/1`` of counts by unit.

    Raises:
        DataError: The log names no unit, day or category.
    """
    cells = counts.cells
    for name in ("unit_id", "day", "category"):
        if cells[name].null_count():
            raise DataError(
                f"a cube needs unit, day and category; this log has rows without {name}"
            )
    names = cells.select("unit_id").unique()
    buckets = names.with_columns(bucket=bucket_of(names["unit_id"]))
    cube = (
        cells.join(buckets, on="unit_id")
        .group_by(CELL)
        .agg(
            n_impressions=pl.col("n").sum(),
            n_clicks=pl.col("c").sum(),
            n_units=pl.col("unit_id").n_unique().cast(pl.Int64),
        )
    )
    texts = pl.col("experiment_id", "arm", "category").cast(pl.String)
    return cube.with_columns(texts).select(CUBE.schema.names()).sort(CELL)


def merge_cubes(parts: Iterable[pl.DataFrame], *, of_same_days: bool = False) -> pl.DataFrame:
    """Add up cubes, e.g. yesterday's to those of the days before.

    Args:
        parts: Cubes.
        of_same_days: True if parts hold different units of the same days, e.g. of several servers;
            otherwise a day in two parts is refused, since its clicks would count twice.

    Raises:
        DataError: An experiment has a day in two parts.
    """
    listed = list(parts)
    together = pl.concat([CUBE.empty(), *listed])
    if not of_same_days:
        _refuse_repeated_days(listed)
    return together.group_by(CELL).agg(pl.col(COUNTS).sum()).select(together.columns).sort(CELL)


def slice_days(cube: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """The days from ``first`` to ``last``, both included."""
    return cube.filter(pl.col("day").is_between(first, last))


def cube_sums(cube: pl.DataFrame, *, groups: Mapping[str, str] | None = None) -> Sums:
    """Sums in which a bucket of an arm plays the part of a unit.

    Lifts, intervals and all that rests on variances are then made as from a log. ``units`` count
    buckets: a sample ratio or a figure per unit made from them means nothing. ``first_seen`` and
    ``crossover`` are empty, as a cube does not know them.

    Args:
        cube: ``cube/1``.
        groups: Category to the group it is counted in; the others keep their name.
    """
    category = pl.col("category").replace(dict(groups or {}))
    rows = cube.select(
        "experiment_id",
        "arm",
        "day",
        unit_id=pl.col("bucket").cast(pl.String),
        category=category,
        n="n_impressions",
        c="n_clicks",
    )
    sums = sums_of(UnitCounts.from_rows(rows))
    return Sums(
        daily=sums.daily,
        by_category=sums.by_category,
        by_day=sums.by_day,
        first_seen=SCHEMAS["first_seen"].to_frame(),
        crossover=SCHEMAS["crossover"].to_frame(),
    )


def _refuse_repeated_days(parts: list[pl.DataFrame]) -> None:
    days = pl.concat(
        [CUBE.empty().select("experiment_id", "day")]
        + [part.select("experiment_id", "day").unique() for part in parts]
    )
    repeated = days.filter(days.is_duplicated()).unique().sort("experiment_id", "day")
    if not repeated.is_empty():
        experiment, day = repeated.row(0)
        more = f" and {repeated.height - 1} more" if repeated.height > 1 else ""
        raise DataError(
            f"experiment '{experiment}' has {day}{more} in two cubes; its "
            "clicks would count twice. Add every day once"
        )
