"""Configuration of ``caig plan``: what to find, with which traffic."""

from typing import Literal

from pydantic import Field, model_validator

from abtest.config import EACH_ROW, Columns, Design, Ingest
from caig.config import Config

Randomisation = Literal["unit", "impression"]

SMALLEST_TARGET = 1e-4


class Plan(Config):
    """What the experiment shall find, and how sure it shall be."""

    target_lift: float = Field(default=0.05, gt=-1)
    """True relative lift that shall be found (fraction), up or down."""
    power: float = Field(default=0.8, gt=0.5, lt=1)
    """Chance of finding it."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of the two-sided tests, before correction."""
    correction: Literal["bonferroni", "none"] = "bonferroni"
    """Correction planned for: by category over categories times treatments, overall over
    treatments. Benjamini-Hochberg, Holm and Hochberg reject whatever Bonferroni does, so a plan for
    Bonferroni has at least the stated power under them."""
    n_treatments: int = Field(default=1, ge=1)
    """Treatments, each compared with control."""
    control_share: float | None = Field(default=None, gt=0, lt=1)
    """Share of traffic for control; an equal share of all arms by default. The treatments share the
    rest evenly."""
    days: int | None = Field(default=None, ge=1)
    """Length for which the detectable lift is given; by default the pilot's, without one 14."""
    traffic_factor: float = Field(default=1.0, gt=0)
    """Units a day for each of the pilot's, e.g. 10 if the pilot ran on a tenth of the traffic."""
    max_days: int = Field(default=365, ge=1)
    """A plan that needs longer is called too long."""

    @model_validator(mode="after")
    def _there_is_a_target(self) -> "Plan":
        if abs(self.target_lift) < SMALLEST_TARGET:
            raise ValueError(f"target_lift must be {SMALLEST_TARGET:g} or more, up or down")
        return self


class Rates(Config):
    """Traffic without a pilot. Give ``ctr`` and ``impressions_per_day`` in place of a log."""

    ctr: float | None = Field(default=None, gt=0, lt=1)
    """CTR of control (fraction)."""
    impressions_per_day: float | None = Field(default=None, gt=0)
    """Impressions a day, all arms and categories together."""
    design_effect: float = Field(default=1.0, gt=0)
    """Variance of CTR, clustered by unit, over the binomial one; 1 if every unit has one
    impression. A run of ``caig lift`` tells it."""
    measured_days: int = Field(default=7, ge=1)
    """Days after which that design effect was measured."""
    returning: float = Field(default=1.0, ge=0, le=1)
    """Share of the design effect's excess over 1 that grows with days: 1 if the same units come
    back day after day, 0 if every day brings new ones."""
    n_categories: int = Field(default=0, ge=0)
    """Categories of equal traffic; 0 plans for the overall test only."""
    category_design_effect: float | None = Field(default=None, gt=0)
    """Design effect within a category. By default its excess over 1 is the overall one divided by
    the categories: so it is where a unit is as ready to click in one category as in another."""


class PlanConfig(Config):
    """Configuration of one plan."""

    plan: Plan = Plan()
    """What to find."""
    rates: Rates = Rates()
    """Traffic without a pilot."""
    columns: Columns = Columns()
    """Names of the pilot log's columns."""
    design: Design = Design()
    """How traffic is split; ``randomisation`` of a pilot that is a run is that run's."""
    ingest: Ingest = Ingest()
    """What to do with bad rows of the pilot log."""

    @model_validator(mode="after")
    def _row_arms_are_impressions(self) -> "PlanConfig":
        if self.columns.arm == EACH_ROW and self.design.randomisation == "unit":
            raise ValueError(
                'columns.arm = "@row" says that rows are sums over units; '
                'set design.randomisation = "impression"'
            )
        return self
