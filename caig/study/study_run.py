"""The run of a study: rates chosen on validation products, arms reported on test products."""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

from caig.contracts.studies import STUDY_ESTIMATES, STUDY_FIGURES
from caig.errors import ConfigError
from caig.mllm.work import FOLDER, begin_work
from caig.preference.policy import Policy
from caig.runs.store import Run, RunWriter
from caig.study.config import JudgeConfig, StudyConfig, arm_config, arms_of
from caig.study.estimates import chosen_rate, estimates_of
from caig.study.jobs import Job, run_jobs
from caig.study.pictures import curves_by_arm, front
from caig.study.report import report

Say = Callable[[str], None]
SWEEP, REPORT = "sweep", "report"
SPLITS = {SWEEP: "val", REPORT: "test"}
Rates = Mapping[tuple[str, str], float]
"""Learning rate by judge and arm."""


def study_run(
    policy: Policy,
    data: Run,
    config: StudyConfig,
    *,
    runs: Path,
    processes: int = 1,
    keep: bool = False,
    resume: Path | None = None,
    say: Say = lambda text: print(text, file=sys.stderr),
) -> Path:
    """Align by every arm under every judge, and write the run.

    Args:
        policy: Prompt model that all arms begin with.
        data: Run of products with cut-outs, of splits train, val and test.
        config: Arms, judges, rates, seeds.
        runs: Folder of all runs.
        processes: Alignments at a time.
        keep: Keep the runs of all alignments, under ``work/`` of the study.
        resume: Folder of an interrupted study of the same task.
        say: Told of every alignment that is done.

    Returns:
        Folder of the run: ``study_figures``, ``study_estimates``, ``report`` (Markdown), ``front``
        and ``curves`` (SVG).

    Raises:
        CaigError: An alignment cannot be made.
    """
    inputs = {"policy": policy.run, "data": data}
    task = {
        "config": config.model_dump(mode="json"),
        "policy": policy.run.as_input().manifest_sha256,
        "data": data.as_input().manifest_sha256,
    }
    with RunWriter(runs, "study", config, inputs=inputs) as run:
        work = begin_work(run.path, task, resume)
        say(f"if it is cut off: caig study pcpo ... --resume {run.run_id}")

        def made(jobs: list[Job]) -> pl.DataFrame:
            curves = run_jobs(
                jobs,
                policy.run,
                data,
                folder=work.folder,
                runs=runs,
                processes=processes,
                keep=keep,
                say=say,
            )
            return figures_of(curves)

        swept = STUDY_FIGURES.empty()
        if len(config.learning_rates) > 1:
            if not config.sweep_seeds:
                raise ConfigError("sweep_seeds: name one, or give one learning rate alone")
            swept = made(sweep_jobs(config))
        rates = chosen_rates(config, swept)
        figures = pl.concat([swept, made(report_jobs(config, rates))])
        estimates = estimates_of(figures, baseline=config.baseline)
        run.write_table(STUDY_FIGURES, figures)
        run.write_table(STUDY_ESTIMATES, estimates)
        text = report(config, figures, estimates)
        run.write_text("report", "report.md", text, "text/markdown")
        for name, picture in (
            ("front", front(figures, estimates)),
            ("curves", curves_by_arm(figures)),
        ):
            run.write_text(name, f"{name}.svg", picture, "image/svg+xml")
        run.add_metric("n_alignments", figures.select(*STUDY_FIGURES.key[:5]).unique().height)
    if not keep:
        shutil.rmtree(run.path / FOLDER, ignore_errors=True)
    return run.path


def sweep_jobs(config: StudyConfig) -> list[Job]:
    """Every arm at every rate, under the judges that rates are chosen with."""
    return [
        _job(config, SWEEP, judge, arm, rate=rate, seed=seed)
        for seed in config.sweep_seeds
        for judge in config.judges
        if not judge.rates_of
        for arm in _arms_to_sweep(config, judge)
        for rate in config.learning_rates
    ]


def report_jobs(config: StudyConfig, rates: Rates) -> list[Job]:
    """Every arm with every seed, at its rate."""
    return [
        _job(config, REPORT, judge, arm, rate=rates[judge.name, arm], seed=seed)
        for judge in config.judges
        for seed in config.seeds
        for arm in arms_of(config, judge)
    ]


def chosen_rates(config: StudyConfig, swept: pl.DataFrame) -> Rates:
    """The learning rate of every arm under every judge.

    Args:
        config: The study.
        swept: ``study_figures/1`` of the sweep; empty where there is one rate alone.
    """
    rates = {}
    for judge in config.judges:
        for arm in arms_of(config, judge):
            by = judge.rates_of or judge.name
            least = config.least_valid_of.get(arm, config.least_valid)
            of_arm = swept.filter(pl.col("judge") == by, pl.col("arm") == arm)
            rates[judge.name, arm] = (
                chosen_rate(of_arm, least_valid=least)
                if of_arm.height
                else config.learning_rates[0]
            )
    return rates


def figures_of(curves: Mapping[Job, pl.DataFrame]) -> pl.DataFrame:
    """``study_figures/1`` of alignments."""
    tables: Iterable[pl.DataFrame] = (
        table.with_columns(
            phase=pl.lit(job.phase),
            judge=pl.lit(job.judge),
            arm=pl.lit(job.arm),
            learning_rate=pl.lit(job.learning_rate),
            seed=pl.lit(job.seed, pl.Int64),
        ).select(STUDY_FIGURES.schema.names())
        for job, table in curves.items()
    )
    return pl.concat([STUDY_FIGURES.empty(), *tables])


def _arms_to_sweep(config: StudyConfig, judge: JudgeConfig) -> list[str]:
    """A judge's arms, and those of judges that take their rates from it."""
    wanted = set(arms_of(config, judge)).union(
        *(arms_of(config, other) for other in config.judges if other.rates_of == judge.name)
    )
    return [arm for arm in config.arms if arm in wanted]


def _job(
    config: StudyConfig, phase: str, judge: JudgeConfig, arm: str, *, rate: float, seed: int
) -> Job:
    values = {
        "scorer": judge.scorer,
        "seed": seed,
        "optim.learning_rate": rate,
        "heldout.split": SPLITS[phase],
    }
    return Job(phase, judge.name, arm, rate, seed, arm_config(config, arm, values))
