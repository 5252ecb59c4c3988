"""Configuration of the whole shop world: its traffic and its pictures."""

from reference_models.shop.creatives import AdsConfig
from reference_models.shop.traffic import TrafficConfig


class ShopConfig(TrafficConfig):
    """The shop world: one experiment's traffic, and the ads behind it."""

    ads: AdsConfig = AdsConfig()
    """Pictures."""
