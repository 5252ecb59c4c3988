"""Days of many experiments with the covariance of their lifts, cut from the sums once for all.

What :func:`abtest.estimation.joint.day_moments` gathers for one arm by searching the whole sums is
gathered here for every arm of a log of thousands of experiments.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.counts import total_moments
from abtest.counting.sums import Sums
from abtest.estimation.joint import JointMoments, log_lifts
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]
ARM = ("experiment_id", "arm")


class JointDays:
    """Joint moments of the days of every arm, categories pooled.

    Days of an experiment are numbered from 0 in the order of time, those of all arms together.
    """

    def __init__(self, sums: Sums) -> None:
        daily = sums.daily.filter(
            pl.col("day").is_not_null() & (pl.col("category") == ALL_CATEGORIES)
        )
        number = pl.col("day").rank("dense").over("experiment_id").cast(pl.Int64) - 1
        days = daily.select("experiment_id", "day").unique().with_columns(number=number)
        totals = daily.join(days, on=["experiment_id", "day"]).select(*ARM, "number", "n", "c")
        products = sums.by_day
        for label, place in (("label", "row"), ("other", "column")):
            numbered = days.select("experiment_id", pl.col("day").alias(label), number.alias(place))
            products = products.join(numbered, on=["experiment_id", label])
        products = products.select(*ARM, "row", "column", "units", "nn", "nc", "cn", "cc")
        self._n_days: dict[str, int] = dict(days.group_by("experiment_id").len().iter_rows())
        self._totals = totals.partition_by(ARM, as_dict=True, include_key=False)
        self._products = products.partition_by(ARM, as_dict=True, include_key=False)
        clicking = total_moments(daily).select(*ARM, "clicking_units")
        self._clicking: dict[tuple[str, str], int] = {
            (experiment, arm): units for experiment, arm, units in clicking.iter_rows()
        }

    def clicking_units(self, experiment: str, arm: str) -> int:
        """Units of an arm with a click over the whole period."""
        return self._clicking[experiment, arm]

    def log_lifts(self, experiment: str, control: str, treatment: str) -> tuple[Floats, Floats]:
        """Log lifts of all days and the covariance of their errors; NaN where there are none."""
        return log_lifts(self.moments(experiment, control), self.moments(experiment, treatment))

    def moments(self, experiment: str, arm: str) -> JointMoments:
        """Joint moments of an arm's days."""
        k = self._n_days[experiment]
        n, c, units = np.zeros(k), np.zeros(k), np.zeros(k)
        number, n_sums, c_sums = (column.to_numpy() for column in self._totals[experiment, arm])
        n[number], c[number] = n_sums, c_sums
        nn, nc, cc = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
        a, b, both, *sums = (column.to_numpy() for column in self._products[experiment, arm])
        nn[a, b] = nn[b, a] = sums[0]
        nc[a, b], nc[b, a] = sums[1], sums[2]
        cc[a, b] = cc[b, a] = sums[3]
        is_own = a == b
        units[a[is_own]] = both[is_own]
        return JointMoments(units, n, c, nn, nc, cc)
