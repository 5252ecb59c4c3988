"""Tables of truth: what only a simulated world can know."""

import polars as pl

from caig.contracts.table import Column, TableContract

CREATIVE_TRUTH = TableContract(
    "creative_truth",
    1,
    "What is true of one ad of a simulated world. No model may read it; it is for judging them.",
    (
        Column("creative_id", pl.String, "Creative."),
        Column("product_id", pl.String, "Product shown."),
        Column("category", pl.String, "Category of the product."),
        Column("scene", pl.String, "Scene of the background."),
        Column("light", pl.String, "Light of the background."),
        Column("palette", pl.String, "Palette of the background."),
        Column("depth", pl.String, "Sharpness of the background."),
        Column("decoration", pl.String, "What is strewn around the product."),
        Column("prompt", pl.String, "The background in words, scene first."),
        Column("suits", pl.Boolean, "True if the scene suits the product's category."),
        Column("true_ctr", pl.Float64, "Click-through rate (fraction).", lower=0, upper=1),
    ),
    key=("creative_id",),
)

SCENE_SUITABILITY = TableContract(
    "scene_suitability",
    1,
    "Whether one scene suits the products of one category.",
    (
        Column("category", pl.String, "Category."),
        Column("scene", pl.String, "Scene."),
        Column("suits", pl.Boolean, "True if it does."),
    ),
    key=("category", "scene"),
)

_DRAWN = "as drawn; null if the prompt names no scene"

PROMPT_READINGS = TableContract(
    "prompt_readings",
    1,
    "What the procedural generator understood of one prompt.",
    (
        Column("prompt_id", pl.String, "Prompt."),
        Column("scene", pl.String, f"Scene {_DRAWN}: a bare backdrop was drawn.", nullable=True),
        Column("light", pl.String, f"Light {_DRAWN}.", nullable=True),
        Column("palette", pl.String, f"Palette {_DRAWN}.", nullable=True),
        Column("depth", pl.String, f"Depth {_DRAWN}.", nullable=True),
        Column("decoration", pl.String, f"Decoration {_DRAWN}.", nullable=True),
        Column("unread", pl.String, "Words that it cannot draw, in order; untrusted text."),
    ),
    key=("prompt_id",),
)
