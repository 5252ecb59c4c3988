"""CAIG: CTR-driven advertising image generation, as a toolkit."""

from importlib.metadata import version as _installed_version


def version() -> str:
    """The installed version of the distribution ``caig-toolkit``."""
    return _installed_version("caig-toolkit")
