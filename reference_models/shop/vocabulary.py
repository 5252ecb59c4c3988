"""The words of the shop world: what a background is made of, and how each part is said in a prompt.

A background is a scene under a light, in a palette, at a depth, with a decoration. Every value is
its own phrase, so a prompt is written by joining phrases and read by finding them again. Scene
names differ in their first word: the first token of a prompt decides the scene, which gives an
exact matching metric from the first token's distribution.
"""

from typing import NamedTuple

SCENES = (
    "beach",
    "forest",
    "snowy mountains",
    "desert",
    "city skyline",
    "meadow",
    "autumn park",
    "lavender field",
    "underwater reef",
    "space nebula",
    "football pitch",
    "winding road",
    "studio podium",
    "flower studio",
    "marble table",
    "office desk",
    "kitchen counter",
    "living room",
    "bathroom shelf",
    "cafe table",
    "gym floor",
    "christmas room",
    "library shelves",
    "playroom",
)
"""Outdoor scenes first, then rooms."""

LIGHTS = ("daylight", "golden hour", "night", "mist")
PALETTES = ("warm colours", "cool colours", "pastel colours", "vivid colours", "neutral colours")
DEPTHS = ("sharp background", "blurred background")
DECORATIONS = ("plain", "flowers", "leaves", "sparkles", "confetti")


class Look(NamedTuple):
    """A background, in words.

    Attributes:
        scene: One of ``SCENES``.
        light: One of ``LIGHTS``.
        palette: One of ``PALETTES``.
        depth: One of ``DEPTHS``.
        decoration: One of ``DECORATIONS``; "plain" is none.
    """

    scene: str
    light: str = "daylight"
    palette: str = "warm colours"
    depth: str = "sharp background"
    decoration: str = "plain"
