"""The run of ``caig judge``: probe, questions, tables; and going on with one that was cut off."""

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from caig.config import load_config
from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.gates import ITEM_SCORES
from caig.contracts.judgements import JUDGEMENT_STATUSES, JUDGEMENTS
from caig.errors import ArtifactError, ConfigError
from caig.runs.store import Run, RunWriter
from evaluation.judge.asking import Asker
from evaluation.judge.backends import make_backend
from evaluation.judge.budget import Budget
from evaluation.judge.config import JudgeConfig
from evaluation.judge.items import ADS, NEGATIVE, POSITIVE, read_items
from evaluation.judge.judging import Judging
from evaluation.judge.protocol import Ability
from evaluation.judge.replies import Replies, Spent
from evaluation.judge.results import ALL, item_scores, naive_rate, suite_results
from evaluation.judge.rubric import Rubric, load_rubric

CONFIG = "config.toml"
JOB = "job.json"
REPLIES = "judge-replies.jsonl"

Advance = Callable[[int, int, float], None]
"""Told how many items of how many are done, and what was spent so far (US dollars)."""


class Task(NamedTuple):
    """What is to be judged.

    Attributes:
        config: How.
        runs: Runs of ads by role: ``ads``, and ``negative`` and ``positive`` if there are.
        replies: File of replies.
        job: Name that attempts are recorded under, kept when a run is resumed.
    """

    config: JudgeConfig
    runs: dict[str, Run]
    replies: Path
    job: str


class Judged(NamedTuple):
    """A run that was made.

    Attributes:
        path: Its folder.
        rubric: What was asked.
        ability: What the judge was seen to do.
        judgements: ``judgements/1``.
        results: ``suite_results/1``.
        spent: By all its attempts.
        n_in_the_air: Attempts that began before it was cut off and whose end is not known.
    """

    path: Path
    rubric: Rubric
    ability: Ability
    judgements: pl.DataFrame
    results: pl.DataFrame
    spent: Spent
    n_in_the_air: int


def new_task(
    config: JudgeConfig, runs: Mapping[str, Run], root: Path, replies: Path | None
) -> Task:
    """A task that has not begun.

    Args:
        config: How.
        runs: Runs of ads by role.
        root: Folder of all runs, which the file of replies is in unless one is named.
        replies: File of replies; None is the shared one.
    """
    return Task(config, dict(runs), replies or root / REPLIES, secrets.token_hex(8))


def resumed(folder: Path, ads: Run, *, max_usd: float | None, replies: Path | None) -> Task:
    """The task of a run that was cut off.

    Args:
        folder: Its folder.
        ads: The run it judges.
        max_usd: Another bound of cost; None keeps the run's.
        replies: Where its file of replies is now; None where it was.

    Raises:
        ArtifactError: The folder is no run of ``caig judge``, or of other ads.
    """
    if "-judge-" not in folder.resolve().name or not (folder / JOB).is_file():
        raise ArtifactError(f"{folder}: no run of caig judge; it would hold {JOB}")
    job = json.loads((folder / JOB).read_bytes())
    runs = {ADS: ads}
    for role in (ADS, NEGATIVE, POSITIVE):
        used = job["runs"].get(role)
        if used is None:
            continue
        run = ads if role == ADS else Run.open(ads.path.resolve().parent / used["run_id"])
        if run.as_input().model_dump(mode="json") != used:
            raise ArtifactError(f"{folder}: judges {used['run_id']}, which is not {run.path}")
        runs[role] = run
    more = [] if max_usd is None else [f"max_usd={max_usd}"]
    config = load_config(JudgeConfig, folder / CONFIG, more)
    return Task(config, runs, replies or Path(job["replies"]), str(job["job"]))


def record_judging(root: Path, task: Task, *, advance: Advance) -> Judged:
    """Judge what is not judged yet, and write the run.

    Args:
        root: Folder of all runs.
        task: What to judge.
        advance: Told of progress.

    Raises:
        CaigError: The judge cannot be made, or does not do what is asked for.
    """
    config = task.config
    rubric = load_rubric(config.rubric)
    items, read = read_items(task.runs, max_items=config.max_items, seed=config.seed)
    backend = make_backend(config)
    with (
        RunWriter(root, "judge", config, inputs=read, seed=config.seed) as run,
        Replies(task.replies, task.job) as replies,
    ):
        run.write_text("job", JOB, _job(task), "application/json")
        ads = task.runs[ADS].path
        print(f"if it is cut off: caig judge {ads} --resume {run.path}", file=sys.stderr)
        n_in_the_air = sum(replies.in_the_air.values())
        budget = Budget(config, replies.spent_in_all(), is_free=backend.is_free)
        asker = Asker(backend, replies, budget, config.api)
        ability = backend.probe(config, asker.ask_anew)
        run.log("probe", tier=ability.tier, findings=ability.findings)
        judging = Judging(
            backend.name,
            config=config,
            rubric=rubric,
            ability=ability,
            asker=asker,
            replies=replies,
        )
        judgements = judging.judge(
            items,
            parallel=asker.parallel,
            advance=lambda done, total: advance(done, total, budget.usd),
        )
        results = suite_results(judgements, items, rubric)
        made = Judged(
            run.path,
            rubric,
            ability,
            judgements,
            results,
            replies.spent_in_all(),
            n_in_the_air,
        )
        run.write_table(JUDGEMENTS, judgements)
        run.write_table(SUITE_RESULTS, results)
        run.write_table(ITEM_SCORES, item_scores(judgements, items, rubric))
        seen = {"judge": backend.name, **ability._asdict()}
        for name, content in (
            ("rubric", rubric.model_dump_json(indent=2)),
            ("ability", json.dumps(seen, indent=2)),
        ):
            run.write_text(name, f"{name}.json", content + "\n", "application/json")
        for name, value in figures(made).items():
            run.add_metric(name, value)
        run.log("asked", halved=asker.throttle.n_halved, unreadable=replies.n_unreadable)
    return made


def figures(made: Judged) -> dict[str, float | None]:
    """A run's headline figures."""
    name = made.rubric.name
    whole = made.judgements.filter((pl.col("question") == name) & (pl.col("control") == "none"))
    counted = dict(whole["status"].value_counts().iter_rows())
    found: dict[str, float | None] = {"n_items": whole.height}
    found |= {f"n {s}": counted[s] for s in JUDGEMENT_STATUSES if s in counted}
    for row in made.results.filter(pl.col("slice") == ALL).iter_rows(named=True):
        if row["metric"] == naive_rate(name) or row["metric"].endswith("_control_rate"):
            label = f"{row['metric']}: {row['subject']}"
            found[label] = row["estimate"]
            found[f"{label}, lower"], found[f"{label}, upper"] = row["ci_lower"], row["ci_upper"]
            found[f"{label}, n"] = row["n"]
    spent = made.spent
    found |= {"n_attempts": spent.n_attempts, "n_attempts_unpriced": spent.n_unpriced}
    found["cost_usd_unpriced_left_out" if spent.n_unpriced else "cost_usd"] = spent.usd
    if made.n_in_the_air:
        found["n_attempts_of_unknown_end"] = made.n_in_the_air
    return found


def refuse_changes(overrides: tuple[str, ...], config: Path | None, folder: Path) -> None:
    """A resumed run keeps its configuration.

    Raises:
        ConfigError: Something would change.
    """
    if overrides or config:
        raise ConfigError(
            f"{folder}: a resumed run keeps its configuration; leave out --config, --set, --judge "
            "and --rubric (--max-cost may change)"
        )


def _job(task: Task) -> str:
    content: dict[str, Any] = {
        "job": task.job,
        "replies": str(task.replies.resolve()),
        "runs": {role: run.as_input().model_dump(mode="json") for role, run in task.runs.items()},
    }
    return json.dumps(content, indent=2) + "\n"
