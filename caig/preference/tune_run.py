"""One epoch of preference optimisation as a run: pairs in, a prompt model out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from caig.errors import DataError
from caig.generation.generating import products_of
from caig.mllm.examples import Example
from caig.mllm.load import save_mllm
from caig.mllm.work import FOLDER, begin_work
from caig.preference.config import TuneRunConfig
from caig.preference.corruptions import draw_corruptions, seed_of
from caig.preference.policy import CHECKPOINT, EPOCH, Policy
from caig.runs.store import Run, RunWriter

VERB = "prefer"


def tune_run(
    policy: Policy,
    reference: Policy,
    config: TuneRunConfig,
    *,
    compared: Run,
    samples: Run,
    data: Run,
    runs: Path,
    resume: Path | None = None,
    report: Callable[[int, int], None] = lambda step, steps: None,
) -> Path:
    """Train a prompt model on the pairs of a comparison, and write the run.

    Args:
        policy: Prompt model to start from.
        reference: Prompt model before any alignment.
        config: Losses, corruption, rates.
        compared: Run of the pairs.
        samples: Run of the prompts.
        data: Run of the products.
        runs: Folder of all runs.
        resume: Folder of an interrupted run of the same task.
        report: Told step and steps in all.

    Returns:
        Folder of the run; its checkpoint has the adapters merged.

    Raises:
        DataError: No pair is left to train on.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    from caig.preference.trainer import tune_preferences

    preferences = preferences_to_learn(compared, samples, data)
    drawn = draw_corruptions(
        len(preferences), config.corruption.kind, seed=seed_of(config.seed, "corrupt", config.epoch)
    )
    inputs = {
        "policy": policy.run,
        "reference": reference.run,
        "pairs": compared,
        "samples": samples,
        "data": data,
    }
    with RunWriter(runs, VERB, config, inputs=inputs, seed=config.seed) as run:
        work = begin_work(run.path, tune_task(policy, reference, compared, config), resume)

        def told(step: int, steps: int, found: dict[str, float]) -> None:
            work.note(stage="tune", step=step, steps=steps, **found)
            report(step, steps)

        tuned = tune_preferences(
            policy.load(config.runtime),
            reference.load(config.runtime),
            preferences,
            drawn,
            config,
            side=config.picture_side,
            seed=seed_of(config.seed, "tune", config.epoch) % 2**31,
            work=work.stage("tune"),
            report=told,
        )
        folder = run.path / CHECKPOINT
        save_mllm(tuned, folder)
        for file in sorted(folder.iterdir()):
            relative = f"{CHECKPOINT}/{file.name}"
            run.adopt_file(relative, relative, "application/octet-stream")
        steps = work.steps()
        text = "".join(json.dumps(line) + "\n" for line in steps)
        run.write_text("training_steps", "training_steps.jsonl", text, "application/jsonl")
        run.add_metric(EPOCH, config.epoch)
        run.add_metric("n_pairs", len(preferences))
    shutil.rmtree(run.path / FOLDER, ignore_errors=True)
    return run.path


def tune_task(
    policy: Policy, reference: Policy, compared: Run, config: TuneRunConfig
) -> dict[str, Any]:
    """What a run of training is about; one that goes on must be about the same."""
    return {
        "config": config.model_dump(mode="json"),
        "policy": policy.run.as_input().manifest_sha256,
        "reference": reference.run.as_input().manifest_sha256,
        "pairs": compared.as_input().manifest_sha256,
    }


def preferences_to_learn(compared: Run, samples: Run, data: Run) -> list[Any]:
    """The pairs of a comparison that are trained on, in the order of their products.

    Args:
        compared: Run of the pairs.
        samples: Run of the prompts.
        data: Run of the products.

    Returns:
        ``Preference`` objects.

    Raises:
        DataError: None is left.
    """
    from caig.preference.trainer import Preference

    texts = samples.table("prompt_samples").select("sample_id", "instruction", "prompt_text")
    found = compared.table("preference_pairs")
    used = found.filter(pl.col("verdict") == "used").sort("product_id")
    if not used.height:
        counted = ", ".join(
            f"{n:,} {verdict}" for verdict, n in found["verdict"].value_counts().iter_rows()
        )
        raise DataError(
            f"{compared.path}: no pair to train on ({counted or 'there are no pairs'}); loosen "
            "pairs.swap_agreement or pairs.min_confidence, or sample more products"
        )
    cutouts = dict(products_of(data).select("product_id", "cutout_path").iter_rows())
    rows = (
        used.join(texts, left_on="chosen_id", right_on="sample_id", maintain_order="left")
        .join(
            texts.select("sample_id", rejected="prompt_text"),
            left_on="rejected_id",
            right_on="sample_id",
            maintain_order="left",
        )
        .iter_rows(named=True)
    )
    return [
        Preference(
            Example("create", (row["instruction"],), "", Path(cutouts[row["product_id"]])),
            row["prompt_text"],
            row["rejected"],
            row["p_chosen"],
        )
        for row in rows
    ]
