"""Configuration of the table that shows every interval side by side."""

from pydantic import Field

from caig.config import Config


class Intervals(Config):
    """Which cells the exact methods are computed for; the others are computed for all."""

    exact_max_clicks: int = Field(default=100, ge=1)
    """Clicks of both arms together up to which Fisher's intervals are made: their work grows with
    the square."""
    exact_max_cells: int = Field(default=500, ge=0)
    """At most this many cells get Fisher's intervals, those with the fewest clicks."""
    unconditional_max_impressions: int = Field(default=100, ge=1, le=500)
    """Impressions of the larger arm up to which Barnard's and Boschloo's intervals are made."""
    unconditional_max_cells: int = Field(default=50, ge=0)
    """At most this many cells get Barnard's and Boschloo's intervals, those with the fewest clicks:
    one takes about a tenth of a second."""
