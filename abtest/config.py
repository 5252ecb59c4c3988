"""Configuration of ``caig lift``: which columns to read, how traffic was split, what to test."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from abtest.categories.config import Categories
from abtest.counting.config import CubeSlice, Units
from abtest.creatives.config import CreativeAnalysis
from abtest.estimation.config import Intervals
from abtest.health.config import Health
from abtest.monitoring.config import Monitoring
from abtest.overall.config import Overall
from caig.config import Config

EACH_ROW = "@row"
"""As ``columns.arm``: every row is an arm of its own."""


class Columns(Config):
    """Names of the log's columns.

    The defaults are those of ``impression_log/1``. A default that the log does not have counts as
    absent; a name stated in the configuration must exist. An empty text states that there is none.
    """

    arm: str = Field(default="arm", min_length=1)
    """Experiment arm. ``@row``: every row is one arm, already summed; arms are numbered 1, 2, ...
    within the experiment in the order of the file."""
    unit: str = "unit_id"
    """Randomisation unit, e.g. the user. Needed where units were randomised."""
    category: str = "category"
    """Category; without it only the overall row is made."""
    day: str = "day"
    """Day or time; without it there is no daily table and no check for missing days."""
    clicks: str = Field(default="n_clicks", min_length=1)
    """Clicks of the row (count, or true/false)."""
    impressions: str = "n_impressions"
    """Impressions of the row (count). Absent: every row is one impression."""
    creative: str = "creative_id"
    """Creative shown; counted."""
    product: str = "product_id"
    """Product shown; counted."""
    experiment: str = "experiment_id"
    """Experiment, where a log holds several; without it the log is one experiment."""
    impression: str = ""
    """Identifier of the impression; named, rows that repeat one are counted as a health check.
    Empty in a row: not known."""
    assigned: str = ""
    """Day or time at which the unit was assigned to its arm; named, rows from days before it are
    counted as a health check. Empty in a row: not known."""


class Design(Config):
    """How traffic was split. It chooses the variance, and is never guessed from the data."""

    control: str = Field(default="control", min_length=1)
    """The arm the others are compared with."""
    control_rule: Literal["named", "first_by_name"] = "named"
    """``named``: ``control`` must be an arm of every experiment. ``first_by_name``: in every
    experiment the arm whose name sorts first (numbers by value), for logs whose experiments share
    no arm name."""
    randomisation: Literal["unit", "impression"] = "unit"
    """``unit``: each unit keeps its arm, and variances are clustered by unit. ``impression``: each
    impression was assigned on its own, and they are binomial."""
    expected_split: Literal["equal"] | dict[str, float] = "equal"
    """Share of traffic each arm was to get: ``equal``, or a table of arm to share."""
    day_zone: str = "UTC"
    """Time zone whose midnight ends a day; used where times carry their offset."""

    @field_validator("expected_split")
    @classmethod
    def _shares_add_up(cls, split: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(split, dict):
            if any(share <= 0 for share in split.values()):
                raise ValueError("every share must be above 0")
            if abs(sum(split.values()) - 1) > 1e-6:
                raise ValueError(f"shares must add up to 1, they add up to {sum(split.values()):g}")
        return split

    @field_validator("day_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone; write it like Europe/Berlin") from None
        return zone


class Analysis(Config):
    """What to test, and when a cell is too small to be tested."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of the two-sided tests; intervals are at 1 - alpha."""
    correction: Literal["bh", "by", "holm", "hochberg", "bonferroni", "none"] = "bh"
    """Correction over the categories of an experiment, all contrasts together. Overall rows are
    another family: the experiment's contrasts; a single one is the primary test and needs none."""
    min_clicking_units: int = Field(default=5, ge=2)
    """Below this many units with a click in either arm (clicks, where impressions were randomised)
    a cell is ``too_small``: shown, but not tested."""
    anytime_lift: float = Field(default=0.05, gt=0)
    """The daily always-valid interval is tightest when the data suffice to find this lift with 80 %
    power. It is valid whatever stands here, if it stood here before the experiment."""
    one_arm_categories: Literal["refuse", "report"] = "refuse"
    """What to do about a category without impressions in an arm: refuse the log, or report the
    cell as ``arm_missing``."""


class Ingest(Config):
    """What to do with rows that cannot be right."""

    bad_rows: Literal["refuse", "quarantine"] = "refuse"
    """``quarantine``: set bad rows aside, write them out and count them."""
    mixed_time_zones: Literal["refuse", "convert"] = "refuse"
    """``convert``: times with different offsets are converted to ``design.day_zone``."""
    batch_rows: int = Field(default=250_000, ge=1)
    """Rows read at once; bounds the memory."""


class LiftConfig(Config):
    """Configuration of one analysis."""

    columns: Columns = Columns()
    """Names of the log's columns."""
    design: Design = Design()
    """How traffic was split."""
    analysis: Analysis = Analysis()
    """What to test."""
    health: Health = Health()
    """Thresholds of the health checks."""
    categories: Categories = Categories()
    """What is said of many categories at once."""
    overall: Overall = Overall()
    """Guardrails and the mix of categories."""
    monitoring: Monitoring = Monitoring()
    """Looks that were planned before the experiment."""
    intervals: Intervals = Intervals()
    """Which cells get exact intervals."""
    units: Units = Units()
    """What to find out from counts by unit."""
    creatives: CreativeAnalysis = CreativeAnalysis()
    """What to find out of single creatives."""
    cube: CubeSlice = CubeSlice()
    """What of a cube to analyse."""
    ingest: Ingest = Ingest()
    """What to do with bad rows."""

    @model_validator(mode="after")
    def _row_arms_are_impressions(self) -> "LiftConfig":
        if self.columns.arm == EACH_ROW and self.design.randomisation == "unit":
            raise ValueError(
                'columns.arm = "@row" says that rows are sums over units; '
                'set design.randomisation = "impression"'
            )
        return self

    @model_validator(mode="after")
    def _row_arms_have_no_parts(self) -> "LiftConfig":
        if self.columns.arm != EACH_ROW:
            return self
        asked = {
            "columns.impression": self.columns.impression,
            "columns.assigned": self.columns.assigned,
            "creatives.tables": self.creatives.tables,
        }
        for name, value in asked.items():
            if value:
                raise ValueError(
                    f'columns.arm = "@row" says that a row is a whole arm; drop {name}'
                )
        return self
