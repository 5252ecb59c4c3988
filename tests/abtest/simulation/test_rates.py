"""Rates and their intervals, against direct computation and against simulation."""

import numpy as np
import pytest

from abtest.simulation.rates import clustered_rate, error_rates, wilson
from abtest.simulation.tally import BINOMIAL, CLUSTERED, Key
from caig.contracts.simulations import ERROR_RATES
from caig.contracts.table import check


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        (81, 263, (0.2552885198783, 0.3662095769828)),
        (15, 148, (0.0623863995307, 0.1604872417233)),
        (0, 20, (0, 0.1611251580528)),
        (1, 29, (0.0061132142928, 0.1717552187932)),
    ],
)
def test_wilson_interval_has_the_published_limits(k, n, expected):
    assert wilson(k, n) == pytest.approx(expected, abs=1e-12)


def test_one_trial_an_experiment_is_the_plain_wilson_interval():
    counted = [(1.0, 1)] * 7 + [(0.0, 1)] * 93
    rate = clustered_rate(counted)
    # The sample variance has n - 1 below it: a design effect of 100 / 99.
    assert rate.value == pytest.approx(0.07)
    assert (rate.lower, rate.upper) == pytest.approx(wilson(7 * 0.99, 99), abs=1e-9)


def test_copies_of_a_trial_tell_nothing_new():
    single = [(1.0, 1)] * 7 + [(0.0, 1)] * 93
    copied = [(events * 40, trials * 40) for events, trials in single]
    assert clustered_rate(copied) == pytest.approx(clustered_rate(single))


def test_the_interval_of_dependent_trials_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(5)
    covered = plain = 0
    for _ in range(400):
        p = rng.beta(0.05 * 20, 0.95 * 20, 150)  # correlation of two trials: 1 / 21
        events = rng.binomial(44, p)
        rate = clustered_rate([(float(k), 44) for k in events])
        covered += rate.lower <= 0.05 <= rate.upper
        low, high = wilson(float(events.sum()), 44 * 150)
        plain += low <= 0.05 <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)  # Monte Carlo sd 1.1 points
    assert plain / 400 < 0.85


def test_no_trial_is_unknown_and_no_event_is_not_certainty():
    frame = error_rates(
        {
            "aa": [
                {
                    Key("power", "category", CLUSTERED): (0.0, 0),
                    Key("any_claim", "experiment", CLUSTERED): (0.0, 1),
                    Key("any_claim", "experiment", BINOMIAL): (1.0, 1),
                }
            ]
        },
        0.05,
    )
    check(frame, ERROR_RATES)
    rows = {(row["figure"], row["method"]): row for row in frame.iter_rows(named=True)}
    nothing = rows["power", CLUSTERED]
    assert (nothing["rate"], nothing["n_experiments"], nothing["promise"]) == (None, 0, "none")
    none_found = rows["any_claim", CLUSTERED]
    assert none_found["rate"] == 0
    assert none_found["rate_ci_upper"] == pytest.approx(wilson(0, 1)[1])
    assert rows["any_claim", BINOMIAL]["rate_ci_lower"] == pytest.approx(wilson(1, 1)[0])
    assert (none_found["promised"], none_found["promise"]) == (0.05, "at_most")
