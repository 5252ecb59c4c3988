"""The run of ``caig generate``: pictures, each at once when it is painted, then the tables."""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from caig.config import load_config
from caig.contracts.creatives import CREATIVES, PRODUCTS, PROMPTS
from caig.contracts.protocols import CreativeGenerator
from caig.contracts.records import FileInput
from caig.contracts.table import check
from caig.contracts.worlds import PROMPT_READINGS
from caig.errors import ArtifactError, ConfigError, DataError
from caig.generation.config import GenerationConfig
from caig.generation.journal import JOURNAL, Journal, read_journal, remaining_batches
from caig.generation.sheet import MOST, Shown, contact_sheet, thumbnail
from caig.runs.files import link_or_copy
from caig.runs.store import Run, RunWriter
from caig.text import plural

GENERATORS = {
    "diffusion": "caig.generation.pipeline:DiffusionGenerator",
    "procedural": "reference_models.shop.generator:ProceduralGenerator",
}
"""Targets of the names a configuration may give; imported when used."""
CONFIG = "config.toml"
SOURCE = "source.json"


@dataclass(frozen=True)
class Task:
    """What is to be painted.

    Attributes:
        config: How.
        products: ``products/1``, with absolute paths of the cut-outs.
        prompts: ``prompts/1``.
        inputs: Runs it comes from, by role; ``products`` is one.
        files: Files it comes from.
    """

    config: GenerationConfig
    products: pl.DataFrame
    prompts: pl.DataFrame
    inputs: dict[str, Run]
    files: tuple[FileInput, ...] = ()


def products_of(run: Run) -> pl.DataFrame:
    """``products/1`` of a run, with absolute paths of the cut-outs."""
    absolute = str(run.path.resolve()) + "/" + pl.col("cutout_path")
    return run.table(PRODUCTS.name).with_columns(absolute.alias("cutout_path"))


def make_generator(config: GenerationConfig) -> CreativeGenerator:
    """The generator a configuration names.

    Raises:
        ConfigError: There is no such generator.
        CaigError: It cannot be made, e.g. its model cannot be loaded.
    """
    target = GENERATORS.get(config.generator, config.generator)
    module, _, name = target.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"generator: '{config.generator}' cannot be imported: {error}") from None
    generator: CreativeGenerator = made(config)
    return generator


def record_generation(
    root: Path,
    task: Task,
    *,
    done: Path | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> tuple[Path, pl.DataFrame]:
    """Paint what is not painted yet, and write the run.

    Args:
        root: Folder of all runs.
        task: What to paint.
        done: Folder of a run of the same task that was cut off; its pictures are taken over.
        advance: Told how many pictures of how many are done.
        say: Told how to go on.

    Returns:
        The run's folder, and ``creatives/1``.
    """
    config, prompts = task.config, task.prompts
    with RunWriter(
        root, "generate", config, inputs=task.inputs, files=task.files, seed=config.seed
    ) as run:
        run.write_table(PROMPTS, prompts)
        products = task.inputs["products"].as_input().model_dump_json()
        run.write_text("source", SOURCE, products + "\n", "application/json")
        painted = _taken_over(done, run.path, prompts) if done else CREATIVES.empty()
        run.log("pictures", taken_over=painted.height, resumed_from=done and done.resolve().name)
        say(f"if it is cut off: caig generate {task.inputs['products'].path} --resume {run.path}")
        with Journal(run.path) as journal:
            if painted.height:
                journal.add(painted)
            batches = list(remaining_batches(prompts, painted, config.batch_size))
            advance(painted.height, prompts.height)
            if batches:
                generator = make_generator(config)
                _describe(generator, run, prompts)
            for batch in batches:
                made = generator.generate(batch, task.products, run.path)
                made = check(made, CREATIVES, source=f"generator {generator.name}")
                if made["sample_id"].to_list() != batch["prompt_id"].to_list():
                    raise DataError(f"generator {generator.name}: its rows are not the prompts'")
                journal.add(made)
                painted = painted.vstack(made).unique("sample_id", maintain_order=True)
                advance(painted.height, prompts.height)
        creatives = prompts.select(pl.col("prompt_id").alias("sample_id")).join(
            painted, on="sample_id", how="left", maintain_order="left"
        )
        creatives = creatives.select(CREATIVES.schema.names())
        run.write_table(CREATIVES, creatives)
        sheet = _sheet(run.path, creatives, prompts)
        run.write_bytes("sheet", "creatives.png", sheet, "image/png")
        run.add_metric("n_creatives", creatives.height)
        (run.path / JOURNAL).unlink()
    return run.path, creatives


def resumed(folder: Path, products: Run, overrides: tuple[str, ...]) -> Task:
    """The task of a run that was cut off.

    Args:
        folder: Its folder.
        products: The run its products come from.
        overrides: Must be empty; a resumed run keeps its configuration.

    Raises:
        ArtifactError: The folder is no run of ``caig generate``, or of other products.
        ConfigError: Something would change.
    """
    needed = (CONFIG, SOURCE, f"{PROMPTS.name}.parquet")
    if "-generate-" not in folder.resolve().name or not all((folder / n).is_file() for n in needed):
        raise ArtifactError(f"{folder}: no run of caig generate; it would hold {', '.join(needed)}")
    if overrides:
        raise ConfigError(f"{folder}: a resumed run keeps its configuration; leave out --set")
    source = json.loads((folder / SOURCE).read_bytes())
    if source != products.as_input().model_dump(mode="json"):
        raise ArtifactError(f"{folder}: was made of {source['run_id']}, not of {products.run_id}")
    prompts = check(pl.read_parquet(folder / f"{PROMPTS.name}.parquet"), PROMPTS)
    config = load_config(GenerationConfig, folder / CONFIG)
    return Task(config, products_of(products), prompts, {"products": products})


def _taken_over(before: Path, run: Path, prompts: pl.DataFrame) -> pl.DataFrame:
    """What another run has painted, its pictures linked into this one."""
    found = read_journal(before)
    found = found.filter(pl.col("sample_id").is_in(prompts["prompt_id"].implode()))
    for relative in found["image_path"].unique():
        target = run / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(before / relative, target)
    return found


def _describe(generator: CreativeGenerator, run: RunWriter, prompts: pl.DataFrame) -> None:
    """Stores what a generator says of itself and of its prompts, if it does."""
    describe: Any = getattr(generator, "describe", None)
    if describe:
        content = json.dumps({"name": generator.name, **describe()}, indent=2) + "\n"
        run.write_text("generator", "generator.json", content, "application/json")
    cut_prompts: Any = getattr(generator, "cut_prompts", None)
    if cut_prompts:
        n_cut, most = cut_prompts(prompts)
        run.log("prompts", n=prompts.height, cut=n_cut, tokens_read=most)
        if n_cut:
            print(
                f"{plural(n_cut, 'prompt')} of more than {most} tokens: the rest is not read",
                file=sys.stderr,
            )
    readings: Any = getattr(generator, "readings", None)
    if readings:
        run.write_table(PROMPT_READINGS, readings(prompts))


def _sheet(run: Path, creatives: pl.DataFrame, prompts: pl.DataFrame) -> bytes:
    shown = []
    rows = creatives.join(
        prompts.select(pl.col("prompt_id").alias("sample_id"), "prompt"),
        on="sample_id",
        how="left",
        maintain_order="left",
    )
    for row in rows.head(MOST).iter_rows(named=True):
        found = cv2.imread(str(run / row["image_path"]), cv2.IMREAD_COLOR_RGB)
        assert found is not None
        picture = thumbnail(np.asarray(found, np.uint8))
        shown.append(Shown(picture, (row["product_id"], row["prompt"])))
    names = ", ".join(creatives["generator"].unique().sort())
    title = f"{creatives.height:,} generated ads, painted by {names}"
    return contact_sheet(shown, title, n_more=creatives.height - len(shown))
