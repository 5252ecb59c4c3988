"""The run of ``caig sample``: prompts sampled part by part, so that a killed run goes on.

A part is on disk, whole, before the next one begins. Every sample has a seed of its own, so what is
sampled does not depend on where a run was cut off.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from caig.contracts.preferences import PROMPT_SAMPLES
from caig.errors import DataError
from caig.generation.generating import products_of
from caig.mllm.work import FOLDER, begin_work
from caig.preference.config import SampleConfig
from caig.preference.policy import Policy
from caig.preference.questions import Question, ask, choose_products
from caig.preference.sampling import VllmSampler, sample, sample_seed, samples_table
from caig.runs.store import Run, RunWriter

PART_BATCHES = 4
"""Batches between two writes."""


def sample_run(
    policy: Policy,
    data: Run,
    config: SampleConfig,
    *,
    runs: Path,
    resume: Path | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Sample prompts for the products of a run, and write the run.

    Args:
        policy: Prompt model.
        data: Run with products that have cut-outs.
        config: Which products, and how.
        runs: Folder of all runs.
        resume: Folder of an interrupted run of the same task.
        advance: Told how many samples of how many are done.

    Returns:
        Folder of the new run.

    Raises:
        CaigError: The checkpoint or the products cannot be used, or the interrupted run does not
            fit.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    products = choose_products(
        products_of(data), config.split, config.products, skip=config.skip, seed=config.seed
    )
    questions = ask(products, states_category=config.sampling.states_category, seed=config.seed)
    if not questions:
        raise DataError(
            f"{data.path}: no product of split '{config.split}' with a cut-out; choose with --split"
        )
    asked = [
        _Asked(
            question,
            f"{question.product_id}-e{policy.epoch}-r{config.round}-{number}",
            sample_seed(config.seed, config.round, question.product_id, number),
        )
        for question in questions
        for number in range(config.sampling.per_product)
    ]
    inputs = {"policy": policy.run, "data": data}
    with RunWriter(runs, "sample", config, inputs=inputs, seed=config.seed) as run:
        begin_work(run.path, sample_task(policy, data, config), resume)
        parts = run.path / FOLDER / "parts"
        parts.mkdir(exist_ok=True)
        size = PART_BATCHES * config.sampling.batch_size
        model: Any = None
        for number, start in enumerate(range(0, len(asked), size)):
            file = parts / f"{number:06d}.parquet"
            if not file.is_file():
                model = model or _Model(policy, config)
                draft = parts / "unfinished"
                model.sampled(asked[start : start + size]).write_parquet(draft)
                draft.rename(file)
            advance(min(start + size, len(asked)), len(asked))
        found = pl.concat([pl.read_parquet(file) for file in sorted(parts.glob("*.parquet"))])
        run.write_table(PROMPT_SAMPLES, found)
        run.add_metric("ended", found.filter("ended").height / found.height)
        run.add_metric("distinct_prompts", found["prompt_text"].n_unique() / found.height)
        run.add_metric("n_samples", found.height)
    shutil.rmtree(run.path / FOLDER, ignore_errors=True)
    return run.path


def sample_task(policy: Policy, data: Run, config: SampleConfig) -> dict[str, Any]:
    """What a run of sampling is about; one that goes on must be about the same."""
    return {
        "config": config.model_dump(mode="json"),
        "policy": policy.run.as_input().manifest_sha256,
        "data": data.as_input().manifest_sha256,
    }


class _Asked(NamedTuple):
    question: Question
    name: str
    seed: int


class _Model:
    """The prompt model, loaded when the first part is to be sampled."""

    def __init__(self, policy: Policy, config: SampleConfig) -> None:
        self._policy, self._config = policy, config
        side = config.sampling.picture_side
        self._side = policy.side if side is None else side
        self._vllm: VllmSampler | None = None
        if config.sampling.backend == "vllm":
            from transformers import AutoProcessor

            read: Any = AutoProcessor.from_pretrained
            trust = config.runtime.trust_remote_code
            processor = read(str(policy.folder), trust_remote_code=trust)
            self._vllm = VllmSampler(str(policy.folder), processor, trust_remote_code=trust)
        else:
            self._mllm = policy.load(config.runtime)

    def sampled(self, asked: list[_Asked]) -> pl.DataFrame:
        """``prompt_samples/1`` of some questions."""
        sampling = self._config.sampling
        examples = [one.question.example for one in asked]
        seeds = [one.seed for one in asked]
        if self._vllm is not None:
            samples = self._vllm.sample(examples, seeds, sampling, side=self._side)
        else:
            samples = sample(self._mllm, examples, seeds, sampling, side=self._side)
        return samples_table(
            [one.question for one in asked],
            samples,
            seeds,
            names=[one.name for one in asked],
            policy_run=self._policy.run.run_id,
            epoch=self._policy.epoch,
            temperature=sampling.temperature,
        )
