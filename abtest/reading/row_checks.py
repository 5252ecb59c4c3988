"""What checks of single rows need, collected batch by batch; only of logs that name it.

Of an impression's name only a 64-bit hash is kept: among 100 million impressions two hashes agree
by chance with a probability of 0.0003. An assignment is compared by day, as rows are. For each
check that is made 12 bytes a row are held until the log has been read; to find what repeats then
takes about 40 bytes a row more.
"""

from dataclasses import dataclass, field

import polars as pl

from abtest.health.config import Health
from abtest.health.unit_audit import duplicate_impressions, exposure_before_assignment
from abtest.reading.rows import Columns

EXPERIMENT = "experiment_id"


@dataclass
class RowChecks:
    """Collects canonical rows; :meth:`result` gives what was found."""

    columns: Columns
    impressions: list[pl.DataFrame] = field(default_factory=list)
    exposures: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        """Take up rows that :func:`abtest.reading.rows.canonical` made and that break no rule."""
        experiment = pl.col("_experiment_id").cast(pl.Categorical).alias(EXPERIMENT)
        if "impression" in self.columns:
            named = rows.filter(pl.col("_impression").str.strip_chars() != "")
            self.impressions.append(
                named.select(experiment, impression=pl.col("_impression").hash())
            )
        if "assigned" in self.columns:
            known = rows.filter(pl.col("_assigned").is_not_null())
            self.exposures.append(known.select(experiment, day="_day", assigned="_assigned"))

    def result(self, config: Health) -> pl.DataFrame | None:
        """Rows of ``health/1``; None if the log names neither an impression nor an assignment."""
        found = []
        if self.impressions:
            hashes = pl.concat(self.impressions)
            found.append(duplicate_impressions(hashes, "impression", config, experiment=EXPERIMENT))
        if self.exposures:
            days = pl.concat(self.exposures)
            found.append(
                exposure_before_assignment(days, "day", "assigned", config, experiment=EXPERIMENT)
            )
        return pl.concat(found) if found else None
