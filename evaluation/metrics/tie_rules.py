"""Pairwise accuracy as others count it: the same answers, different figures.

"Accuracy" is not one number once a label or an answer can be a tie. These are the rules of the
public evaluations, re-created so that a figure of theirs can be set beside one of ours. A label is
1 if the first is better, 0 if the second, 1/2 for a tie.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


def half_credit(label: Floats, first: Floats, second: Floats) -> float:
    """Label ties left out; an answer that is a tie is half right. The rule of this suite."""
    told = label != 0.5
    return float(np.mean(1 - np.abs(_answer(first, second) - label)[told]))


def rewardbench(label: Floats, first: Floats, second: Floats) -> float:
    """RewardBench 1 and ImageReward: label ties left out; an answer that is a tie is wrong."""
    told = label != 0.5
    return float(np.mean((_answer(first, second) == label)[told]))


def hpsv2(label: Floats, first: Floats, second: Floats) -> float:
    """HPSv2 ``evaluate_rank``: label ties are right whatever is said.

    An answer that is a tie goes to whichever comes first.
    """
    answer = np.where(first >= second, 1.0, 0.0)
    return float(np.mean((label == 0.5) | (answer == label)))


def pickscore(label: Floats, first: Floats, second: Floats, *, threshold: float = 0.0) -> float:
    """PickScore: three answers; half right where one of label and answer is a tie.

    Args:
        label: (n,) labels.
        first: (n,) scores on the scale of a softmax.
        second: (n,) scores.
        threshold: Largest difference in probability that is a tie.
    """
    apart = 2 * special.expit(first - second) - 1
    answer = np.where(np.abs(apart) <= threshold, 0.5, (apart > 0).astype(float))
    return float(np.mean(1 - np.abs(answer - label)))


def best_of_n(scores: Floats) -> float:
    """RewardBench 2: the first of n is the right one; equal best ones share the credit.

    Args:
        scores: (n,) scores of one question's answers.
    """
    best = scores == scores.max()
    return float(best[0] / best.sum())


RULES: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "half_credit": half_credit,
    "rewardbench": rewardbench,
    "hpsv2": hpsv2,
    "pickscore": pickscore,
}


def _answer(first: Floats, second: Floats) -> Floats:
    answer: Floats = (1 + np.sign(first - second)) / 2
    return answer
