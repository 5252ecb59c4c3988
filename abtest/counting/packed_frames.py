"""Tables of :class:`abtest.counting.sums.Sums` from sums by code."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from abtest.counting.counts import MOMENTS
from abtest.counting.packed_buckets import Shape, UnitSums
from abtest.counting.packed_keys import Codes
from abtest.counting.packed_products import Floats
from abtest.counting.sums import SCHEMAS, Sums
from caig.contracts.experiments import ALL_CATEGORIES


class Names(NamedTuple):
    """What codes stand for.

    Attributes:
        experiments: By code.
        arms: By code.
        categories: By code; one null if the log names none.
        has_days: Whether the log names days.
    """

    experiments: list[str]
    arms: list[str]
    categories: Sequence[str | None]
    has_days: bool


def sums_of_bucket(found: UnitSums, shape: Shape, names: Names) -> Sums:
    """Tables of the sums of all buckets together, every one sorted by its key."""
    maker = _Maker(found, shape, names)
    by_day = maker.products(found.by_day, maker.days) if names.has_days else []
    by_category = maker.products(found.by_category, maker.ranked)
    frames = {
        "daily": maker.daily(),
        "by_category": pl.concat([SCHEMAS["by_category"].to_frame(), *by_category]),
        "by_day": pl.concat([SCHEMAS["by_day"].to_frame(), *by_day]),
        "first_seen": maker.first_seen(),
        "crossover": maker.crossover(),
    }
    keys = {
        "daily": ["experiment_id", "category", "arm", "day"],
        "by_category": ["experiment_id", "arm", "label", "other"],
        "by_day": ["experiment_id", "arm", "label", "other"],
        "first_seen": ["experiment_id", "arm", "category", "day"],
        "crossover": ["experiment_id"],
    }
    return Sums(**{name: frame.sort(keys[name]) for name, frame in frames.items()})


class _Maker:
    def __init__(self, found: UnitSums, shape: Shape, names: Names) -> None:
        self._found = found
        self._shape = shape
        self._names = names
        bits = shape.layout
        self._n_arms = 1 << bits.arm
        self._n_strata = 1 << (bits.experiment + bits.arm)
        self._experiments = pl.Series(names.experiments, dtype=pl.String)
        self._arms = pl.Series(names.arms, dtype=pl.String)
        self._categories = pl.Series(names.categories, dtype=pl.String)
        self.ranked = self._categories[np.argsort(shape.category_rank)]
        day = np.arange(shape.n_days) + bits.first_day
        days = pl.Series(day, dtype=pl.Int32).cast(pl.Date)
        self.days = days if names.has_days else pl.Series([None], dtype=pl.Date)

    def daily(self) -> pl.DataFrame:
        shape, bits = self._shape, self._shape.layout
        sizes = (7, self._n_strata, 1 << bits.category, 1 << bits.day)
        sums = self._found.daily.reshape(sizes)
        stratum, category, day = np.nonzero(sums[2])
        by_category = self._moments(stratum, day, sums[:, stratum, category, day])
        by_category = by_category.with_columns(category=self._categories[category])
        pooled = self._pooled(sums[:, :, :, : shape.n_days].sum(axis=2))
        stratum, day = np.nonzero(pooled[2])
        overall = self._moments(stratum, day, pooled[:, stratum, day])
        overall = overall.with_columns(category=pl.lit(ALL_CATEGORIES))
        frames = [overall] if self._names.categories[0] is None else [overall, by_category]
        schema = SCHEMAS["daily"]
        return pl.concat(frame.select(schema.names()).cast(schema) for frame in frames)

    def _pooled(self, sums: Floats) -> Floats:
        """Increments of units' counts over all categories, shape (7, strata, days).

        Sums of squares up to a day are those of the products of all days up to it.
        """
        shape = (self._n_strata, self._shape.n_days)
        pooled = np.zeros((7, *shape))
        first_seen = self._found.first_seen.reshape(*shape, self._shape.n_categories)
        pooled[0] = first_seen.sum(axis=2)
        pooled[1] = self._found.first_clicked.reshape(shape)
        pooled[2:4] = sums[2:4]
        for stratum, (_, nn, nc, cc) in self._found.by_day.items():
            for row, products in ((4, nn), (5, cc), (6, nc)):
                pooled[row, stratum] = _increments(products)
        return pooled

    def _moments(self, stratum: Codes, day: Codes, sums: Floats) -> pl.DataFrame:
        return pl.DataFrame(
            {
                **self._stratum_names(stratum),
                "day": self.days[day],
                **dict(zip(MOMENTS, sums, strict=True)),
            }
        )

    def _stratum_names(self, stratum: npt.NDArray[np.integer]) -> dict[str, pl.Series]:
        return {
            "experiment_id": self._experiments[stratum // self._n_arms],
            "arm": self._arms[stratum % self._n_arms],
        }

    def products(self, found: dict[int, Floats], labels: pl.Series) -> list[pl.DataFrame]:
        frames = []
        for stratum, (units, nn, nc, cc) in found.items():
            first, second = np.nonzero(np.triu(units))
            here = np.full(first.size, stratum)
            frame = pl.DataFrame(
                {
                    **self._stratum_names(here),
                    "label": labels[first],
                    "other": labels[second],
                    "units": units[first, second].astype(np.int64),
                    "nn": nn[first, second],
                    "nc": nc[first, second],
                    "cn": nc[second, first],
                    "cc": cc[first, second],
                }
            )
            frames.append(frame)
        return frames

    def first_seen(self) -> pl.DataFrame:
        sizes = (self._n_strata, self._shape.n_days, self._shape.n_categories)
        units = self._found.first_seen.reshape(sizes)
        stratum, day, rank = np.nonzero(units)
        frame = pl.DataFrame(
            {
                **self._stratum_names(stratum),
                "category": self.ranked[rank],
                "day": self.days[day],
                "units": units[stratum, day, rank],
            }
        )
        return frame.select(SCHEMAS["first_seen"].names())

    def crossover(self) -> pl.DataFrame:
        units, crossing = self._found.crossover[:, : len(self._experiments)]
        return pl.DataFrame(
            {"experiment_id": self._experiments, "units": units, "crossing": crossing}
        )


def _increments(products: Floats) -> Floats:
    """Increments by day of the sum of all products up to that day."""
    cumulated = products.cumsum(axis=0).cumsum(axis=1)
    return np.diff(np.diagonal(cumulated), prepend=0.0)
