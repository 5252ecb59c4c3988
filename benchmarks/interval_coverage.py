"""How often each interval of a lift holds the truth where single impressions are randomised.

    .venv/bin/python benchmarks/interval_coverage.py
    .venv/bin/python benchmarks/interval_coverage.py --impressions 200 --exact

By exact enumeration of all tables of clicks, nominal 95 %. A table in which a method has no
interval counts as not covered; how often that is, and how often Fieller's has no upper end, stands
behind the figure. ``--exact`` adds Fisher's intervals (minutes from 2,000 impressions on).
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from abtest.estimation.binomial import Clicks, koopman_interval, miettinen_nurminen_interval
from abtest.estimation.clustered import Estimate
from abtest.estimation.coverage import Coverage, Truth, exact_coverage
from abtest.estimation.exact import fisher_interval
from abtest.estimation.fieller import fieller_interval
from abtest.estimation.proportion_intervals import (
    Inference,
    additive_delta_interval,
    katz_interval,
    newcombe_interval,
    wald_interval,
)

Floats = NDArray[np.float64]
ALPHA = 0.05
CTRS = (0.005, 0.02)
LIFTS = (0.0, 0.1)
METHODS: dict[str, tuple[str, Callable[[Clicks, Clicks, float], Estimate | Inference]]] = {
    "Koopman": ("rel_lift", koopman_interval),
    "Katz": ("rel_lift", katz_interval),
    "Fieller": ("rel_lift", fieller_interval),
    "additive delta": ("rel_lift", additive_delta_interval),
    "Miettinen-Nurminen": ("abs_lift", miettinen_nurminen_interval),
    "Newcombe": ("abs_lift", newcombe_interval),
    "Wald": ("abs_lift", wald_interval),
}
EXACT = {
    "Fisher": ("odds_ratio", fisher_interval),
    "Fisher mid-p": ("odds_ratio", lambda c, t, alpha: fisher_interval(c, t, alpha, mid_p=True)),
}


def coverage_of(method: str, truth: Truth) -> Coverage:
    """Coverage of a method of :data:`METHODS` or :data:`EXACT`."""
    quantity, interval = {**METHODS, **EXACT}[method]

    def limits(control: Clicks, treatment: Clicks) -> tuple[Floats, Floats]:
        found = interval(control, treatment, ALPHA)
        return found.lower, found.upper

    return exact_coverage(limits, truth, float(getattr(truth, quantity)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--impressions", type=int, nargs="+", default=[200, 500, 2_000, 20_000])
    parser.add_argument("--exact", action="store_true", help="Fisher's intervals too")
    arguments = parser.parse_args()
    names = [*METHODS, *(EXACT if arguments.exact else ())]
    print("| impressions an arm | CTR | lift |", " | ".join(names), "|")
    print("|---" * (3 + len(names)) + "|")
    for n in arguments.impressions:
        for ctr in CTRS:
            for lift in LIFTS:
                truth = Truth(n, n, ctr, ctr * (1 + lift))
                figures = [_figure(coverage_of(name, truth)) for name in names]
                start = f"| {n:,} | {ctr:.1%} | {lift:+.0%} |"
                print(start, " | ".join(figures), "|", flush=True)


def _figure(coverage: Coverage) -> str:
    notes = [
        f"{share:.1%} {name}"
        for name, share in (("none", coverage.undefined), ("no end", coverage.unbounded))
        if share >= 0.0005
    ]
    return f"{coverage.holds:.2%}" + (f" ({', '.join(notes)})" if notes else "")


if __name__ == "__main__":
    main()
