"""Sums by creative, with what clustering by unit needs; collected while a log is read.

Only sums by unit and creative are kept, and at the end not even these. Statistics are elsewhere.
"""

import polars as pl

KEY = ("experiment_id", "arm", "category", "product_id", "creative_id")
CREATIVE_SUMS = pl.Schema(
    {
        **dict.fromkeys(KEY, pl.String),
        "units": pl.Int64,
        "n": pl.Int64,
        "c": pl.Int64,
        "nn": pl.Float64,
        "nc": pl.Float64,
        "cc": pl.Float64,
    }
)
"""One row a creative in an arm: units, impressions, clicks, and sums over units of n^2, n*c and
c^2. The last three and ``units`` are null where the log names no unit."""

PENDING_ROWS = 2_000_000


class CreativeCollector:
    """Collects rows of a log; :meth:`result` gives their sums."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._pending = 0
        self._summed = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Count rows.

        Args:
            rows: Columns ``experiment_id, arm, unit_id, category, product_id, creative_id, n, c``;
                names are texts or categoricals. Rows without a creative are left out; other names
                may be null.
        """
        self._parts.append(_by_unit(rows))
        self._pending += self._parts[-1].height
        # Grows with what is kept, so that every row is summed a bounded number of times.
        if self._pending > max(PENDING_ROWS, self._summed):
            self._parts = [_by_unit(pl.concat(self._parts))]
            self._pending, self._summed = 0, self._parts[0].height

    def result(self) -> pl.DataFrame:
        """Sums of all rows so far, columns :data:`CREATIVE_SUMS`, sorted by :data:`KEY`."""
        if not self._parts:
            return CREATIVE_SUMS.to_frame()
        return _by_creative(_by_unit(pl.concat(self._parts)))


def creative_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Sums by creative of all rows of a log; see :class:`CreativeCollector`."""
    collector = CreativeCollector()
    collector.add(rows)
    return collector.result()


def _by_unit(rows: pl.DataFrame) -> pl.DataFrame:
    named = rows.filter(pl.col("creative_id").is_not_null()).with_columns(
        pl.col(*KEY, "unit_id").cast(pl.String)
    )
    return named.group_by(*KEY, "unit_id").agg(pl.col("n", "c").sum().cast(pl.Int64))


def _by_creative(by_unit: pl.DataFrame) -> pl.DataFrame:
    n, c = pl.col("n").cast(pl.Float64), pl.col("c").cast(pl.Float64)
    has_units = pl.col("unit_id").is_not_null().all()
    moments = {"units": pl.len().cast(pl.Int64)}
    moments |= {"nn": (n * n).sum(), "nc": (n * c).sum(), "cc": (c * c).sum()}
    return (
        by_unit.group_by(KEY)
        .agg(
            pl.col("n", "c").sum(),
            **{name: pl.when(has_units).then(value) for name, value in moments.items()},
        )
        .filter(pl.col("n") > 0)
        .select(CREATIVE_SUMS.names())
        .sort(KEY)
    )
