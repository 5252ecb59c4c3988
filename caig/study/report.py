"""The study in words and tables: Markdown, for people."""

from collections.abc import Sequence

import polars as pl

from caig.study.config import StudyConfig
from caig.study.estimates import KEPT, SHARE, Estimate, start_of

UNKNOWN = "\N{EN DASH}"

PUBLISHED = "Published (arXiv 2502.06823): matching 0.842, after five epochs DPO 0.597, PCPO 0.798."

COLUMNS = {
    "matching": "matching",
    KEPT: "of the start's",
    "valid": "valid",
    "true_ctr_gain": "gain in true CTR",
    SHARE: "of the baseline's gain",
    "rm_win_rate": "judge's win rate",
    "goodhart_gap": "judge beyond truth",
    "place_entropy": "entropy of the place",
}


def report(config: StudyConfig, figures: pl.DataFrame, estimates: pl.DataFrame) -> str:
    """Markdown of a study.

    Args:
        config: What was asked for.
        figures: ``study_figures/1``.
        estimates: ``study_estimates/1``.
    """
    n = figures.select("phase", "judge", "arm", "learning_rate", "seed").unique()["phase"]
    start = start_of(figures)
    parts = [
        "# Study of preference optimisation\n",
        f"{(n == 'report').sum()} alignments reported on test products, seeds "
        f"{_listed(config.seeds)}; {(n == 'sweep').sum()} to choose learning rates on validation "
        f"products, seeds {_listed(config.sweep_seeds)}. {config.align.epochs} epochs each. Means "
        "over seeds with 95 % intervals (Student's t; Fieller's for the share of a gain).\n",
        PUBLISHED + "\n",
        "## Start\n",
        _table([("all arms", UNKNOWN, start)], with_share=False),
    ]
    for judge in config.judges:
        of_judge = estimates.filter(pl.col("judge") == judge.name)
        rows = [
            (str(arm), f"{rate:g}", _by_metric(rows))
            for (arm, rate), rows in of_judge.group_by("arm", "learning_rate", maintain_order=True)
        ]
        parts.append(f"## Judge: {judge.name} (`{judge.scorer}`)\n")
        parts.append(_table(rows, with_share=True))
        if ended := _ended_early(figures, judge.name, config.align.epochs):
            parts.append(ended)
    if "sweep" in n:
        parts += ["## Choice of the learning rate\n", _sweep(figures)]
    return "\n".join(parts)


def _by_metric(rows: pl.DataFrame) -> dict[str, Estimate]:
    columns = ("metric", "mean", "mean_ci_lower", "mean_ci_upper", "n_seeds", "method", "status")
    return {name: Estimate(*rest) for name, *rest in rows.select(*columns).iter_rows()}


def _table(rows: Sequence[tuple[str, str, object]], *, with_share: bool) -> str:
    names = {k: v for k, v in COLUMNS.items() if with_share or k not in (KEPT, SHARE)}
    lines = [
        "| arm | rate | " + " | ".join(names.values()) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for arm, rate, found in rows:
        assert isinstance(found, dict)
        cells = [_cell(found.get(name)) for name in names]
        lines.append(f"| {arm} | {rate} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(one: Estimate | None) -> str:
    if one is None or one.mean is None:
        return UNKNOWN
    if one.lower is None or one.upper is None:
        return f"{one.mean:.3f} ({one.status.replace('_', ' ')})"
    return f"{one.mean:.3f} [{one.lower:.3f}, {one.upper:.3f}]"


def _ended_early(figures: pl.DataFrame, judge: str, epochs: int) -> str:
    runs = (
        figures.filter(pl.col("phase") == "report", pl.col("judge") == judge)
        .group_by("arm", "seed", maintain_order=True)
        .agg(pl.col("epoch").max())
        .filter(pl.col("epoch") < epochs)
    )
    if not runs.height:
        return ""
    told = ", ".join(f"{arm} seed {seed} after {epoch}" for arm, seed, epoch in runs.iter_rows())
    return f"Ended before epoch {epochs}, told as they ended: {told}.\n"


def _sweep(figures: pl.DataFrame) -> str:
    swept = figures.filter(pl.col("phase") == "sweep")
    key = ["judge", "arm", "learning_rate"]
    last = swept.filter(pl.col("epoch") == pl.col("epoch").max().over([*key, "seed"]))
    wide = (
        last.filter(pl.col("metric").is_in(["matching", "valid", "rm_win_rate", "true_ctr_gain"]))
        .group_by(*key, "metric", maintain_order=True)
        .agg(pl.col("value").mean())
        .pivot("metric", index=key, values="value")
    )
    names = [name for name in wide.columns if name not in key]
    lines = [
        "| judge | arm | rate | " + " | ".join(names) + " |",
        "| --- " * (3 + len(names)) + "|",
    ]
    for row in wide.iter_rows(named=True):
        values = [UNKNOWN if row[name] is None else f"{row[name]:.3f}" for name in names]
        cells = [row["judge"], row["arm"], f"{row['learning_rate']:g}", *values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(str(seed) for seed in seeds) or UNKNOWN
