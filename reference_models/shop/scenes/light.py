"""The light over a picture: how each of the four lights changes every colour drawn.

Scenes choose their sky and lamps by the light; the grade makes it visible in every scene, rooms
included. A grade is affine in the colour, so grading each brush equals grading the finished
picture, save for what shines by itself.
"""

from typing import NamedTuple

import skia


class Grade(NamedTuple):
    """What a light does to a picture.

    Attributes:
        gain: Factors of red, green and blue.
        lift: Share of white mixed in.
        vignette: Share by which the corners are darkened.
    """

    gain: tuple[float, float, float]
    lift: float = 0.0
    vignette: float = 0.0


GRADES: dict[str, Grade] = {
    "daylight": Grade((1.0, 1.0, 1.0)),
    "golden hour": Grade((1.08, 0.93, 0.72), 0.02, 0.12),
    "night": Grade((0.55, 0.60, 0.84), 0.0, 0.30),
    "mist": Grade((0.86, 0.90, 0.92), 0.30, 0.0),
}


LAMPLIGHT = Grade((0.90, 0.84, 0.78))
"""What a lamp lights at night: dimmer and warmer than by day, its colours still clear."""


def grade_filter(grade: Grade) -> skia.ColorFilter | None:
    """The gain and lift of a grade, for Skia's paints; None where they change nothing."""
    gain, lift, _ = grade
    if gain == (1.0, 1.0, 1.0) and lift == 0.0:
        return None
    red, green, blue = (factor * (1 - lift) for factor in gain)
    rows: list[list[float]] = [
        [red, 0, 0, 0, lift],
        [0, green, 0, 0, lift],
        [0, 0, blue, 0, lift],
        [0, 0, 0, 1, 0],
    ]
    return skia.ColorFilters.Matrix([value for row in rows for value in row])
