"""Recipes of configs/data load, and say what their names say."""

from caig.config import load_config
from caig.data.config import IngestConfig, PairsConfig


def test_recipes(repository):
    folder = repository / "configs" / "data"
    recipes = {
        "caig-pairs": load_config(PairsConfig, folder / "caig-pairs.toml"),
        "creative-ranking": load_config(IngestConfig, folder / "creative-ranking.toml"),
        "upworthy": load_config(IngestConfig, folder / "upworthy.toml"),
    }
    assert {file.stem for file in folder.iterdir()} == set(recipes)
    assert recipes["caig-pairs"].rule == "caig_5_20"
    assert "refuse" not in {
        what
        for key, what in recipes["creative-ranking"].problems.model_dump().items()
        if key not in ("repeated_rows", "no_picture")
    }
