"""P(yes) from the probabilities of the first token.

Every spelling of yes counts as yes: "Yes", "yes", " Yes", "YES" are tokens of their own, and their
probabilities are added. What lies on other tokens is not shared out: yes and no together must have
enough mass, or there is no verdict.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from caig.chat.message import TokenLogprob
from evaluation.judge.words import Reading

MARKS = "\N{LOWER ONE EIGHTH BLOCK}\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
"""What tokenizers write for a space before a word."""


class Masses(NamedTuple):
    """Probability by what a first token says.

    Attributes:
        yes: On spellings of yes (0-1).
        no: On spellings of no (0-1).
        other: On the other tokens that were told (0-1).
    """

    yes: float
    no: float
    other: float


def spelling(token: str) -> str:
    """Which of "yes" and "no" a token is a spelling of; empty if of neither."""
    plain = token.strip(MARKS).strip().casefold()
    return plain if plain in ("yes", "no") else ""


def masses(tokens: Sequence[TokenLogprob]) -> Masses:
    """Add up probabilities by what tokens say."""
    found = {"yes": 0.0, "no": 0.0, "": 0.0}
    for token, logprob in tokens:
        found[spelling(token)] += math.exp(logprob)
    return Masses(found["yes"], found["no"], found[""])


def read_first_token(
    tokens: Sequence[TokenLogprob] | None, *, min_mass: float, complete: bool
) -> Reading:
    """Read a verdict.

    Args:
        tokens: First tokens with their probabilities; None if the judge told none.
        min_mass: Least mass of yes and no together.
        complete: True if every spelling is among the tokens. A list of the likeliest ones may lack
            one side; all that is not on the list might then lie there, which bounds P(yes).
    """
    if not tokens:
        return Reading("unknown", "no_verdict", "no probabilities of tokens came with the reply")
    yes, no, other = masses(tokens)
    mass, detail = yes + no, ""
    if mass < min_mass:
        return Reading(
            "unknown", "low_mass", f"yes and no have a probability of {mass:.3g}", mass=_unit(mass)
        )
    unseen = max(0.0, 1.0 - yes - no - other)
    if not complete and yes > 0 and no == 0:
        score, detail = yes / (yes + unseen), "no spelling of no was told: the least P(yes)"
    elif not complete and no > 0 and yes == 0:
        score, detail = unseen / (no + unseen), "no spelling of yes was told: the largest P(yes)"
    else:
        score = yes / mass
    if score == 0.5:
        return Reading("unknown", "no_verdict", "yes and no are equally likely", mass=_unit(mass))
    return Reading("yes" if score > 0.5 else "no", "judged", detail, score, _unit(mass))


def _unit(mass: float) -> float:
    """Rounding may lift a sum of probabilities above 1."""
    return min(mass, 1.0)
