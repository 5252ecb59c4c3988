"""The same products under the prompts of several alignments, side by side, epoch after epoch.

Read from the runs that the alignments are made of: ads, prompts, the judge's scores, and which
places suit which category, where that is known. Nothing is asked anew.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import polars as pl

from caig.config import Config
from caig.contracts.creatives import PRODUCTS
from caig.data.decode import picture_on_white
from caig.errors import ArtifactError, DataError
from caig.generation.sheet import CELL, encode_png, thumbnail
from caig.mllm.corpus import place_of
from caig.mllm.validate import Suitability, read_suitability
from caig.preference.compare import mean_scores
from caig.runs.catalog import find_run
from caig.runs.store import Run, RunWriter
from caig.text import printable


class SheetsConfig(Config):
    """What is shown."""

    names: tuple[str, ...]
    """What the alignments are called, in their order."""
    products: int
    """Products shown (count)."""


class Cell(NamedTuple):
    """One ad on a sheet.

    Attributes:
        picture: The ad as a data address (PNG); "" where none was painted.
        prompt: What it was painted from. Untrusted text.
        place: What the prompt begins with. Untrusted text.
        suits: Whether the place suits the product; None where nobody knows.
        score: What the judge says of it; "" for the ad that others are set against.
    """

    picture: str
    prompt: str
    place: str
    suits: bool | None
    score: str


class Epoch(NamedTuple):
    """Held-out prompts of one alignment at one epoch.

    Attributes:
        samples: ``prompt_samples/1``.
        ads: ``creatives/1``.
        folder: What the ads' paths are relative to.
        scores: ``pair_scores/1`` of its ads (left) against the start's (right).
    """

    samples: pl.DataFrame
    ads: pl.DataFrame
    folder: Path
    scores: pl.DataFrame


def sheets_run(
    alignments: Sequence[Run], names: Sequence[str], *, products: int, runs: Path
) -> Path:
    """Write the sheets of alignments that began alike.

    Args:
        alignments: Runs of ``caig align``, of the same products.
        names: What they are called.
        products: Products to show (count).
        runs: Folder of all runs, where their stages are.

    Returns:
        Folder of the run: ``sheets`` (one HTML page that opens from disk).

    Raises:
        ArtifactError: A run is no alignment, or a stage of it is gone.
        DataError: They have no held-out product in common, or began with different models.
    """
    for run in alignments:
        if run.manifest.verb != "align":
            raise ArtifactError(f"{run.path}: a run of caig {run.manifest.verb}, not of caig align")
    starts = {run.manifest.inputs["policy"].manifest_sha256 for run in alignments}
    if len(starts) > 1:
        raise DataError("the alignments began with different prompt models: nothing to set beside")
    epochs = [epochs_of(run, runs) for run in alignments]
    data = find_run(runs, alignments[0].manifest.inputs["data"].run_id)
    shown = _common_products(data, [found[0] for found in epochs], products)
    suits = read_suitability(data)
    last = max(max(found) for found in epochs)
    pages = []
    for number in range(last + 1):
        columns = [("before", epochs[0][0])]
        if number:
            columns += [
                (name, found[number])
                for name, found in zip(names, epochs, strict=True)
                if number in found
            ]
        cells = [_cells(epoch, shown, suits) for _, epoch in columns]
        cells[0] = {name: cell._replace(score="") for name, cell in cells[0].items()}
        pages.append(
            {
                "epoch": number,
                "names": [name for name, _ in columns],
                "rows": [
                    {"product": product, "cells": [cell[product["product_id"]] for cell in cells]}
                    for product in shown
                ],
            }
        )
    config = SheetsConfig(names=tuple(names), products=len(shown))
    inputs = {f"alignment_{k}": run for k, run in enumerate(alignments)}
    with RunWriter(runs, "sheets", config, inputs=inputs) as written:
        view = {"pages": pages, "names": list(names), "run_id": written.run_id}
        written.write_text("sheets", "sheets.html", _page(view), "text/html")
    return written.path


def epochs_of(alignment: Run, runs: Path) -> dict[int, Epoch]:
    """What an alignment's runs hold of its held-out products, by epoch."""
    stages: dict[str, str] = json.loads(alignment.file("stages").read_bytes())
    found = {}
    for name, run_id in stages.items():
        number, _, stage = name.partition("/")
        if stage != "figures":
            continue
        ads = find_run(runs, stages[f"{number}/heldout-ads"])
        found[int(number)] = Epoch(
            find_run(runs, stages[f"{number}/heldout-samples"]).table("prompt_samples"),
            ads.table("creatives"),
            ads.path,
            find_run(runs, run_id).table("pair_scores"),
        )
    return found


def _common_products(data: Run, starts: Sequence[Epoch], n: int) -> list[dict[str, Any]]:
    """Products of all alignments, spread over the categories."""
    common = set(starts[0].samples["product_id"])
    for start in starts[1:]:
        common &= set(start.samples["product_id"])
    table = data.table(PRODUCTS.name).filter(pl.col("product_id").is_in(list(common)))
    if not table.height:
        raise DataError("the alignments have no held-out product in common: align with one seed")
    first = table.sort("category", "product_id").group_by("category", maintain_order=True).first()
    every = max(1, first.height // n)
    return [
        {**row, "title": printable(row["title"])}
        for row in first[::every][:n].iter_rows(named=True)
    ]


def _cells(
    epoch: Epoch, products: Sequence[dict[str, Any]], suits: Suitability | None
) -> dict[str, Cell]:
    """The first prompt of every product."""
    first = epoch.samples.group_by("product_id", maintain_order=True).first()
    ads = first.join(epoch.ads.select("sample_id", "creative_id", "image_path"), on="sample_id")
    of_product = {row["product_id"]: row for row in first.iter_rows(named=True)}
    painted = {row["product_id"]: row for row in ads.iter_rows(named=True)}
    wins = dict(mean_scores(epoch.scores).select("pair_id", "p_left").iter_rows())
    rates = {
        pair: rate
        for pair, rate in epoch.scores.select("pair_id", "left_ctr_hat").iter_rows()
        if rate is not None
    }
    cells = {}
    for product in products:
        name = product["product_id"]
        prompt = printable(of_product[name]["prompt_clean"])
        place = place_of(of_product[name]["prompt_text"])
        picture = ""
        if name in painted:
            picture = _picture(epoch.folder / painted[name]["image_path"])
        known = suits.get((product["category"], place), False) if suits else None
        cells[name] = Cell(
            picture, prompt, printable(place), known, _score(f"{name}-0", wins, rates)
        )
    return cells


def _picture(file: Path) -> str:
    """A picture as a data address, no larger than it is shown."""
    ad = np.asarray(picture_on_white(file))
    shown = ad if max(ad.shape[:2]) <= CELL else thumbnail(ad)
    return "data:image/png;base64," + base64.b64encode(encode_png(shown)).decode()


def _score(pair: str, wins: dict[str, float], rates: dict[str, float]) -> str:
    """What the judge says of an ad: its chance to win against the ad before, and its CTR."""
    if pair not in wins:
        return "the same ad as before"
    told = f"beats the ad before: {100 * wins[pair]:.0f} %"
    return told + (f", CTR {100 * rates[pair]:.2f} %" if pair in rates else "")


def _page(view: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("caig.preference"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    return environment.get_template("sheets.html.j2").render(view)
