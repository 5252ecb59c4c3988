"""What a title says of the product, as numbers: its words, and the kinds it names.

Two readings, side by side. The words that training titles had are a plain bag. And because a title
mostly names what it sells, though in another form ("sofa", "Sofas"), it is compared with the names
of the kinds of product themselves, by the pieces of words they share; so a kind is recognised from
words that no training title had. Pieces count by how few names have them (inverse document
frequency, Sparck Jones 1972); pieces of words as in fastText (Bojanowski et al. 2017).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

PIECES = (3, 4, 5)
"""Lengths of the pieces that a word is cut into, its ends marked."""

_WORD = re.compile(r"[^\W\d_]+")


def words(title: str) -> list[str]:
    """Words of a title, in lower case; figures and signs are none."""
    return _WORD.findall(title.lower())


def learned_vocabulary(titles: Iterable[str], *, size: int) -> list[str]:
    """The words of the most titles, at most ``size`` of them; sorted.

    Args:
        titles: Titles of the training products, each product once.
        size: Largest number of words.
    """
    counted = Counter(word for title in titles for word in sorted(set(words(title))))
    # Ties by the word: the vocabulary must not depend on the order of the products.
    commonest = sorted(counted, key=lambda word: (-counted[word], word))[:size]
    return sorted(commonest)


class TitleReader:
    """Turns titles into vectors.

    Args:
        kinds: Names of the kinds of product.
        vocabulary: Words of the bag.
    """

    def __init__(self, kinds: Sequence[str], vocabulary: Sequence[str]) -> None:
        self._place = {word: i for i, word in enumerate(vocabulary)}
        self._names = [_pieces(name) for name in kinds]
        common = Counter(piece for pieces in self._names for piece in pieces)
        self._weight = {p: math.log((len(kinds) + 1) / n) for p, n in common.items()}
        self._whole = [sum(self._weight[p] for p in pieces) for pieces in self._names]

    def __call__(self, titles: Sequence[str]) -> NDArray[np.float32]:
        """Read titles.

        Returns:
            (B, kinds + vocabulary): share of each kind's name that the title holds, 0 to 1; then 1
            for each word of the vocabulary it has.
        """
        n_kinds = len(self._names)
        read = np.zeros((len(titles), n_kinds + len(self._place)), np.float32)
        for row, title in zip(read, titles, strict=True):
            pieces = _pieces(title)
            for k, (name, whole) in enumerate(zip(self._names, self._whole, strict=True)):
                # Sorted: a sum must not depend on the order in which a set gives its members.
                row[k] = sum(self._weight[p] for p in sorted(pieces & name)) / whole if whole else 0
            for word in words(title):
                if word in self._place:
                    row[n_kinds + self._place[word]] = 1
        return read


def _pieces(text: str) -> set[str]:
    marked = [f"<{word}>" for word in words(text)]
    return {w[i : i + n] for w in marked for n in PIECES for i in range(len(w) - n + 1)}
