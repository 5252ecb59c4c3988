"""``caig demo``: the toolkit on simulated traffic, stage by stage, as a user would run it.

Every stage is a verb of the command line, called with the words a user would type, and hands over
run folders. The traffic is simulated and its true lifts are known, so a stage can say how often the
analysis was right. It is no evidence about any real shop.
"""

import contextlib
import importlib.util
import io
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from caig import cli, text
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import CaigError
from caig.runs.catalog import list_runs
from caig.runs.store import Run

PROMPTS = (
    ("sunglasses-2", "sandy beach in bright daylight, vivid colours, crisp"),
    ("sunglasses-2", "sunset over desert dunes, warm tones, bokeh"),
    ("coffee-machines-1", "a cosy kitchen counter in the morning, neutral colours"),
    ("coffee-machines-1", "coffee shop on a misty day, blurred, with croissants"),
    ("teddy-bears-1", "playroom, pastel colours, with confetti"),
    ("teddy-bears-1", "christmas tree and a fireplace at night, sparkles"),
    ("perfume-1", "lavender field at golden hour, shallow depth of field"),
    ("perfume-1", "marble table with roses, cool tones"),
)
"""Products and backgrounds that the demo asks for; some of it cannot be drawn."""


START = "ref:prompt-broad"

ALIGNED = {
    "DPO": ["loss.pcpo_weight=0", "loss.anchor=0.5"],
    "PCPO": ["corruption.kind=swap", "loss.anchor=1.0", "pairs.validity=prefer"],
}
"""Two ways of learning what is clicked: of clicks alone, and held to the product. Both with an
anchor on the chosen text, which keeps three short epochs from spoiling it."""

ALIGNMENT = (
    *("sampling.max_new_tokens=48", "sampling.batch_size=64", "generation.generator=procedural"),
    *("generation.size=64", "generation.batch_size=64", "corruption.patch=16"),
    *("optim.batch_size=16", "optim.learning_rate=2e-3", "optim.max_grad_norm=0.3"),
    *("heldout.products=88", "stop.min_valid=0", "stop.min_matching=0"),
)
"""What both have in common; the embedded prompt model and judge, as in docs/study.md."""

STAGES = 7


def run(
    *,
    runs: Path = Path("runs"),
    users: int = 200_000,
    seed: int = 20250428,
    epochs: int = 3,
) -> None:
    """All of the toolkit on a simulated shop with known truth; some minutes on two cores.

    Args:
        runs: Folder of all runs.
        users: Users in the simulated experiment.
        seed: Seed of the simulation.
        epochs: Epochs of the alignments; 0 leaves them out, and the week that follows them.
    """
    began = time.monotonic()
    traffic_settings = ["--set", f"n_users={users}", "--set", f"seed={seed}"]

    with _stage(1, "Draw the shop's ads, and a week of traffic: 44 categories, known lifts"):
        traffic = _verb("make-data", *traffic_settings, runs=runs)

    with _stage(2, "Paint new ads from free text, with the embedded painter (no model)"):
        prompts = runs / "demo-prompts.csv"
        pl.DataFrame(PROMPTS, schema=["product_id", "prompt"], orient="row").write_csv(prompts)
        words = [str(traffic.path), "--prompts", str(prompts)]
        painted = _verb("generate", *words, "--generator", "procedural", runs=runs)
        print(_unread(painted))

    sheets = None
    with _stage(3, "Align the prompt model that ships with clicks: by DPO, and by PCPO"):
        if not epochs:
            print("      left out")
        elif not _can_train():
            print("      left out: it needs torch; install caig-toolkit[train]")
        else:
            shop, aligned = _aligned(epochs, runs=runs)
            sheets = _verb("sheets", *_named(aligned), runs=runs)

    with _stage(4, "Show the ads of all three prompt models for a week"):
        if sheets is None:
            print("      left out, as there are none")
        else:
            _week(shop, aligned, runs=runs)

    with _stage(5, "Analyse the week of stage 1"):
        analysis = _verb("lift", str(traffic.path), runs=runs)

    with _stage(6, "Compare with the truth that the analysis did not see"):
        print(_compared(analysis, traffic))

    with _stage(7, "The same traffic, but 5 % of treatment's users never reach the log"):
        fault = ["--set", "faults.srm_lost_share=0.05", "--set", "ads.per_product=0"]
        fault += ["--set", "experiment_id=shop-launch-faulty"]
        with contextlib.redirect_stdout(io.StringIO()):
            broken_traffic = _verb("make-data", *traffic_settings, *fault, runs=runs)
            broken = _verb("lift", str(broken_traffic.path), runs=runs)
        print(_fault_found(broken))

    print(f"\nDone in {time.monotonic() - began:.0f} s. Open")
    print(f"  shop       {traffic.file('ads_sheet').resolve().as_uri()}")
    print(f"  new ads    {painted.file('sheet').resolve().as_uri()}")
    if sheets is not None:
        print(f"  by epoch   {sheets.file('sheets').resolve().as_uri()}")
    print(f"  report     {analysis.file('report_html').resolve().as_uri()}")
    print(f"  dashboard  {shlex.quote(sys.argv[0])} dashboard {shlex.quote(str(runs))}")


@contextlib.contextmanager
def _stage(number: int, title: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"\n[{number}/{STAGES}] {title}", flush=True)
    yield
    print(f"      {time.monotonic() - began:.1f} s", flush=True)


def _verb(verb: str, *words: str, runs: Path) -> Run:
    """Run a verb as the command line would, and open the run it made."""
    before = {entry.run_id for entry in list_runs(runs, verb=verb)}
    command = [verb, *words, "--runs", str(runs)]
    print(f"      $ caig {shlex.join(command)}", flush=True)
    if cli.run(command) != 0:
        raise CaigError(f"the demo stopped at: caig {shlex.join(command)}")
    made = next(e for e in list_runs(runs, verb=verb) if e.run_id not in before)
    return Run.open(made.path)


def _can_train() -> bool:
    return all(importlib.util.find_spec(name) for name in ("torch", "trl", "peft"))


def _aligned(epochs: int, *, runs: Path) -> tuple[Run, dict[str, Run]]:
    """Products to learn from, and alignments by name; prints how the match went."""
    small = ("ads.variants=4", "ads.per_product=1", "ads.size=64", "n_users=1000")
    shop = _verb("make-data", *_sets(small), runs=runs)
    words = [START, shop.run_id, "--scorer", "ref:reward-picture"]
    common = [*_sets(ALIGNMENT), *_sets((f"epochs={epochs}",))]
    aligned = {
        name: _verb("align", *words, *common, *_sets(values), runs=runs)
        for name, values in ALIGNED.items()
    }
    print("      scenes that suit the product, of held-out products, before and after each epoch;")
    print("      and the gain in true CTR, which no one was told")
    for name, run in aligned.items():
        curves = run.table("alignment_curves").sort("epoch")
        match, gain = (
            curves.filter(pl.col("metric") == metric)["value"]
            for metric in ("matching", "true_ctr_gain")
        )
        shown = "  ".join(f"{100 * value:5.1f} %" for value in match)
        print(f"      {name:<5} {shown}   {100 * gain[-1]:+.0f} %")
    return shop, aligned


def _week(shop: Run, aligned: dict[str, Run], *, runs: Path) -> None:
    """Two ads a test product of every prompt model, a week of traffic, and its analysis."""
    arms: list[str] = []
    models = {"pretrained": START, **{name: run.run_id for name, run in aligned.items()}}
    for name, model in models.items():
        settings = _sets(("sampling.max_new_tokens=48", "sampling.batch_size=64"))
        prompts = _verb("sample", model, shop.run_id, "--split", "test", *settings, runs=runs)
        words = [shop.run_id, "--prompts", prompts.run_id, "--generator", "procedural"]
        ads = _verb("generate", *words, *_sets(("size=64", "batch_size=64")), runs=runs)
        arms += ["--arm", f"{name.lower()}={ads.run_id}"]
    _verb("experiment", shop.run_id, *arms, runs=runs)


def _named(aligned: dict[str, Run]) -> list[str]:
    names = [word for name in aligned for word in ("--name", name)]
    return [*(run.run_id for run in aligned.values()), *names]


def _sets(values: Iterable[str]) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def _unread(painted: Run) -> str:
    readings = painted.table("prompt_readings").filter(pl.col("unread") != "")
    words = ", ".join(text.printable(words) for words in readings["unread"])
    return f"      could not draw: {words}"


def _compared(analysis: Run, traffic: Run) -> str:
    truth = traffic.table("traffic_truth").select("category", true_lift="rel_lift")
    table = analysis.table("lift_table").join(truth, on="category")
    holds = pl.col("true_lift").is_between("rel_lift_ci_lower", "rel_lift_ci_upper")
    overall = table.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    cells = table.filter(
        (pl.col("category") != ALL_CATEGORIES) & pl.col("rel_lift_ci_lower").is_not_null()
    )
    claims = cells.filter(pl.col("verdict").is_in(["win", "loss"]))
    right = claims.filter((pl.col("rel_lift") > 0) == (pl.col("true_lift") > 0))
    interval = text.interval(overall["rel_lift_ci_lower"], overall["rel_lift_ci_upper"])
    return (
        f"      overall: true lift {text.lift(overall['true_lift'])}, estimated "
        f"{text.lift(overall['rel_lift'])} {interval}\n"
        f"      {cells.filter(holds).height} of {cells.height} category intervals hold the "
        f"true lift (promised: {1 - overall['alpha']:.0%})\n"
        f"      {right.height} of {claims.height} significant categories point the right way"
    )


def _fault_found(analysis: Run) -> str:
    unhealthy = analysis.table("health").filter(pl.col("status") == "unhealthy")
    verdicts = analysis.table("lift_table")["verdict"].unique().to_list()
    found = [
        f"      {text.CHECK_WORDS[row['check']]}: {row['status']}, "
        f"p {text.p_value(row['p_value'])}: {row['detail']}"
        for row in unhealthy.iter_rows(named=True)
    ]
    return "\n".join([*found, f"      verdicts given: {', '.join(verdicts)}"])
