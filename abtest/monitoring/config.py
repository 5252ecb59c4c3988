"""Configuration of looks over time: which were planned, and how alpha is spent over them."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from caig.config import Config


class Monitoring(Config):
    """Looks that were planned before the experiment; every other look is labelled unplanned."""

    planned_looks: Annotated[int, Field(ge=1)] | tuple[date, ...] | None = None
    """Days at whose end the lift was to be tested: a list of dates, or a number of equally spaced
    looks from the first to the last planned day. Left out, nothing was planned, and only
    always-valid figures are given at looks."""
    planned_first_day: date | None = None
    """First planned day; left out, each experiment's first day in the log."""
    planned_last_day: date | None = None
    """Last planned day, always a look; left out, the last of the listed dates."""
    spending: Literal["obf", "pocock", "power"] = "obf"
    """How alpha is spent over the planned looks (Lan-DeMets): ``obf``: hardly any early, most at
    the end; ``pocock``: about evenly; ``power``: ``alpha * fraction^power_phi``."""
    power_phi: float = Field(default=2.0, gt=0)
    """Exponent of the power family; 1 spends evenly, more spends later."""

    @model_validator(mode="after")
    def _plan_has_an_end(self) -> "Monitoring":
        looks, first, last = self.planned_looks, self.planned_first_day, self.planned_last_day
        if looks is None:
            if first or last:
                raise ValueError("a planned first or last day needs planned_looks")
        elif isinstance(looks, int):
            if last is None:
                raise ValueError("a number of planned_looks needs planned_last_day")
        else:
            if not looks:
                raise ValueError("planned_looks lists no date; leave it out if none was planned")
            if any(later <= earlier for earlier, later in pairwise(looks)):
                raise ValueError("dates of planned_looks must rise")
            if (first and looks[0] < first) or (last and looks[-1] > last):
                raise ValueError("planned_looks must lie between the first and last planned day")
        if first and last and first > last:
            raise ValueError("planned_first_day is after planned_last_day")
        return self
