"""A/A test on the experiment's own log: assign its units to arms anew and see what the test finds.

Assigned at random, arms differ by luck alone, so every rejection is a false one. If the analysis is
right for this log, with its heavy users and its rare categories, it rejects at its level; whatever
the true effect was, it is spread over both arms. The same assignments give the permutation p-value
of the observed overall lift (Ernst 2004, "Permutation Methods", section 3; the statistic is the
studentised log lift, which keeps the level also where only the CTRs are alike: Chung and Romano
2013).

Sums over the units of a new arm are one sparse product, (sums x units) times (units x assignments);
the other arm's are the rest. Needs counts by unit.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from abtest.config import Analysis
from abtest.counting.counts import UnitCounts
from abtest.estimation.binomial import Clicks, wilson_interval
from abtest.estimation.clustered import UnitMoments, lift_p_value, log_lift
from caig.contracts.health import AA_SCOPES, AA_TEST

Floats = NDArray[np.float64]
AT_ONCE = 25
"""Assignments in memory at once: 8 bytes a unit each."""
LEVEL_OF_RATE = 0.05
METHOD = (
    "units assigned anew, arms of the same size; delta method on log lift, clustered by unit; "
    "units seen in both arms left out"
)


class Rerandomised(NamedTuple):
    """Tests of one contrast under assignments at random.

    Attributes:
        categories: Names, sorted.
        overall: Shape (replicates,), p-values of the overall lift; NaN where not tested.
        by_category: Shape (categories, replicates), the same of each category.
        permutation_p_value: Of the observed overall lift; NaN if there is none.
    """

    categories: list[str]
    overall: Floats
    by_category: Floats
    permutation_p_value: float


def rerandomise(
    counts: UnitCounts,
    experiment: str,
    *,
    control: str,
    treatment: str,
    min_clicking_units: int = 5,
    replicates: int = 200,
    seed: int = 0,
) -> Rerandomised:
    """Test every cell under assignments at random.

    Args:
        counts: Counts of a log that names units.
        experiment: Its experiment.
        control: Arm.
        treatment: Arm. Units of other arms play no part.
        min_clicking_units: As in the analysis: cells with fewer in an arm are not tested.
        replicates: Assignments to draw.
        seed: Of the assignments.
    """
    units = _units(counts, experiment, control, treatment)
    is_treated = (units.sort("unit").group_by("unit", maintain_order=True).first())["treated"]
    sums = _sums_by_unit(units)
    observed = is_treated.to_numpy().astype(np.float64)[:, None]
    rng = np.random.default_rng(seed)
    p_values, z_values = [], []
    for start in range(0, replicates, AT_ONCE):
        drawn = np.repeat(observed.T, min(AT_ONCE, replicates - start), axis=0)
        p, z = _tested(sums, rng.permuted(drawn, axis=1).T, min_clicking_units)
        p_values.append(p)
        z_values.append(z)
    p_value = np.concatenate(p_values, axis=1)
    names = units["category"].drop_nulls().unique().sort().to_list()
    _, seen = _tested(sums, observed, min_clicking_units)
    permutation = _permutation_p_value(float(seen[-1, 0]), np.concatenate(z_values, axis=1)[-1])
    return Rerandomised(names, p_value[-1], p_value[:-1], permutation)


def aa_tests(
    counts: UnitCounts,
    arms: pl.DataFrame,
    analysis: Analysis,
    *,
    replicates: int = 200,
    seed: int = 0,
) -> pl.DataFrame:
    """False-positive rates of every contrast under assignments at random.

    Args:
        counts: Counts of a log.
        arms: Columns ``experiment_id, arm, is_control``.
        analysis: Level, and the fewest clicking units of a test.
        replicates: Assignments to draw for each contrast.
        seed: Of the assignments.

    Returns:
        ``aa_test/1``; empty if the log names no unit. The intervals of rates take tests for
        independent; those of categories share units, and all share the log.
    """
    pairs = arms.filter("is_control").join(
        arms.filter(~pl.col("is_control")), on="experiment_id", suffix="_treatment"
    )
    rows: list[dict[str, object]] = []
    if counts.cells["unit_id"].null_count() < counts.cells.height:
        names = pairs.select("experiment_id", "arm", "arm_treatment").sort(pl.all())
        for experiment, control, treatment in names.iter_rows():
            found = rerandomise(
                counts,
                experiment,
                control=control,
                treatment=treatment,
                min_clicking_units=analysis.min_clicking_units,
                replicates=replicates,
                seed=seed,
            )
            base = {
                "experiment_id": experiment,
                "contrast": f"{treatment} vs {control}",
                "replicates": replicates,
                "alpha": analysis.alpha,
                "method": METHOD,
            }
            permutation = found.permutation_p_value
            for scope, p in zip(AA_SCOPES, (found.overall, found.by_category), strict=True):
                known = None if scope == "category" or np.isnan(permutation) else permutation
                rows.append(
                    base | {"scope": scope, "permutation_p_value": known} | _rate(p, analysis.alpha)
                )
    return pl.DataFrame(rows, schema=AA_TEST.schema)


def _units(counts: UnitCounts, experiment: str, control: str, treatment: str) -> pl.DataFrame:
    """Impressions and clicks by unit and category of the units seen in one of the two arms."""
    cells = counts.cells.filter(
        (pl.col("experiment_id").cast(pl.String) == experiment) & pl.col("unit_id").is_not_null()
    ).select(
        "n",
        "c",
        pl.col("arm", "category").cast(pl.String),
        unit=pl.col("unit_id").to_physical(),
    )
    in_two = cells.group_by("unit").agg(arms=pl.col("arm").n_unique()).filter(pl.col("arms") > 1)
    return (
        cells.filter(pl.col("arm").is_in([control, treatment]))
        .join(in_two, on="unit", how="anti")
        .group_by("unit", "category", treated=pl.col("arm") == treatment)
        .agg(pl.col("n", "c").sum())
    )


def _sums_by_unit(units: pl.DataFrame) -> sparse.csr_array:
    """What a unit adds to every sum, shape (sums x cells, units); the last cell is overall.

    Sums are those of :class:`UnitMoments` and the clicking units.
    """
    overall = units.group_by("unit").agg(pl.col("n", "c").sum())
    n_categories = units["category"].drop_nulls().n_unique()
    cells = pl.concat(
        [
            units.filter(pl.col("category").is_not_null()).select(
                "unit", "n", "c", cell=pl.col("category").rank("dense").cast(pl.Int64) - 1
            ),
            overall.select("unit", "n", "c", cell=pl.lit(n_categories, dtype=pl.Int64)),
        ]
    )
    cells = cells.with_columns(pl.col("unit").rank("dense").cast(pl.Int64) - 1).sort("cell", "unit")
    n, c = (cells[name].to_numpy().astype(np.float64) for name in ("n", "c"))
    values = np.stack([np.ones_like(n), n, c, n * n, c * c, n * c, (c > 0).astype(np.float64)])
    # All sums have the same cells and units: the index of one is repeated.
    ends = np.searchsorted(cells["cell"].to_numpy(), np.arange(n_categories + 1), side="right")
    starts = np.arange(len(values))[:, None] * cells.height + ends
    return sparse.csr_array(
        (
            values.ravel(),
            np.tile(cells["unit"].to_numpy(), len(values)),
            np.concatenate([[0], starts.ravel()]),
        ),
        shape=(len(values) * (n_categories + 1), overall.height),
    )


def _tested(
    sums: sparse.csr_array, treated: Floats, min_clicking_units: int
) -> tuple[Floats, Floats]:
    """p-values and studentised log lifts, shape (cells, assignments); NaN where not tested."""
    size = len(UnitMoments._fields) + 1
    moments = (sums @ np.ascontiguousarray(treated)).reshape(size, -1, treated.shape[1])
    rest = sums.sum(axis=1).reshape(size, -1, 1) - moments
    fewest = np.minimum(moments[-1], rest[-1])
    lift = log_lift(UnitMoments(*rest[:-1]), UnitMoments(*moments[:-1]))
    is_tested = fewest >= min_clicking_units
    p_value = np.where(is_tested, lift_p_value(lift), np.nan)
    return p_value, np.where(is_tested, lift.value / lift.se, np.nan)


def _permutation_p_value(observed: float, drawn: Floats) -> float:
    if np.isnan(observed):
        return np.nan
    # The observed assignment is one of those that could have been drawn.
    return float((1 + np.sum(np.abs(drawn) >= abs(observed) * (1 - 1e-12))) / (1 + drawn.size))


def _rate(p_values: Floats, alpha: float) -> dict[str, object]:
    tests, rejections = int(np.sum(~np.isnan(p_values))), int(np.sum(p_values < alpha))
    if tests == 0:
        return {"tests": 0, "rejections": 0}
    rate = wilson_interval(Clicks(np.array([rejections]), np.array([tests])), LEVEL_OF_RATE)
    return {
        "tests": tests,
        "rejections": rejections,
        "false_positive_rate": float(rate.value[0]),
        "false_positive_rate_ci_lower": float(rate.lower[0]),
        "false_positive_rate_ci_upper": float(rate.upper[0]),
    }
