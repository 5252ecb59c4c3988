"""The loop: sample, paint, compare, train, epoch after epoch; and figures of every epoch.

Every stage is a run of its own, made from the runs before it. The alignment's run keeps which stage
is which run, and takes the resulting checkpoint at the end. The reference of every epoch is the
prompt model that the loop began with; diffusion model and judge never change.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.errors import CaigError, ConfigError
from caig.generation.generating import Task, products_of, record_generation, resumed
from caig.generation.prompts import read_prompts
from caig.mllm.work import FOLDER, Work, begin_work
from caig.preference.compare import compare_run
from caig.preference.config import (
    AlignConfig,
    CompareConfig,
    MeasureConfig,
    SampleConfig,
    TuneRunConfig,
)
from caig.preference.figure import curves_figure
from caig.preference.measure_run import Heldout, measure_run, read_world
from caig.preference.policy import EPOCH, SIDE, Policy, open_policy, take_checkpoint
from caig.preference.sampling_run import sample_run, sample_task
from caig.preference.stages import interrupted_stage
from caig.preference.tune_run import VERB as TUNE
from caig.preference.tune_run import tune_run, tune_task
from caig.progress import ShownProgress
from caig.runs.catalog import list_runs
from caig.runs.files import write_atomic
from caig.runs.store import Run, RunWriter

STAGES = "stages.json"
Say = Callable[[str], None]
Advance = Callable[[int, int], None]
"""Told how much of how much of a stage is done."""


def align_run(
    start: Policy,
    data: Run,
    config: AlignConfig,
    *,
    runs: Path,
    resume: Path | None = None,
    say: Say = lambda text: print(text, file=sys.stderr),
) -> Path:
    """Align a prompt model with what is clicked, and write the run.

    Args:
        start: Prompt model to begin with; the reference of every epoch.
        data: Run of products with cut-outs, and of what is known for figures.
        config: Everything else.
        runs: Folder of all runs.
        resume: Folder of an interrupted alignment of the same task.
        say: Told what is begun, and figures.

    Returns:
        Folder of the run: ``alignment_curves``, ``stages`` (JSON: stage to run), ``curves`` (SVG)
        and the checkpoint of the epoch that is the result.

    Raises:
        CaigError: A stage cannot be made.
    """
    if not config.scorer:
        raise ConfigError("scorer: name the judge, e.g. --scorer run:ID or --scorer ref:NAME")
    inputs = {"policy": start.run, "data": data}
    task = {
        "config": config.model_dump(mode="json"),
        "policy": start.run.as_input().manifest_sha256,
        "data": data.as_input().manifest_sha256,
    }
    with RunWriter(runs, "align", config, inputs=inputs, seed=config.seed) as run:
        work = begin_work(run.path, task, resume)
        say(f"if it is cut off: caig align ... --resume {run.run_id}")
        loop = _Loop(start, data, config, work, runs=runs, say=say)
        result = loop.run()
        run.write_table(ALIGNMENT_CURVES, loop.curves)
        figure = curves_figure(loop.curves, title=_title(config))
        run.write_text("curves", "curves.svg", figure, "image/svg+xml")
        stages = json.dumps(loop.stages, indent=2) + "\n"
        run.write_text("stages", STAGES, stages, "application/json")
        take_checkpoint(run, result.folder)
        run.add_metric(EPOCH, result.epoch)
        run.add_metric(SIDE, result.side)
        run.add_metric("epochs_run", loop.epochs_run)
        last = loop.curves.filter(pl.col("epoch") == result.epoch)
        for name, value in last.select("metric", "value").iter_rows():
            run.add_metric(name, value)
    shutil.rmtree(run.path / FOLDER, ignore_errors=True)
    return run.path


class _Loop:
    """One alignment under way."""

    def __init__(
        self,
        start: Policy,
        data: Run,
        config: AlignConfig,
        work: Work,
        *,
        runs: Path,
        say: Say,
    ) -> None:
        side = config.sampling.picture_side
        # Whatever it has been through before: epochs are counted from here.
        self._start = Policy(start.run, 0, start.side if side is None else side)
        self._data, self._config, self._runs, self._say = data, config, runs, say
        self._record = work.folder / STAGES
        known = self._record.is_file()
        self.stages: dict[str, str] = json.loads(self._record.read_bytes()) if known else {}
        self._world = read_world(data, config.truth)
        self._first: tuple[Heldout, Run] | None = None
        self.curves = ALIGNMENT_CURVES.empty()
        self.epochs_run = 0

    def run(self) -> Policy:
        """All epochs; returns the prompt model that is the result."""
        policy = self._start
        self._measured(policy)
        for epoch in range(1, self._config.epochs + 1):
            after = self._trained(policy, epoch)
            if after is None:
                self._say(f"epoch {epoch}: no pair to learn from; the result is {policy.epoch}")
                return policy
            self._measured(after)
            self.epochs_run = epoch
            if reason := self._reason_to_stop():
                self._say(f"epoch {epoch}: {reason}; the result is epoch {policy.epoch}")
                return policy
            policy = after
        return policy

    def _trained(self, policy: Policy, epoch: int) -> Policy | None:
        """The next prompt model; None where one that has fallen apart leaves no pair to learn."""
        config, n = self._config, self._config.products
        sampling = SampleConfig(
            seed=config.seed,
            split="train",
            products=n,
            skip=(epoch - 1) * n,
            round=epoch,
            sampling=config.sampling,
            runtime=config.runtime,
        )
        samples = self._sampled(f"{epoch}/samples", policy, sampling)
        ads = self._painted(f"{epoch}/ads", {"prompts": samples})
        judge = CompareConfig(
            scorer=config.scorer, scorer_options=config.scorer_options, pairs=config.pairs
        )
        pairs = self._stage(
            f"{epoch}/pairs",
            lambda *_: compare_run(ads, samples, self._data, judge, runs=self._runs),
        )
        if epoch > 1 and not pairs.manifest.metrics.get("n_used"):
            return None
        tuning = TuneRunConfig(
            loss=config.loss,
            corruption=config.corruption,
            optim=config.optim,
            seed=config.seed,
            epoch=epoch,
            picture_side=policy.side,
            runtime=config.runtime,
        )
        tuned = self._stage(
            f"{epoch}/policy",
            lambda before, advance: tune_run(
                policy,
                self._start,
                tuning,
                compared=pairs,
                samples=samples,
                data=self._data,
                runs=self._runs,
                resume=before,
                report=advance,
            ),
            noun="steps",
            verb=TUNE,
            task=lambda: tune_task(policy, self._start, pairs, tuning),
        )
        return open_policy(tuned)

    def _measured(self, policy: Policy) -> None:
        config, epoch = self._config, policy.epoch
        sampling = SampleConfig(
            seed=config.seed,
            split=config.heldout.split,
            products=config.heldout.products,
            sampling=config.sampling,
            runtime=config.runtime,
        )
        samples = self._sampled(f"{epoch}/heldout-samples", policy, sampling)
        heldout = Heldout(policy, samples)
        if self._first is None:
            ads = self._painted(f"{epoch}/heldout-ads", {"prompts": samples})
            self._first = heldout, ads
        else:
            first, painted = self._first
            sources = {"prompts": samples, "start": first.samples}
            ads = self._painted(f"{epoch}/heldout-ads", sources, painted=painted)
        measuring = MeasureConfig(
            seed=config.seed,
            scorer=config.scorer,
            scorer_options=config.scorer_options,
            sampling=config.sampling,
            runtime=config.runtime,
        )
        begun = self._first[0]
        figures = self._stage(
            f"{epoch}/figures",
            lambda *_: measure_run(
                heldout,
                begun,
                ads,
                measuring,
                data=self._data,
                world=self._world,
                runs=self._runs,
            ),
        )
        self.curves = self.curves.vstack(figures.table(ALIGNMENT_CURVES.name))
        self._say(_line(epoch, figures.manifest.metrics))

    def _sampled(self, name: str, policy: Policy, config: SampleConfig) -> Run:
        return self._stage(
            name,
            lambda before, advance: sample_run(
                policy, self._data, config, runs=self._runs, resume=before, advance=advance
            ),
            noun="prompts",
            verb="sample",
            task=lambda: sample_task(policy, self._data, config),
        )

    def _painted(self, name: str, sources: Mapping[str, Run], *, painted: Run | None = None) -> Run:
        """Ads of the prompts of some runs; pictures that another run has are taken over."""
        products = products_of(self._data)
        prompts = pl.concat(
            read_prompts(products, source=run.path)[0] for run in sources.values()
        ).unique("prompt_id", keep="first", maintain_order=True)
        inputs = {"products": self._data, **sources}
        task = Task(self._config.generation, products, prompts, inputs)

        def paint(before: Path | None, advance: Advance) -> Path:
            done = before or (None if painted is None else painted.path)
            return record_generation(self._runs, task, done=done, advance=advance, say=_unsaid)[0]

        return self._stage(name, paint, noun="ads", find=lambda: self._half_painted(task))

    def _half_painted(self, task: Task) -> Path | None:
        for entry in list_runs(self._runs, verb="generate"):
            if entry.status != "failed":
                continue
            try:
                found = resumed(entry.path, self._data, ())
            except (CaigError, ValueError):  # of other products, or killed as it began
                continue
            if found.config == task.config and found.prompts.equals(task.prompts):
                return entry.path
        return None

    def _stage(
        self,
        name: str,
        make: Callable[[Path | None, Advance], Path],
        *,
        noun: str = "pairs",
        verb: str = "",
        task: Callable[[], Mapping[str, Any]] = dict,
        find: Callable[[], Path | None] | None = None,
    ) -> Run:
        """A stage's run: as recorded, or made, going on where an earlier process was cut off."""
        if name not in self.stages:
            self._say(name)
            before = None
            if find is not None:
                before = find()
            elif verb:
                before = interrupted_stage(self._runs, verb, task())
            with ShownProgress(name, noun) as progress:
                self.stages[name] = make(before, progress.advance).name
            write_atomic(self._record, json.dumps(self.stages, indent=2).encode())
        return Run.open(self._runs / self.stages[name])

    def _reason_to_stop(self) -> str:
        wide = self.curves.pivot("metric", index="epoch", values="value")
        for name, least in (
            ("valid", self._config.stop.min_valid),
            ("matching", self._config.stop.min_matching),
        ):
            if not least or name not in wide.columns or wide[name][0] is None:
                continue
            begun, now = wide[name][0], wide[name][-1]
            if now < least * begun:
                return f"{name} fell from {begun:.3f} to {now:.3f}"
        return ""


def _unsaid(text: str) -> None:
    """How a stage goes on is of no use to anybody: the alignment goes on."""


def _line(epoch: int, metrics: Mapping[str, float]) -> str:
    shown = ("matching", "valid", "rm_win_rate", "true_win_rate", "true_ctr_gain")
    told = ", ".join(f"{name} {metrics[name]:.3f}" for name in shown if name in metrics)
    return f"epoch {epoch}: {told}"


def _title(config: AlignConfig) -> str:
    loss = config.loss
    name = f"PCPO ({config.corruption.kind})" if loss.pcpo_weight else "DPO"
    anchored = " with anchor" if loss.anchor else ""
    return f"{name}{anchored}, judge {config.scorer}"
