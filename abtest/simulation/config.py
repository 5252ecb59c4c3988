"""Configuration of ``caig simulate``: the traffic that is drawn, and how many experiments."""

from typing import Literal

from pydantic import Field

from caig.config import Config

Scenario = Literal["aa", "ab", "mixture"]


class Traffic(Config):
    """Traffic of one simulated experiment.

    A unit has a readiness to come and a readiness to click, so its impressions are dependent, as
    they are in real logs.
    """

    n_units: int = Field(default=20_000, ge=2)
    """Units, both arms together; those without an impression are not in the log."""
    n_days: int = Field(default=7, ge=1, le=366)
    """Length (days)."""
    n_categories: int = Field(default=44, ge=1, le=400)
    """Categories; the first has the most traffic."""
    impressions_per_unit: float = Field(default=12.0, gt=0)
    """Mean impressions of a unit over the whole experiment."""
    activity_shape: float = Field(default=0.8, gt=0)
    """Gamma shape of units' activity; smaller is more uneven."""
    propensity_shape: float = Field(default=1.5, gt=0)
    """Gamma shape of units' readiness to click; smaller makes a unit's impressions more alike."""
    category_zipf: float = Field(default=1.0, ge=0)
    """Traffic of the category of rank r is proportional to r to the minus this."""
    ctr: float = Field(default=0.02, gt=0, lt=0.5)
    """CTR of a typical category (fraction)."""
    ctr_sd: float = Field(default=0.4, ge=0)
    """Standard deviation of log CTR between categories."""


class Effects(Config):
    """True lifts of the experiments that have some."""

    mean_lift: float = Field(default=0.05, gt=-1)
    """``ab``: relative lift of a typical category."""
    lift_sd: float = Field(default=0.15, ge=0)
    """``ab``: standard deviation of log(1 + lift) between categories."""
    null_share: float = Field(default=0.7, ge=0, le=1)
    """``mixture``: share of the categories whose lift is exactly zero."""
    mixture_lift_sd: float = Field(default=0.3, ge=0)
    """``mixture``: standard deviation of log(1 + lift) of the other categories, around zero."""


class SimulateConfig(Config):
    """What to simulate."""

    experiments: int = Field(default=200, ge=1)
    """Experiments of each scenario."""
    seed: int = Field(default=1, ge=0)
    """Seed; experiment i of a scenario is the same whatever ``experiments`` is."""
    scenarios: tuple[Scenario, ...] = ("aa", "ab", "mixture")
    """``aa``: no lift anywhere. ``ab``: every category has one. ``mixture``: some do."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of the tests."""
    traffic: Traffic = Traffic()
    """The traffic."""
    effects: Effects = Effects()
    """The lifts."""
