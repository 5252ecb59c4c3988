"""What a headline is made of, as numbers: runs of characters, words and word pairs, and its style.

Runs of characters and words count by whether they are there, weighted by how few headlines have
them (inverse document frequency), and a headline's vector has length 1: a long headline has no more
of it than a short one. Its length is a matter of style, which is measured apart. Nothing is looked
up anywhere: no embeddings of other texts, no lists but the few function words below.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]

TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s]")
QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")

FUNCTION_WORDS = {
    "you": "you your you're you'll yours yourself",
    "i": "i me my i'm i've i'd myself",
    "others": "he him his she her they them their",
    "this": "this these that those",
    "question": "what why how who when where which",
    "not": "not no never don't can't won't isn't didn't doesn't nothing",
    "extreme": "most best worst ever every all only",
    "joining": "and but or because so until then",
    "possible": "would could should might may can",
}
"""Groups of words that a headline may have, or begin with."""

GROUPS = {name: frozenset(words.split()) for name, words in FUNCTION_WORDS.items()}


class Vocabulary(NamedTuple):
    """Terms that count, and what each weighs.

    Attributes:
        terms: Terms, in order.
        scale: (T,) inverse document frequency, ln(N / n).
    """

    terms: list[str]
    scale: Floats


def tokens(headline: str) -> list[str]:
    """Words, numbers and signs, in small letters."""
    return TOKEN.findall(headline.lower().translate(QUOTES))


def word_grams(headline: str, longest: int) -> list[str]:
    """Runs of up to ``longest`` tokens, with marks for the two ends."""
    inner = tokens(headline)
    whole = ["<", *inner, ">"]
    runs = (
        " ".join(whole[start : start + length])
        for length in range(2, longest + 1)
        for start in range(len(whole) - length + 1)
    )
    return [*inner, *runs]


def character_grams(headline: str, shortest: int, longest: int) -> list[str]:
    """Runs of characters, words' limits included."""
    text = f" {headline.lower().translate(QUOTES)} "
    return [
        text[start : start + length]
        for length in range(shortest, longest + 1)
        for start in range(len(text) - length + 1)
    ]


def vocabulary(headlines: Sequence[Sequence[str]], least: int) -> Vocabulary:
    """Terms of at least ``least`` headlines, but not of all.

    Args:
        headlines: Terms of each.
        least: Headlines a term must be in.
    """
    found = Counter(term for terms in headlines for term in set(terms))
    kept = sorted(term for term, n in found.items() if least <= n < len(headlines))
    frequency = np.array([found[term] for term in kept], dtype=np.float64)
    return Vocabulary(kept, np.log(len(headlines) / frequency))


def unit_vectors(headlines: Iterable[Sequence[str]], known: Vocabulary) -> sparse.csr_array:
    """Which known terms each headline has, (N, T), each row of length 1 or 0."""
    place = {term: number for number, term in enumerate(known.terms)}
    columns: list[int] = []
    starts = [0]
    for terms in headlines:
        columns += sorted({place[term] for term in terms if term in place})
        starts.append(len(columns))
    values = known.scale[columns]
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    lengths = np.sqrt(np.diff(squares[starts]))
    values = values / np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(starts))
    return sparse.csr_array((values, columns, starts), shape=(len(starts) - 1, len(known.terms)))


def style(headline: str) -> dict[str, float]:
    """Measures of a headline that know no words but function words, by name."""
    found = tokens(headline)
    words = [token for token in found if token[0].isalnum()]
    first = words[0] if words else ""
    n_words, n_letters = len(words), sum(len(word) for word in words)
    spaced = headline.split()
    measures: dict[str, float] = {
        "characters": len(headline),
        "words": n_words,
        "characters squared": len(headline) ** 2,
        "words squared": n_words**2,
        "letters a word": n_letters / max(n_words, 1),
        "sentences": len(re.findall(r"[.!?]+(?:\s|$)", headline)),
        "commas": found.count(","),
        "full stops": found.count("."),
        "all capitals": len(re.findall(r"\b[A-Z]{2,}\b", headline)),
        "capitalised": sum(word[:1].isupper() for word in spaced) / max(len(spaced), 1),
        "begins with a number": first.isdigit(),
        "has a number": any(word.isdigit() for word in words),
        "has an ellipsis": "..." in headline or "\u2026" in headline,
        "has a quotation": bool(re.search(r"[\"\u201c]|(?:^|\s)['\u2018]", headline)),
    }
    measures |= {f"has {sign}": sign in headline for sign in "?!:*(-&$%"}
    for name, group in GROUPS.items():
        measures[f"has words of '{name}'"] = any(word in group for word in words)
        measures[f"begins with '{name}'"] = first in group
    return {name: float(value) for name, value in measures.items()}


STYLES = tuple(style(""))
"""Names of all measures, in order."""


def styles(headlines: Iterable[str]) -> Floats:
    """(N, S) measures of each headline."""
    rows = [list(style(headline).values()) for headline in headlines]
    return np.array(rows, dtype=np.float64).reshape(-1, len(STYLES))
