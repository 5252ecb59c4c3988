"""Verbs of the offline evaluation."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def evaluate(
    pairs_run: Path,
    *scores_runs: Path,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """How often scorers pick the ad that was clicked more, beside what could be known.

    Accuracy of every scorer over both presentations, with the ceiling that chance in the labels
    puts on it, by category, by how sure the label is and by gap; flips with the sides; calibration;
    every two scorers compared. Prints the answer and the table; the last line is the run's folder,
    which holds suite_results, scorer_counts, position_bias, reliability, scorer_comparisons and
    item_scores (Parquet), report.html and report.md.

    Args:
        pairs_run: Run with creative_pairs, of caig pairs, as a folder or an id.
        scores_runs: Runs with pair_scores of these pairs, of caig score.
        config: TOML file: scoring, slices, statistics; see docs/pair-accuracy.md.
        set_: One value over the file's, as section.key=value, e.g. --set scoring.split=val.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from evaluation.config import EvaluateConfig
    from evaluation.console import print_evaluation
    from evaluation.reading import read_evidence
    from evaluation.record import record_evaluation

    settings = load_config(EvaluateConfig, config, set_)
    evidence = read_evidence(pairs_run, scores_runs, settings, root=runs)
    path, view = record_evaluation(runs, evidence, settings)
    print_evaluation(view)
    print(path)
