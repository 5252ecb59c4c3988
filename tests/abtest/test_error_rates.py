"""Error rate and coverage of the whole analysis, through the benchmark that measures them.

Bounds allow for the noise of few experiments; the figures of long runs are in docs/results.md.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "error_rates.py"


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    words = [sys.executable, str(SCRIPT), "--experiments", "80", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=900)
    return {name: k / n for name, (k, n) in json.loads(done.stdout).items()}


def test_false_positives_by_category_are_at_the_level(rates):
    # 80 x 44 tests; Monte Carlo standard error 0.4 points.
    assert rates["clustered: A/A false positives by category"] == pytest.approx(0.05, abs=0.012)


def test_false_positives_overall_are_at_the_level_where_the_naive_test_is_not(rates):
    # 80 tests only: standard error 2.4 points.
    assert rates["clustered: A/A false positives overall"] <= 0.05 + 3 * 0.024
    naive = rates["naive: A/A false positives overall"]
    assert naive > rates["clustered: A/A false positives overall"]


def test_intervals_cover_the_truth(rates):
    assert rates["clustered: A/B coverage of the 95 % interval by category"] == pytest.approx(
        0.95, abs=0.012
    )
    assert rates["clustered: A/B coverage of the 95 % interval overall"] >= 0.95 - 3 * 0.024


def test_benjamini_hochberg_keeps_claims_in_check(rates):
    assert (
        rates["clustered: A/A experiments with any category verdict after BH"] <= 0.05 + 3 * 0.024
    )
    assert rates["clustered: A/B claims of the wrong direction after BH"] <= 0.05
