"""Tallies of simulated experiments in a file, one line each, so that a killed run can go on.

A line is written whole and flushed before the next experiment is asked for. If the process is
killed while it writes, the last line is torn: it is left out when read, and its experiment is drawn
again, with the same seed and so the same tally.
"""

import json
from pathlib import Path

from abtest.simulation.config import Scenario, SimulateConfig
from abtest.simulation.tally import Key, Tally
from caig.config import load_config
from caig.errors import ArtifactError, ConfigError

EXPERIMENTS = "experiments.jsonl"
GROWING = "experiments.partial.jsonl"
"""While experiments are run; the whole file, in order, takes its place at the end."""
CONFIG = "config.toml"
Results = dict[tuple[Scenario, int], Tally]
"""Tally by scenario and number of the experiment."""


def line_of(scenario: Scenario, number: int, tally: Tally) -> str:
    """One experiment as a line."""
    counts = [[*key, *counted] for key, counted in tally.items()]
    return json.dumps({"scenario": scenario, "number": number, "counts": counts}) + "\n"


def read_results(file: Path) -> Results:
    """All whole lines of a file; none if there is no file."""
    results: Results = {}
    if not file.is_file():
        return results
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # torn: the writer was killed
        record = json.loads(line)
        results[record["scenario"], record["number"]] = {
            Key(figure, scope, method, category): (events, trials)
            for figure, scope, method, category, events, trials in record["counts"]
        }
    return results


def resumed(folder: Path, overrides: tuple[str, ...]) -> tuple[SimulateConfig, Results]:
    """Configuration and results of a run that was cut off, or shall have more experiments.

    Args:
        folder: The run's folder.
        overrides: ``key=value`` texts; only ``experiments`` may change.

    Raises:
        ArtifactError: The folder is no run of ``caig simulate``.
        ConfigError: Something else than the number of experiments would change.
    """
    if not (folder / CONFIG).is_file() or "-simulate-" not in folder.resolve().name:
        raise ArtifactError(f"{folder}: no run of caig simulate; it would hold {CONFIG}")
    before = load_config(SimulateConfig, folder / CONFIG)
    after = load_config(SimulateConfig, folder / CONFIG, overrides)
    if after.model_copy(update={"experiments": before.experiments}) != before:
        raise ConfigError(
            f"{folder}: a resumed run may change experiments only; its other values are in {CONFIG}"
        )
    growing = folder / GROWING
    found = read_results(growing if growing.is_file() else folder / EXPERIMENTS)
    return after, {key: tally for key, tally in found.items() if key[1] < after.experiments}
