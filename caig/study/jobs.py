"""The alignments of a study: each in a folder of its own, several at a time, none made twice.

An alignment leaves some forty runs. They are kept while it is under way, so that a killed study
goes on within it, and are removed when its curves are on disk, unless they are to be kept.
"""

import contextlib
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.errors import CaigError
from caig.preference.config import AlignConfig
from caig.runs.catalog import find_run, list_runs
from caig.runs.store import Run


@dataclass(frozen=True)
class Job:
    """One alignment.

    Attributes:
        phase: "sweep" chooses a learning rate on validation products, "report" is told.
        judge: Name of the judge.
        arm: Name of the arm.
        learning_rate: Peak rate.
        seed: Seed.
        config: The whole configuration.
    """

    phase: str
    judge: str
    arm: str
    learning_rate: float
    seed: int
    config: AlignConfig

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.phase}, {self.judge}, {self.arm}, {self.learning_rate:g}, seed {self.seed}"

    @property
    def key(self) -> str:
        """A file name of its own."""
        digest = sha256(f"{self.title} {self.config.model_dump_json()}".encode()).hexdigest()
        return f"{self.phase}-{digest[:16]}"


def run_jobs(
    jobs: Sequence[Job],
    policy: Run,
    data: Run,
    *,
    folder: Path,
    runs: Path,
    processes: int,
    keep: bool,
    say: Callable[[str], None],
) -> dict[Job, pl.DataFrame]:
    """Make all alignments that are not made yet.

    Args:
        jobs: What to make.
        policy: Run of the prompt model that all begin with.
        data: Run of the products.
        folder: Where alignments are kept, and their curves when they are done.
        runs: Folder of all runs, where the judges are.
        processes: Alignments at a time.
        keep: Keep all runs of an alignment that is done.
        say: Told of each that is done.

    Returns:
        ``alignment_curves/1`` of each.

    Raises:
        CaigError: One failed; the others' curves are kept.
    """
    done = {job: folder / "curves" / f"{job.key}.parquet" for job in jobs}
    (folder / "curves").mkdir(parents=True, exist_ok=True)
    left = [job for job in jobs if not done[job].is_file()]
    context = multiprocessing.get_context("spawn")  # torch does not outlive a fork
    with ProcessPoolExecutor(max(1, min(processes, len(left))), mp_context=context) as pool:
        waiting = {
            pool.submit(
                align_job, job, policy.path, data.path, folder=folder, runs=runs, keep=keep
            ): job
            for job in left
        }
        try:
            for n, future in enumerate(as_completed(waiting), start=len(jobs) - len(left) + 1):
                future.result()
                job = waiting[future]
                say(f"{n} of {len(jobs)}: {job.title}: {_last_figures(done[job])}")
        except BrokenProcessPool:
            raise CaigError(
                "a process of the study was killed; it goes on with --resume, and takes less "
                "memory with fewer --processes"
            ) from None
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
    return {job: pl.read_parquet(file) for job, file in done.items()}


def align_job(job: Job, policy: Path, data: Path, *, folder: Path, runs: Path, keep: bool) -> None:
    """Make one alignment, going on where an earlier process was cut off, and keep its curves."""
    import torch

    from caig.preference.align import align_run
    from caig.preference.policy import open_policy

    torch.set_num_threads(1)  # several at a time; and no sum depends on how many there are
    own = folder / job.key
    own.mkdir(exist_ok=True)
    # Runs find what they were made from beside them.
    beside = [policy.resolve(), data.resolve()]
    kind, _, name = job.config.scorer.partition(":")
    if kind == "run":
        beside.append(find_run(runs, name).path.resolve())
    for source in beside:
        if not (own / source.name).exists():
            (own / source.name).symlink_to(source)
    before = next(
        (entry.path for entry in list_runs(own, verb="align") if entry.status == "failed"), None
    )
    with (
        (own / "said.txt").open("a", encoding="utf-8") as said,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        path = align_run(
            open_policy(Run.open(own / policy.name)),
            Run.open(own / data.name),
            job.config,
            runs=own,
            resume=before,
            say=lambda text: print(text, file=said, flush=True),
        )
    found = Run.open(path).table(ALIGNMENT_CURVES.name)
    draft = folder / "curves" / f"{job.key}.draft"
    found.write_parquet(draft)
    draft.rename(draft.with_suffix(".parquet"))
    if not keep:
        shutil.rmtree(own)


def _last_figures(file: Path) -> str:
    found = pl.read_parquet(file)
    last = found.filter(pl.col("epoch") == pl.col("epoch").max())
    values = dict(last.drop_nulls("value").select("metric", "value").iter_rows())
    names = ("matching", "valid", "rm_win_rate", "true_ctr_gain")
    return ", ".join(f"{name} {values[name]:.3f}" for name in names if name in values)
