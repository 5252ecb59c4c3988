"""Backgrounds as words: a look said as a prompt, and the look read from any prompt.

Reading is by words, not by a model: each value has the phrases that say it, and the first phrase
found in the text wins. What was asked for and cannot be drawn is reported, not guessed: a prompt
without a scene has no look.
"""

import re
from functools import cache
from typing import NamedTuple

from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

PHRASES: dict[str, tuple[str, ...]] = {
    "beach": (
        "beach",
        "sandy beach",
        "seaside",
        "seashore",
        "sandy shore",
        "coast",
        "palm trees",
        "ocean",
    ),
    "forest": ("forest", "woodland", "woods", "tall trees", "pine trees"),
    "snowy mountains": ("snowy mountains", "snowy peaks", "mountains", "mountain", "alps", "snow"),
    "desert": ("desert", "sand dunes", "dunes", "cactus", "cacti"),
    "city skyline": ("city skyline", "city", "skyline", "skyscrapers", "downtown", "urban"),
    "meadow": ("meadow", "wildflowers", "grassland", "green hills", "pasture", "garden"),
    "autumn park": ("autumn park", "autumn", "fall foliage", "park", "orange trees"),
    "lavender field": ("lavender field", "lavender", "provence", "purple field"),
    "underwater reef": ("underwater reef", "underwater", "coral reef", "coral", "under the sea"),
    "space nebula": ("space nebula", "outer space", "space", "nebula", "galaxy", "planets"),
    "football pitch": ("football pitch", "football field", "soccer field", "stadium", "pitch"),
    "winding road": ("winding road", "country road", "mountain road", "road", "highway"),
    "studio podium": ("studio podium", "podium", "pedestal", "plinth", "photo studio"),
    "flower studio": ("flower studio", "floral studio", "studio with flowers", "bouquets"),
    "marble table": ("marble table", "marble surface", "marble top", "marble"),
    "office desk": ("office desk", "office", "desk", "workspace", "workplace"),
    "kitchen counter": ("kitchen counter", "kitchen", "countertop", "worktop"),
    "living room": ("living room", "lounge", "sofa", "sitting room"),
    "bathroom shelf": ("bathroom shelf", "bathroom", "washbasin", "vanity", "spa"),
    "cafe table": ("cafe table", "coffee shop", "coffeehouse", "cafe", "bistro"),
    "gym floor": ("gym floor", "gym", "fitness studio", "weight room", "workout room"),
    "christmas room": (
        "christmas room",
        "christmas tree",
        "christmas",
        "fireplace",
        "xmas",
        "festive room",
    ),
    "library shelves": ("library shelves", "library", "bookshelves", "bookcase", "books"),
    "playroom": ("playroom", "nursery", "kids room", "children's room", "toy room"),
    "daylight": (
        "daylight",
        "bright daylight",
        "sunny",
        "bright light",
        "noon",
        "morning",
        "midday",
        "bright day",
    ),
    "golden hour": ("golden hour", "sunset", "evening light", "dusk", "sunrise", "warm light"),
    "night": ("at night", "night", "moonlight", "starry", "midnight", "after dark"),
    "mist": ("mist", "misty day", "misty", "foggy day", "fog", "foggy", "haze", "hazy", "overcast"),
    "warm colours": ("warm colours", "warm colors", "warm tones", "warm palette"),
    "cool colours": ("cool colours", "cool colors", "cool tones", "cool palette", "blue tones"),
    "pastel colours": ("pastel colours", "pastel colors", "pastel tones", "pastel", "soft pinks"),
    "vivid colours": ("vivid colours", "vivid colors", "vivid", "vibrant", "bold colours"),
    "neutral colours": ("neutral colours", "neutral colors", "neutral", "muted", "beige", "greys"),
    "sharp background": ("sharp background", "in focus", "sharp", "crisp", "detailed"),
    "blurred background": ("blurred background", "blurred", "bokeh", "shallow depth of field"),
    "plain": ("plain", "uncluttered", "minimal", "no decoration"),
    "flowers": ("with flowers", "flowers", "petals", "blossoms", "roses"),
    "leaves": ("with leaves", "leaves", "foliage", "greenery", "fern"),
    "sparkles": ("with sparkles", "sparkles", "glitter", "sparkling", "twinkling lights"),
    "confetti": ("with confetti", "confetti", "streamers", "party"),
}
"""What says each value; the value's own name comes first."""

_FAMILIES = {
    "scene": SCENES,
    "light": LIGHTS,
    "palette": PALETTES,
    "depth": DEPTHS,
    "decoration": DECORATIONS,
}

_WORDS_UNSAID = (
    "a an and the with of in on at by for to from its into under over behind near around "
    "background scene setting backdrop ad advert product photo photograph picture image shot "
    "lighting light colours colors tones palette style soft some very"
)
_UNSAID = frozenset(_WORDS_UNSAID.split())
"""Words that ask for nothing of their own."""


class Reading(NamedTuple):
    """What a prompt was understood to ask for.

    Attributes:
        look: The background; None if no scene was found.
        said: Families that the prompt spoke of; the others are ``Look``'s defaults.
        unread: Words that nothing here can draw, in order.
    """

    look: Look | None
    said: tuple[str, ...]
    unread: tuple[str, ...]


def say(look: Look) -> str:
    """The prompt of a look, scene first: "beach, golden hour, warm colours, blurred background"."""
    parts = [look.scene, look.light, look.palette, look.depth]
    if look.decoration != "plain":
        parts.append(f"with {look.decoration}")
    return ", ".join(parts)


def read(prompt: str) -> Reading:
    """Read a look from free text.

    Args:
        prompt: Any text; case and punctuation do not matter.
    """
    text = " ".join(re.findall(r"[a-z']+", prompt.lower()))
    found: dict[str, str] = {}
    used = [False] * (len(text) + 1)
    for family, values in _FAMILIES.items():
        # The earliest phrase decides; of phrases that begin together, the longest.
        hits = [
            (match.start(), -len(match.group()), value)
            for value in values
            for match in _pattern(value).finditer(text)
            if not used[match.start()]
        ]
        if hits:
            found[family] = min(hits)[2]
        for start, negative_length, _ in hits:
            used[start : start - negative_length] = [True] * -negative_length
    unread = tuple(
        match.group()
        for match in re.finditer(r"[a-z']+", text)
        if not used[match.start()] and match.group() not in _UNSAID
    )
    look = Look(**found) if "scene" in found else None
    return Reading(look, tuple(found), unread)


@cache
def _pattern(value: str) -> re.Pattern[str]:
    phrases = sorted(PHRASES[value], key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(re.escape(phrase) for phrase in phrases) + r")\b")
