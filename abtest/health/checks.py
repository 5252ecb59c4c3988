"""Is the experiment what its design says it is? Checks that come before any lift.

Sample ratio overall and by category, units seen in two arms, missing days. By category, a unit
counts in every category it was seen in; a treatment that changes which categories users see moves
these counts by itself, and the detail says so. The overall check is not affected by that.
"""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from abtest.categories.multiplicity import family_text
from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.health.sample_ratio import chi_square, sample_ratios
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH, WITHHOLDING_CHECKS


class HealthReport(NamedTuple):
    """Results of all checks.

    Attributes:
        checks: ``health/1``.
        sample_ratio: ``sample_ratio/1``.
    """

    checks: pl.DataFrame
    sample_ratio: pl.DataFrame

    def withheld(self, override: tuple[str, ...]) -> dict[str, list[str]]:
        """Experiments whose verdicts are withheld, with the failed checks.

        Args:
            override: Checks whose failure shall not count.
        """
        failed = self.checks.filter(
            (pl.col("status") == "unhealthy")
            & pl.col("check").is_in(WITHHOLDING_CHECKS)
            & ~pl.col("check").is_in(list(override))
        )
        grouped = failed.group_by("experiment_id", maintain_order=True).agg("check")
        return dict(grouped.iter_rows())


def check_health(sums: Sums, config: LiftConfig) -> HealthReport:
    """Run every check on every experiment.

    Args:
        sums: Sums of the log.
        config: Design and thresholds.

    Returns:
        One row an experiment and check; a check that cannot be made is ``not_applicable`` and
        says why.

    Raises:
        DataError: The declared split and the log do not have the same arms.
    """
    ratios = sample_ratios(sums.daily, config)
    checks = pl.concat(
        [
            _overall_ratio(ratios, config),
            _category_ratio(ratios, config),
            _crossover(sums, config),
            _missing_days(sums.daily),
        ]
    )
    order = {name: index for index, name in enumerate(text.CHECK_WORDS)}
    checks = checks.sort(
        "experiment_id", pl.col("check").replace_strict(order, return_dtype=pl.Int32)
    )
    return HealthReport(checks.select(HEALTH.schema.names()), ratios)


def _overall_ratio(ratios: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    rows = []
    overall = ratios.filter(pl.col("category") == ALL_CATEGORIES)
    for (experiment,), cell in overall.group_by("experiment_id", maintain_order=True):
        status = cell["status"][0]
        counts = ", ".join(
            f"{arm}: {text.count(observed)} of {text.count(expected)} expected"
            for arm, observed, expected in cell.select("arm", "observed", "expected").iter_rows()
        )
        statistic = _chi_square(cell) if status != "not_enough_traffic" else None
        detail = f"{cell['counted'][0]} by arm: {counts}"
        if status == "not_enough_traffic":
            detail += f"; the check needs {config.health.min_expected:g} expected in every arm"
        rows.append(
            _row(experiment, "sample_ratio", status, detail)
            | {
                "statistic": statistic,
                "p_value": cell["p_value"][0],
                "threshold": config.health.sample_ratio_alpha,
            }
        )
    return _as_checks(rows)


def _category_ratio(ratios: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    rows = []
    for (experiment,), cells in ratios.group_by("experiment_id", maintain_order=True):
        by_category = cells.filter(pl.col("category") != ALL_CATEGORIES)
        if by_category.is_empty():
            detail = "the log names no category"
            rows.append(_row(experiment, "sample_ratio_by_category", "not_applicable", detail))
            continue
        one = by_category.unique("category", maintain_order=True)
        tested = one.filter(pl.col("p_value_adj").is_not_null()).sort("p_value_adj")
        failed = tested.filter(pl.col("status") == "unhealthy")
        correction = family_text(config.analysis.correction, tested.height)
        detail = (
            f"{failed.height} of {tested.height} categories are off the declared split "
            f"({correction})"
        )
        if one.height > tested.height:
            detail += f"; {one.height - tested.height} have too little traffic to tell"
        if failed.height:
            worst = ", ".join(failed["category"][:5])
            detail += f"; worst: {worst}. A treatment that changes what units see can do this too"
        status = (
            "unhealthy" if failed.height else "healthy" if tested.height else "not_enough_traffic"
        )
        worst_cell = (
            by_category.filter(pl.col("category") == tested["category"][0])
            if tested.height
            else None
        )
        rows.append(
            _row(experiment, "sample_ratio_by_category", status, detail)
            | {
                "statistic": None if worst_cell is None else _chi_square(worst_cell),
                "p_value": tested["p_value_adj"][0] if tested.height else None,
                "threshold": config.health.sample_ratio_alpha,
            }
        )
    return _as_checks(rows)


def _crossover(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    rows = []
    experiments = sums.daily.select("experiment_id").unique().sort("experiment_id")
    counted = experiments.join(
        sums.crossover, on="experiment_id", how="left", maintain_order="left"
    )
    for experiment, units, crossing in counted.iter_rows():
        if config.design.randomisation == "impression" or units is None:
            detail = "impressions, not units, were randomised"
            rows.append(_row(experiment, "units_in_two_arms", "not_applicable", detail))
            continue
        share = crossing / units
        status = "unhealthy" if share > config.health.max_crossover_share else "healthy"
        detail = (
            f"{text.count(crossing)} of {text.plural(units, 'unit')} were seen in two arms or more "
            f"({text.percent(share, 2)})"
        )
        rows.append(
            _row(experiment, "units_in_two_arms", status, detail)
            | {"statistic": share, "threshold": config.health.max_crossover_share}
        )
    return _as_checks(rows)


def _missing_days(daily: pl.DataFrame) -> pl.DataFrame:
    rows = []
    overall = daily.filter(pl.col("category") == ALL_CATEGORIES)
    for (experiment,), days in overall.group_by("experiment_id", maintain_order=True):
        if days["day"].null_count():
            detail = "the log names no day"
            rows.append(_row(experiment, "missing_days", "not_applicable", detail))
            continue
        span = _span(days["day"].to_list())
        gaps = {
            arm: sorted(span - set(group["day"]))
            for (arm,), group in days.group_by("arm", maintain_order=True)
        }
        found = [
            f"{arm}: {', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}"
            for arm, missing in sorted(gaps.items())
            if missing
        ]
        n_missing = sum(len(missing) for missing in gaps.values())
        detail = (
            f"no impressions on {text.plural(n_missing, 'arm-day')} "
            f"of {text.plural(len(span), 'day')}: " + "; ".join(found)
            if found
            else f"every arm has impressions on each of {text.plural(len(span), 'day')}"
        )
        rows.append(
            _row(experiment, "missing_days", "unhealthy" if found else "healthy", detail)
            | {"statistic": float(n_missing), "threshold": 0.0}
        )
    return _as_checks(rows)


def _span(days: list[date]) -> set[date]:
    first, last = min(days), max(days)
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def _chi_square(cell: pl.DataFrame) -> float:
    value = cell.select(chi_square(pl.col("observed"), pl.col("expected"))).item()
    return float(value)


def _row(experiment: object, check: str, status: str, detail: str) -> dict[str, object]:
    return {
        "experiment_id": experiment,
        "check": check,
        "status": status,
        "statistic": None,
        "p_value": None,
        "threshold": None,
        "detail": detail,
    }


def _as_checks(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=HEALTH.schema)
