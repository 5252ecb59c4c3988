"""Writing a simulation as a run: every experiment at once as it is done, the rates at the end."""

import sys
from pathlib import Path

import polars as pl

from abtest.simulation.config import Scenario, SimulateConfig
from abtest.simulation.console import shown
from abtest.simulation.rates import error_rates
from abtest.simulation.results import EXPERIMENTS, GROWING, Results, line_of
from abtest.simulation.running import remaining, run_all
from abtest.simulation.tally import Tally
from caig.contracts.simulations import ERROR_RATES
from caig.runs.store import RunWriter


def record_simulation(
    root: Path, config: SimulateConfig, *, done: Results, processes: int, resumed_from: str | None
) -> tuple[Path, pl.DataFrame]:
    """Run what is not done yet, and write the run.

    The experiments taken over are written first, so that this run can be resumed in its turn.

    Args:
        root: Folder of all runs.
        config: What to simulate.
        done: Experiments of the run that is resumed.
        processes: Experiments that run at once.
        resumed_from: Name of the run that is resumed, for the record.

    Returns:
        The run's folder, and ``error_rates/1``.
    """
    results = dict(done)
    tasks = remaining(config, done)
    with RunWriter(root, "simulate", config, seed=config.seed) as run:
        run.log("experiments", taken_over=len(done), resumed_from=resumed_from, to_run=len(tasks))
        print(f"if it is cut off: caig simulate --resume {run.path}", file=sys.stderr)
        with (run.path / GROWING).open("w", encoding="utf-8") as file:
            for (scenario, number), tally in done.items():
                file.write(line_of(scenario, number, tally))
            file.flush()
            for scenario, number, tally in shown(run_all(tasks, processes), len(tasks)):
                results[scenario, number] = tally
                file.write(line_of(scenario, number, tally))
                file.flush()
        tallies: dict[Scenario, list[Tally]] = {scenario: [] for scenario in config.scenarios}
        lines = []
        for (scenario, number), tally in sorted(results.items()):
            tallies[scenario].append(tally)
            lines.append(line_of(scenario, number, tally))
        rates = error_rates(tallies, config.alpha)
        # In one order, so that the same configuration gives the same bytes.
        run.write_text("experiments", EXPERIMENTS, "".join(lines), "application/jsonl")
        (run.path / GROWING).unlink()
        run.write_table(ERROR_RATES, rates)
        run.add_metric("experiments", len(results))
    return run.path, rates
