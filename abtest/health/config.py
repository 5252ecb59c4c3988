"""Thresholds of the health checks."""

from typing import Literal

from pydantic import Field

from caig.config import Config

HealthCheckName = Literal[
    "sample_ratio",
    "sample_ratio_by_category",
    "sample_ratio_sequential",
    "traffic_by_day",
    "impressions_per_unit",
    "units_in_two_arms",
    "missing_days",
    "bot_like_units",
    "duplicate_impressions",
    "exposure_before_assignment",
]


class Health(Config):
    """Thresholds of the health checks."""

    sample_ratio_alpha: float = Field(default=0.001, gt=0, lt=1)
    """A sample ratio is unhealthy if its p-value, corrected by category, is below this. So are the
    always-valid one of daily looks and that of the split by day."""
    min_expected: float = Field(default=8.0, gt=0)
    """Expected count an arm needs before its sample ratio is tested."""
    sequential_concentration: float = Field(default=100.0, gt=0)
    """How close to the declared split the daily check looks for a mismatch: concentration of the
    Dirichlet prior around it. It is valid whatever stands here, if it stood here before."""
    impressions_per_unit_alpha: float = Field(default=0.001, gt=0, lt=1)
    """The treatment is said to change impressions per unit if the p-value is below this."""
    max_crossover_share: float = Field(default=0.01, ge=0, le=1)
    """Share of units seen in two arms beyond which the check is unhealthy."""
    bot_impressions_per_day: int = Field(default=1000, ge=1)
    """A unit with more impressions than this on a day is bot-like."""
    bot_ctr: float = Field(default=0.5, ge=0, le=1)
    """A unit whose CTR is above this is bot-like, if it has ``bot_min_clicks`` clicks."""
    bot_min_clicks: int = Field(default=20, ge=1)
    """Clicks a unit needs before its CTR makes it bot-like."""
    max_bot_share: float = Field(default=0.01, ge=0, le=1)
    """Share of an arm's impressions brought by bot-like units beyond which the check is
    unhealthy."""
    max_duplicate_share: float = Field(default=0.001, ge=0, le=1)
    """Share of rows that repeat an impression beyond which the check is unhealthy."""
    max_early_share: float = Field(default=0.001, ge=0, le=1)
    """Share of rows from before their unit's assignment beyond which the check is unhealthy."""
    override: tuple[HealthCheckName, ...] = ()
    """Checks whose failure shall not withhold verdicts, by name; recorded and printed."""
