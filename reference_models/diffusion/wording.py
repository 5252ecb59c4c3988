"""Prompts to train on: a look said in many ways.

A third are written as the shop writes them; the others take other words, another order, sentences
instead of lists, and leave parts out. What a prompt leaves out is drawn as chance has it.

The words are those the procedural painter reads, and more that name a scene by what is in it.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from reference_models.shop.prompts import PHRASES, say
from reference_models.shop.vocabulary import Look

SHOP_SHARE = 0.35
"""Share of prompts written as the shop writes them."""

SCENE_SHARE = 0.97
"""Share of other prompts that name the scene; the rest teach the other parts alone."""

PART_SHARE = 0.65
"""Share of other prompts that name the light; likewise the palette, depth and decoration."""

FOREIGN_SHARE = 0.3
"""Share of other prompts with made-up words in them: what is not known is to be passed over."""

SYLLABLES = tuple(
    f"{first}{vowel}{last}" for first in "bdfgklmnprstvw" for vowel in "aeiou" for last in "lnrst"
)


@cache
def more() -> dict[str, tuple[str, ...]]:
    """Other words for each value, beside the painter's."""
    text = (files("reference_models.diffusion") / "words.toml").read_text(encoding="utf-8")
    return {value: tuple(said) for value, said in tomllib.loads(text).items()}


OPENINGS = (
    "", "", "", "", "a photo of", "an ad with", "product on", "in front of", "photograph,",
    "beautiful", "a picture of", "professional product photo,", "scene:", "background:", "a",
    "the product stands before", "set in", "high quality photo,", "imagine", "realistic",
)  # fmt: skip
JOINTS = (", ", ", ", ", ", " ", " and ", " with ", ", in ", " - ", " in ", ". ")
CLOSINGS = ("", "", "", "", ", high quality", ", advertising", ", 4k", " for an ad", ", no people",
            " behind the product", ", studio quality", " scene", " setting")  # fmt: skip


class Worded(NamedTuple):
    """A prompt.

    Attributes:
        text: The prompt.
        said: Whether it says the scene, light, palette, depth and decoration.
    """

    text: str
    said: tuple[bool, ...]


def word(look: Look, rng: np.random.Generator) -> Worded:
    """A prompt for a look.

    Args:
        look: What it shows.
        rng: Chooses the words.
    """
    if rng.random() < SHOP_SHARE:
        return Worded(say(look), (True,) * len(look))
    shares = (SCENE_SHARE, *(PART_SHARE,) * (len(look) - 1))
    said = tuple(bool(rng.random() < share) for share in shares)
    parts = [_phrase(value, rng) for value, is_said in zip(look, said, strict=True) if is_said]
    if rng.random() < 0.5:
        rng.shuffle(parts)
    text = _one(OPENINGS, rng)
    for number, part in enumerate(parts):
        text += f"{_one(JOINTS, rng) if number else ' '}{part}"
    text = (text + _one(CLOSINGS, rng)).strip()
    return Worded(_with_foreign_words(text, rng) if rng.random() < FOREIGN_SHARE else text, said)


def phrases(value: str) -> tuple[str, ...]:
    """All that says a value; its own name comes first."""
    return PHRASES[value] + more()[value]


def _phrase(value: str, rng: np.random.Generator) -> str:
    known = phrases(value)
    # The value's own name is what most prompts say.
    return known[0] if rng.random() < 0.2 else known[int(rng.integers(len(known)))]


def _one(values: Sequence[str], rng: np.random.Generator) -> str:
    return values[int(rng.integers(len(values)))]


def _with_foreign_words(text: str, rng: np.random.Generator) -> str:
    """The text with some words between its own that mean nothing."""
    words = text.split(" ")
    for _ in range(int(rng.integers(1, 5))):
        foreign = "".join(_one(SYLLABLES, rng) for _ in range(int(rng.integers(1, 4))))
        words.insert(int(rng.integers(len(words) + 1)), foreign)
    return " ".join(words)
