"""What is judged: the ads of a run, with what is known of their products; and the controls."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from caig.contracts.creatives import CREATIVES, PRODUCTS, PROMPTS
from caig.errors import ArtifactError, CaigError, DataError
from caig.runs.catalog import find_run
from caig.runs.images import leads_out
from caig.runs.store import MANIFEST, Run

ADS, NEGATIVE, POSITIVE = "ads", "negative", "positive"
"""Roles of the runs that are read."""

CONTROLS = {ADS: "none", NEGATIVE: "negative", POSITIVE: "positive"}

ITEMS = pl.Schema(
    {
        "control": pl.String(),
        "item_id": pl.String(),
        "product_id": pl.String(),
        "category": pl.String(),
        "title": pl.String(),
        "path": pl.String(),
        "image_sha256": pl.String(),
        "paired_id": pl.String(),
        "generator": pl.String(),
    }
)
"""Columns of what is judged. Category and title are null where they are not known; path is
absolute; paired_id is what an ad of another generator from the same prompt shares with it."""


def open_run(name: Path, root: Path) -> Run:
    """A complete run by its folder, or by its id or a part of it."""
    return Run.open(name) if name.is_dir() else find_run(root, str(name))


def read_items(
    runs: Mapping[str, Run], *, max_items: int = 0, seed: int = 0
) -> tuple[pl.DataFrame, dict[str, Run]]:
    """Read what is judged.

    Args:
        runs: Run with creatives by role: ``ads``, and ``negative`` and ``positive`` if there are.
        max_items: Ads of each run at most, drawn at random; 0 takes all.
        seed: Of drawing.

    Returns:
        Columns ``ITEMS``, in the order of the runs; and all runs read, by role.

    Raises:
        ArtifactError: A run has no creatives, or its products have changed since.
        DataError: An ad's picture lies outside its run, or a run has no ad.
    """
    parts, read = [], dict(runs)
    for role, run in runs.items():
        products = _products_run(run)
        if products is not None and products.run_id != run.run_id:
            read["products" if role == ADS else f"{role}_products"] = products
        parts.append(_items(run, products, CONTROLS[role], max_items=max_items, seed=seed))
    return pl.concat(parts), read


def mismatched_prompts(run: Run, *, seed: int) -> pl.DataFrame:
    """Prompts of negative controls: every product with the background of another category's.

    What ``caig generate`` paints from them is what a judge must not call a match.

    Args:
        run: A run of ``caig generate``.
        seed: Of drawing.

    Returns:
        Columns product_id, prompt, prompt_id: one row a product that has a prompt.

    Raises:
        CaigError: The run's products are not known, or all are of one category.
    """
    products = _products_run(run)
    if products is None or PROMPTS.name not in run.manifest.artifacts:
        raise CaigError(f"{run.path}: controls need prompts, and the run of its products beside it")
    prompts = run.table(PROMPTS.name).join(
        products.table(PRODUCTS.name).select("product_id", "category"), on="product_id"
    )
    drawn = prompts.sample(fraction=1.0, shuffle=True, seed=seed)
    rows = []
    wanted = prompts.unique("product_id", keep="first", maintain_order=True)
    for place, (product, category) in enumerate(wanted.select("product_id", "category").rows()):
        others = drawn.filter(pl.col("category") != category)["prompt"]
        if others.is_empty():
            raise CaigError(f"{run.path}: all products are of one category: nothing mismatches")
        rows.append((product, others[place % len(others)], f"mismatch-{product}"))
    return pl.DataFrame(rows, ["product_id", "prompt", "prompt_id"], orient="row")


def _items(
    run: Run, products: Run | None, control: str, *, max_items: int, seed: int
) -> pl.DataFrame:
    creatives = run.table(CREATIVES.name)
    if creatives.is_empty():
        raise DataError(f"{run.path}: has no ad")
    strays = [path for path in creatives["image_path"] if leads_out(path)]
    if strays:
        raise DataError(f"{run.path}/creatives: image_path {strays[0]!r} lies outside the run")
    if 0 < max_items < creatives.height:
        creatives = creatives.sample(max_items, seed=seed).sort("creative_id")
    known = pl.DataFrame(schema=PRODUCTS.schema) if products is None else products.table("products")
    items = creatives.join(
        known.select("product_id", "category", "title"),
        on="product_id",
        how="left",
        maintain_order="left",
    )
    return items.select(
        pl.lit(control).alias("control"),
        pl.col("creative_id").alias("item_id"),
        "product_id",
        "category",
        "title",
        (str(run.path.resolve()) + "/" + pl.col("image_path")).alias("path"),
        "image_sha256",
        pl.coalesce("sample_id", "creative_id").alias("paired_id"),
        pl.coalesce("generator", pl.lit("logged")).alias("generator"),
    ).cast(ITEMS)


def _products_run(run: Run) -> Run | None:
    """The run that knows the products: itself, or the one it was made from, if it is there."""
    if PRODUCTS.name in run.manifest.artifacts:
        return run
    used = run.manifest.inputs.get(PRODUCTS.name)
    if used is None:
        return None
    folder = run.path.resolve().parent / used.run_id
    if not (folder / MANIFEST).is_file():
        return None
    found = Run.open(folder)
    if found.as_input() != used:
        raise ArtifactError(f"{folder}: its manifest has changed since the ads were made from it")
    return found
