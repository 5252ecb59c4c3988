"""``caig experiment``: a week in the shop, each arm showing the ads of one generator."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    import polars as pl

    from caig.runs.store import Run, RunWriter
    from reference_models.shop.online import OnlineConfig, OnlineTraffic

ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""Names that need no quoting, in a table or on a command line."""

Arms = Annotated[tuple[str, ...], Parameter(name="--arm", negative="", show_default=False)]
Sets = Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)]


def experiment(
    data: Path,
    *,
    arm: Arms = (),
    config: Path | None = None,
    set_: Sets = (),
    lift: Annotated[bool, Parameter(negative="--no-lift")] = True,
    runs: Path = Path("runs"),
) -> None:
    """Show the ads of two or more generators in the shop's traffic, and measure their lift.

    Users of the simulated shop are randomised to the arms; each impression shows one of its arm's
    ads of the product, and is clicked as the click model has it for the look that the ad was
    painted with. The log is analysed by caig lift, which does not see the truth; the published
    table is printed, estimates beside the truth. The last line is the folder of the experiment's
    run, which holds impression_log, online_ads, online_truth and creatives.

    Args:
        data: Run of the shop world with products, of caig make-data; or part of its id.
        arm: NAME=RUN, twice or more: an arm, and the run of caig generate whose ads it shows. The
            first is control. A product is shown if every arm has an ad of it.
        config: TOML file of the traffic; see docs/experiment.md.
        set_: One value over the file's, e.g. --set n_users=100000.
        lift: Analyse the log, and write the table.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.errors import ArtifactError
    from reference_models.experiment_table import record_table
    from reference_models.shop.arms import read_arm
    from reference_models.shop.online import OnlineConfig, simulate_online

    settings = load_config(OnlineConfig, config, set_)
    named = _named(arm)
    shop = open_run(data, runs)
    if "products" not in shop.manifest.artifacts:
        raise ArtifactError(f"{shop.path}: holds no products; name a run of caig make-data")
    sources = {name: open_run(Path(run), runs) for name, run in named.items()}
    products = shop.table("products")
    arms = [read_arm(name, run, products) for name, run in sources.items()]
    traffic = simulate_online(settings, products, arms)
    print(_said(traffic, list(sources)))
    written = _record(runs, settings, shop, sources, traffic)
    if lift:
        analysis = _analysed(written, next(iter(sources)), runs)
        path, table = record_table(runs, written, analysis)
        print(f"\n{table}\n")
        print(f"analysis: {analysis.path}\ntable: {path}")
    print(written.path)


def _named(arms: Sequence[str]) -> dict[str, str]:
    """Runs by the arms' names, in their order."""
    from caig.errors import CaigError

    named: dict[str, str] = {}
    for given in arms:
        name, _, run = given.partition("=")
        if not ARM_NAME.fullmatch(name) or not run:
            raise CaigError(
                f"--arm {given!r}: write NAME=RUN, the name of letters, digits and . _ + -"
            )
        if name in named:
            raise CaigError(f"--arm {given!r}: there is an arm {name!r} already; give it a name")
        named[name] = run
    if len(named) < 2:
        raise CaigError(
            f"{len(named)} arm(s): a comparison needs two or more, control first: "
            "--arm control=RUN --arm treatment=RUN"
        )
    return named


def _said(traffic: "OnlineTraffic", names: Sequence[str]) -> str:
    """What is shown, and what is not."""
    import polars as pl

    from caig.text import plural, printable

    shown = traffic.ads["product_id"].n_unique()
    n_ads = dict(traffic.ads.group_by("arm").agg(pl.len()).iter_rows())
    lines = [
        f"{plural(shown, 'product')} of "
        f"{plural(traffic.ads['category'].n_unique(), 'category', 'categories')} shown; ads by "
        f"arm: {', '.join(f'{name} {n_ads[name]:,}' for name in names)}"
    ]
    if traffic.left_out:
        few = ", ".join(traffic.left_out[:3]) + (", ..." if len(traffic.left_out) > 3 else "")
        lines.append(
            f"{plural(len(traffic.left_out), 'product')} left out, as some arm has no ad of "
            f"them: {printable(few)}"
        )
    bare = traffic.ads.filter(pl.col("scene").is_null())
    for name, n in bare.group_by("arm", maintain_order=True).agg(pl.len()).iter_rows():
        lines.append(f"{name}: {plural(n, 'ad')} of prompts without a scene show a bare backdrop")
    return "\n".join(lines)


def _record(
    runs: Path,
    settings: "OnlineConfig",
    shop: "Run",
    sources: "dict[str, Run]",
    traffic: "OnlineTraffic",
) -> "Run":
    from caig.contracts.creatives import CREATIVES
    from caig.contracts.experiments import IMPRESSION_LOG
    from caig.contracts.online import ONLINE_ADS, ONLINE_TRUTH
    from caig.runs.store import Run, RunWriter

    inputs = {"products": shop, **{f"arm {name}": run for name, run in sources.items()}}
    with RunWriter(runs, "experiment", settings, inputs=inputs, seed=settings.seed) as run:
        run.write_table(IMPRESSION_LOG, traffic.log)
        run.write_table(ONLINE_ADS, traffic.ads)
        run.write_table(ONLINE_TRUTH, traffic.truth)
        run.write_table(CREATIVES, _with_pictures(run, sources, traffic.ads))
        run.log("products", left_out=list(traffic.left_out))
        run.add_metric("impressions", int(traffic.log["n_impressions"].sum()))
        run.add_metric("clicks", int(traffic.log["n_clicks"].sum()))
        run.add_metric("products_shown", traffic.ads["product_id"].n_unique())
        run.add_metric("products_left_out", len(traffic.left_out))
    return Run.open(run.path)


def _with_pictures(
    run: "RunWriter", sources: "dict[str, Run]", ads: "pl.DataFrame"
) -> "pl.DataFrame":
    """``creatives/1`` of the ads shown, as the log names them, their pictures beside them."""
    import polars as pl

    from caig.errors import ArtifactError
    from caig.runs.files import link_or_copy
    from caig.runs.images import leads_out

    parts = []
    for name, source in sources.items():
        renamed = pl.lit(f"{name}/") + pl.col("creative_id")
        creatives = source.table("creatives").with_columns(renamed.alias("creative_id"))
        creatives = creatives.join(ads, on="creative_id", how="semi", maintain_order="left")
        for relative in creatives["image_path"].unique(maintain_order=True):
            picture, target = source.path / relative, run.path / relative
            if leads_out(relative) or not picture.is_file():
                raise ArtifactError(f"{source.path}: its picture {relative!r} is not there")
            if not target.exists():  # a picture is named by its content
                target.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(picture, target)
        parts.append(creatives)
    return pl.concat(parts)


def _analysed(experiment: "Run", control: str, runs: Path) -> "Run":
    """Run ``caig lift`` as the command line would, its own tables unsaid, and open its run."""
    import contextlib
    import io
    import shlex

    from caig import cli
    from caig.errors import CaigError
    from caig.runs.catalog import list_runs
    from caig.runs.store import Run

    # In little traffic a rare category may be without impressions in an arm.
    chosen = (f'design.control="{control}"', 'analysis.one_arm_categories="report"')
    words = [word for choice in chosen for word in ("--set", choice)]
    command = ["lift", str(experiment.path), *words, "--runs", str(runs)]
    print(f"$ caig {shlex.join(command)}", flush=True)
    before = {entry.run_id for entry in list_runs(runs, verb="lift")}
    with contextlib.redirect_stdout(io.StringIO()):
        exit_code = cli.run(command)
    if exit_code:
        raise CaigError(f"the analysis stopped; the experiment is complete: {experiment.path}")
    made = (entry for entry in list_runs(runs, verb="lift") if entry.run_id not in before)
    return Run.open(next(made).path)
