"""``caig judge``: a multimodal model's yes or no to a rubric's questions about ads."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def judge(
    ads: Path,
    *,
    judge: str | None = None,
    rubric: str | None = None,
    negative: Path | None = None,
    positive: Path | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    max_cost: float | None = None,
    dry_run: bool = False,
    resume: Path | None = None,
    replies: Path | None = None,
    mismatched: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Ask a judge whether the backgrounds of ads suit their products.

    A judge is a multimodal model: of yours, behind an API, or a rule for tests. What it does is
    tried first, and an ability that was not seen is not used. Every reply is on disk before the
    next question, and no reply that is there is paid for again. An answer is yes, no or unknown
    with the reason; nothing is ever filled in. Prints rates with their intervals and the cost; the
    last line is the run's folder, which holds judgements, suite_results and item_scores (Parquet),
    the rubric, and what the judge was seen to do.

    Args:
        ads: Run with creatives, of caig generate, as a folder or an id.
        judge: local:FOLDER, api:openai:MODEL, api:anthropic:MODEL, api:glm:MODEL, api:local:MODEL
            or scripted:NAME; the configuration's by default. Keys come from the environment.
        rubric: Rubric and version, or a TOML file; matching/1 by default.
        negative: Run of ads that are known not to match, see --mismatched: what the judge says of
            them is told beside.
        positive: Run of ads that are known to match, likewise.
        config: TOML file: tier, samples, api.concurrency, ...; see docs/judge.md.
        set_: One value over the file's, e.g. --set api.base_url=http://127.0.0.1:8000/v1.
        max_cost: Begin no question that could take the cost above this (US dollars).
        dry_run: Say how many questions and roughly what cost; ask and write nothing.
        resume: Run folder that was cut off; it keeps its configuration.
        replies: File of replies that were paid for; judge-replies.jsonl among the runs by default.
        mismatched: Write a CSV file of prompts for negative controls, for caig generate, and stop.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.progress import ShownProgress
    from evaluation.judge.config import JudgeConfig
    from evaluation.judge.console import print_estimate, print_judged
    from evaluation.judge.estimating import estimate
    from evaluation.judge.items import ADS, NEGATIVE, POSITIVE, mismatched_prompts, open_run
    from evaluation.judge.record import new_task, record_judging, refuse_changes, resumed

    judged = open_run(ads, runs)
    named = {"judge": judge, "rubric": rubric}
    overrides = (*set_, *(f"{key}={value}" for key, value in named.items() if value is not None))
    if resume:
        refuse_changes(overrides, config, resume)
        task = resumed(resume, judged, max_usd=max_cost, replies=replies)
    else:
        if max_cost is not None:
            overrides = (*overrides, f"max_usd={max_cost}")
        settings = load_config(JudgeConfig, config, overrides)
        if mismatched:
            mismatched_prompts(judged, seed=settings.seed).write_csv(mismatched)
            print(mismatched)
            return
        controls = {NEGATIVE: negative, POSITIVE: positive}
        named_runs = {role: open_run(run, runs) for role, run in controls.items() if run}
        task = new_task(settings, {ADS: judged, **named_runs}, runs, replies)
    if dry_run:
        print_estimate(estimate(task))
        return
    with ShownProgress("judging", "ads") as progress:
        made = record_judging(runs, task, advance=progress.advance)
    print_judged(made)
    print(made.path)
