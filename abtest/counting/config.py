"""Configuration of what counts by unit, and cubes of them, are used for."""

from datetime import date

from pydantic import Field

from caig.config import Config


class Units(Config):
    """What to find out from counts by unit."""

    audit_max_rows: int = Field(default=5_000_000, ge=0)
    """Logs of at most this many rows are searched for bot-like units; 0 searches none."""
    aa_replicates: int = Field(default=0, ge=0)
    """Assignments at random to measure the analysis' own error on this log with; 0 draws none."""
    aa_seed: int = Field(default=0, ge=0)
    """Seed of those assignments."""
    cube: bool = False
    """Write the mergeable cube of counts by day and bucket of units."""


class CubeSlice(Config):
    """What of a cube to analyse, with ``caig lift RUN... --from-cube``."""

    first_day: date | None = None
    """First day to count; the cube's first by default."""
    last_day: date | None = None
    """Last day to count; the cube's last by default."""
    groups: dict[str, str] = Field(default_factory=dict)
    """Category to the group it is counted in; the others keep their name."""
