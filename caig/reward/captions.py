"""What captions say of ads, as targets: who can tell a background knows what looks differ by.

Clicks say little about one ad, its caption much; whoever had it made knows what was asked for.
Captions are targets in training and never an input: an ad without one is scored like any other.
In the published recipe a model that was taught to describe backgrounds becomes the reward model
(CAIG section on pre-training); here both are learned at once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from caig.mllm.corpus import phrases_of

MIN_SHARE = 0.002
"""Phrases that fewer of the training captions have are left out: nothing is learned from a few."""


def learned_phrases(captions: Iterable[str | None]) -> list[str]:
    """The phrases that are common enough to be told apart, sorted.

    Args:
        captions: Captions of the training ads; None where there is none.
    """
    known = [caption for caption in captions if caption is not None]
    counted = Counter(phrase for caption in known for phrase in set(phrases_of(caption.lower())))
    return sorted(phrase for phrase, n in counted.items() if n >= MIN_SHARE * len(known))


def said_phrases(captions: Sequence[str | None], phrases: Sequence[str]) -> NDArray[np.float32]:
    """Which phrases each caption has.

    Args:
        captions: A captions; None where there is none.
        phrases: P phrases.

    Returns:
        (A, P): 1 or 0; NaN where there is no caption.
    """
    said = np.full((len(captions), len(phrases)), np.nan, np.float32)
    place = {phrase: i for i, phrase in enumerate(phrases)}
    for row, caption in zip(said, captions, strict=True):
        if caption is not None:
            row[:] = 0
            row[[place[phrase] for phrase in phrases_of(caption.lower()) if phrase in place]] = 1
    return said
