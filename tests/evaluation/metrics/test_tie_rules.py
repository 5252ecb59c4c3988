"""The same eight answers under five rules, as their own programs count them."""

import numpy as np
import pytest

from evaluation.metrics.tie_rules import best_of_n, half_credit, hpsv2, pickscore, rewardbench

GOLD = np.array([1, 1, 1, 0, 0, 0.5, 0.5, 1])
A = np.array([0.9, 0.5, 0.2, 0.1, 0.7, 0.4, 0.6, 0.30])
B = np.array([0.1, 0.5, 0.8, 0.6, 0.7, 0.4, 0.5, 0.29])


def test_five_rules_five_figures():
    assert rewardbench(GOLD, A, B) == 0.5
    assert half_credit(GOLD, A, B) == pytest.approx(2 / 3)
    assert hpsv2(GOLD, A, B) == 0.75


@pytest.mark.parametrize("threshold", [0, 0.05, 0.3])
def test_pickscore(threshold):
    assert pickscore(GOLD, A, B, threshold=threshold) == 0.6875


def test_best_of_four():
    assert best_of_n(np.array([0.9, 0.9, 0.2, 0.3])) == 0.5
    assert best_of_n(np.ones(4)) == 0.25
    assert best_of_n(np.array([0.1, 0.9, 0.2, 0.3])) == 0.0


def test_accuracy_of_sections_together_is_weighted_by_their_counts():
    gold = np.ones(984 + 164)
    first = np.concatenate([np.tile([1.0, -1.0], 492), np.ones(164)])
    assert half_credit(gold, first, np.zeros(gold.size)) == pytest.approx(0.5714285714)
