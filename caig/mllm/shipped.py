"""Multimodal models that ship with the toolkit, by name."""

from importlib import import_module
from pathlib import Path

PREFIX = "ref:"
WHO_KNOWS = "reference_models.embedded"
"""Module that knows them; a text, as this package imports no other."""


def is_shipped(name: str) -> bool:
    """True if a name is that of a model that ships, rather than of a folder or a run."""
    return name.startswith(PREFIX)


def shipped_model(name: str) -> tuple[Path, int]:
    """Folder of a model that ships, and the side that pictures are shrunk to for it (px).

    Args:
        name: e.g. ``ref:prompt``.

    Raises:
        ArtifactError: No model of this name ships, or a file is not the one that was shipped.
    """
    found: tuple[Path, int] = import_module(WHO_KNOWS).prompt_model(name.removeprefix(PREFIX))
    return found
