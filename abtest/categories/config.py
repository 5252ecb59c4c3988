"""Configuration of what is said of many categories at once."""

from typing import Literal

from pydantic import Field, field_validator

from caig.config import Config

IntervalMethod = Literal["bonferroni", "fcr", "max_z"]


class Categories(Config):
    """Intervals, posteriors and the short table of an experiment's categories."""

    intervals: tuple[IntervalMethod, ...] = ("max_z",)
    """Adjusted intervals to make. ``max_z``: simultaneous, from the joint distribution of the
    categories' errors, never wider than ``bonferroni``. ``fcr``: of the categories found
    significant by Benjamini-Hochberg only; of those intervals a share of alpha misses on
    average."""
    rope: float = Field(default=0.01, gt=0, lt=1)
    """Relative lifts within plus and minus this (fraction) are as good as none: the region of
    practical equivalence."""
    top: int = Field(default=5, ge=1)
    """Categories in the short table, by traffic."""

    @field_validator("intervals")
    @classmethod
    def _named_once(cls, methods: tuple[IntervalMethod, ...]) -> tuple[IntervalMethod, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError("every method may be named once only")
        return methods
