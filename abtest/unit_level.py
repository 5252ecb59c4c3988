"""What needs more than sums: counts by unit, by creative, rows; each only if it was asked for.

Counts by unit take a second pass over the log and memory for every unit, so a large log is analysed
without them unless the user says otherwise.
"""

from dataclasses import dataclass, field, replace

import polars as pl

from abtest.counting.config import Units
from abtest.counting.counts import UnitCounts
from abtest.counting.cube import cube_of
from abtest.counting.sums import Sums, sums_of
from abtest.health.config import Health
from abtest.health.unit_audit import audit_units
from abtest.overall.covariates import covariate_sums


@dataclass(frozen=True)
class UnitLevel:
    """What counts by unit have said, and by creative and row.

    Attributes:
        checks: Rows of ``health/1`` about units and rows; None where neither was looked at.
        bots: ``bot_like_units/1``; None likewise.
        without_bots: Sums of the log without bot-like units; None if there are none.
        covariates: Sums of products with the pre-period; None without one.
        cube: ``cube/1``; None if not asked for.
        counts: The counts, for assignments at random; None if not asked for.
        creatives: Sums by creative; None if not asked for.
    """

    checks: pl.DataFrame | None = None
    bots: pl.DataFrame | None = None
    without_bots: Sums | None = None
    covariates: pl.DataFrame | None = None
    cube: pl.DataFrame | None = None
    counts: UnitCounts | None = field(default=None, repr=False)
    creatives: pl.DataFrame | None = None

    def with_rows(
        self, *, checks: pl.DataFrame | None, creatives: pl.DataFrame | None
    ) -> "UnitLevel":
        """The same with what was collected while the log was read.

        Args:
            checks: Rows of ``health/1``, beside those of the units.
            creatives: Sums by creative.
        """
        made = [table for table in (self.checks, checks) if table is not None]
        return replace(self, checks=pl.concat(made) if made else None, creatives=creatives)


NO_UNITS = UnitLevel()
"""Nothing but sums was looked at."""


def look_at_units(
    counts: UnitCounts,
    units: Units,
    health: Health,
    *,
    n_rows: int,
    history: pl.DataFrame | None = None,
) -> UnitLevel:
    """Everything that was asked for.

    Args:
        counts: Counts of the log by unit.
        units: What was asked for.
        health: What is bot-like.
        n_rows: Rows of the log.
        history: What units did before, as for :func:`abtest.overall.covariates.covariate_sums`.
    """
    audit = audit_units(counts, health) if n_rows <= units.audit_max_rows else None
    has_bots = audit is not None and int(audit.bots["n_units_bot"].sum()) > 0
    return UnitLevel(
        checks=None if audit is None else audit.checks,
        bots=None if audit is None else audit.bots,
        without_bots=sums_of(audit.kept) if audit is not None and has_bots else None,
        covariates=None if history is None else covariate_sums(counts, history),
        cube=cube_of(counts) if units.cube else None,
        counts=counts if units.aa_replicates else None,
    )


def needs_counts(units: Units, *, n_rows: int, history: pl.DataFrame | None) -> bool:
    """Whether :func:`look_at_units` would do anything."""
    asked = units.aa_replicates > 0 or units.cube or history is not None
    return asked or n_rows <= units.audit_max_rows
