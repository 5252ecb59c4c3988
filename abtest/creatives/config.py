"""Configuration of what is said of single creatives."""

from pydantic import Field

from caig.config import Config


class CreativeAnalysis(Config):
    """Whether creatives are looked at, when images are tested, how many are named as drivers."""

    tables: bool = False
    """Make the tables of single creatives; the log must name them. Costs memory for every creative
    that a unit saw."""
    max_arms: int = Field(default=200, ge=1)
    """Arms, of all experiments together, up to which creatives are ranked, at about 30 ms an arm.
    Of a log with more, images are tested against each other, but none is ranked or a driver."""
    min_expected_clicks: float = Field(default=5.0, gt=0)
    """Clicks every image of a product must be expected to have before the product's images are
    tested against each other."""
    n_drivers: int = Field(default=5, ge=1)
    """Creatives named at either end of a category's drivers."""
