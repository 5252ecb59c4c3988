"""``caig make-data``: write the shop world's traffic as a run."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def make_data(
    *,
    world: Literal["shop"] = "shop",
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Simulate one experiment of known truth and write its impression log.

    Artifacts: impression_log, traffic_truth.

    Args:
        world: Which world to simulate.
        config: TOML file of the experiment; see docs/shop-world.md.
        set_: One value over the file's, as key=value, e.g. --set seed=7 --set faults.bot_units=20.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.contracts.experiments import IMPRESSION_LOG, TRAFFIC_TRUTH
    from caig.runs.store import RunWriter
    from reference_models.shop.traffic import TrafficConfig, simulate_traffic

    assert world == "shop"
    settings = load_config(TrafficConfig, config, set_)
    with RunWriter(runs, "make-data", settings, seed=settings.seed) as run:
        traffic = simulate_traffic(settings)
        run.write_table(IMPRESSION_LOG, traffic.log)
        run.write_table(TRAFFIC_TRUTH, traffic.truth)
        run.add_metric("impressions", int(traffic.log["n_impressions"].sum()))
        run.add_metric("clicks", int(traffic.log["n_clicks"].sum()))
    print(run.path)
