"""Things that stand in more than one landscape: trees, houses, balloons, striped cloth."""

from collections.abc import Sequence
from math import cos, pi, sin

from reference_models.shop.scenes.stage import (
    Colour,
    Point,
    Stage,
    darker,
    horizontal,
    lighter,
    mix,
    rgb,
)


def gores(stage: Stage, outline: Sequence[Point], colours: Sequence[Colour]) -> None:
    """Strips of cloth that meet at the top, as on a parasol or a balloon, around the origin.

    Args:
        stage: Stage to draw on.
        outline: Half width and height (y) of the whole, from the top down.
        colours: Colour of each strip, left to right.
    """
    count = len(colours)
    edges = [sin(pi * (k / count - 0.5)) for k in range(count + 1)]
    for k, colour in enumerate(colours):
        left = [(edges[k] * half, y) for half, y in outline]
        right = [(edges[k + 1] * half, y) for half, y in outline]
        stage.polygon([*left, *reversed(right)], colour)


_BULB = [
    (sin(u) * (1 if u < pi / 2 else 1 - 0.2 * (u - pi / 2)), -cos(u))
    for u in [pi * k / 12 for k in range(1, 11)]
]
_DOME = [(sin(u), -0.62 * cos(u)) for u in [pi / 2 * k / 8 for k in range(9)]]


def balloon(stage: Stage, centre: Point, radius: float) -> None:
    """A hot-air balloon in the palette's colours."""
    first, second = stage.palette.accents[:2]
    pale = lighter(stage.palette.wall, 0.2)
    with stage.placed(*centre, radius), stage.lamplit():
        for x in (-0.3, 0.3):
            stage.line([(x, 0.75), (0.6 * x, 1.4)], 0.06, rgb("7a5a3c"))
        gores(stage, [(0.0, -1.0), *_BULB, (0.3, 1.0)], [first, pale, second, pale, first])
        stage.ellipse((-0.35, -0.4), 0.22, 0.36, (1.0, 1.0, 1.0), alpha=0.25)
        stage.rect(-0.22, 1.3, 0.22, 1.66, rgb("9a6b3f"), corner=0.08)


def parasol(stage: Stage, foot: Point, height: float, *, lean: float = 0.0) -> None:
    """A striped parasol on a pole; its dome is 1.2 times as wide as it is high."""
    first, second = stage.palette.accents[:2]
    pale = lighter(stage.palette.wall, 0.3)
    with stage.placed(*foot, height, turn=lean), stage.lamplit():
        stage.line([(0.0, 0.0), (0.0, -0.9)], 0.045, rgb("f4efe6"))
        with stage.placed(0.0, -0.66, 0.6):
            gores(stage, _DOME, [first, pale, second, pale, first, pale, second])
            stage.circle((0.0, -0.62), 0.06, darker(first, 0.2))


def ball(stage: Stage, centre: Point, radius: float) -> None:
    """A beach ball."""
    whole = [(sin(pi * k / 12), -cos(pi * k / 12)) for k in range(13)]
    first, second, third = stage.palette.accents
    with stage.placed(*centre, radius, turn=stage.between(-0.6, 0.6)), stage.lamplit():
        gores(stage, whole, [first, (1.0, 1.0, 1.0), second, (1.0, 1.0, 1.0), third])
        stage.circle((0.0, -0.95), 0.16, (1.0, 1.0, 1.0))


def fir(stage: Stage, foot: Point, height: float, colour: Colour, *, snow: bool = False) -> None:
    """A fir of three tiers, lit from the left; with snow on its tiers or without."""
    with stage.placed(*foot, height):
        stage.rect(-0.05, -0.16, 0.05, 0.0, rgb("6b4a35"))
        for top, bottom, half in ((-0.6, -0.12, 0.33), (-0.82, -0.36, 0.27), (-1.0, -0.62, 0.2)):
            stage.polygon([(0.0, top), (-half, bottom), (half, bottom)], colour)
            stage.polygon([(0.0, top), (0.1 * half, bottom), (half, bottom)], darker(colour, 0.22))
            if snow:
                edge = top + 0.55 * (bottom - top)
                reach = 0.55 * half
                cap = [(0.0, top - 0.02), (-reach, edge), (-0.3 * reach, edge - 0.05)]
                stage.polygon([*cap, (0.2 * reach, edge), (reach, edge - 0.04)], rgb("f6fbff"))


def crown(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    """A leafy crown of round clumps, lit from above."""
    clumps = [(0.0, 0.0, 0.62)]
    turn = stage.between(0, pi)
    for k in range(7):
        angle = turn + 2 * pi * k / 7
        clumps.append((0.6 * cos(angle), 0.52 * sin(angle), stage.between(0.34, 0.46)))
    with stage.placed(*centre, radius):
        stage.circles([(x, y + 0.07, r) for x, y, r in clumps], darker(colour, 0.28))
        stage.circles([(x - 0.03, y - 0.04, 0.9 * r) for x, y, r in clumps], colour)
        light = [(x - 0.1, y - 0.14, 0.5 * r) for x, y, r in clumps if y < 0.25]
        stage.circles(light, lighter(colour, 0.25), alpha=0.7)


def house(stage: Stage, foot: Point, width: float, *, snow: bool = False) -> None:
    """A small house in the palette's colours, seen from its gable; windows glow at night."""
    wall, shade, (roof, door, _) = stage.palette
    with stage.placed(*foot, width), stage.lamplit():
        fill = horizontal((-0.5, lighter(wall, 0.15)), (0.5, shade))
        stage.rect(0.2, -1.02, 0.33, -0.6, darker(shade, 0.25))
        stage.polygon([(-0.45, 0), (-0.45, -0.5), (0, -0.9), (0.45, -0.5), (0.45, 0)], fill)
        stage.line([(-0.54, -0.46), (0.0, -0.94), (0.54, -0.46)], 0.13, roof)
        if snow:
            stage.line([(-0.54, -0.52), (0.0, -1.0), (0.54, -0.52)], 0.09, rgb("f8fcff"))
        stage.rect(-0.1, -0.34, 0.12, 0.0, darker(door, 0.1))
        for left in (-0.36, 0.2):
            _window(stage, left, -0.4)
        _window(stage, -0.08, -0.68)


def _window(stage: Stage, left: float, top: float) -> None:
    right, bottom = left + 0.16, top + 0.18
    stage.rect(left - 0.03, top - 0.03, right + 0.03, bottom + 0.03, rgb("fbf7ee"))
    if stage.is_night:
        with stage.lit():
            stage.rect(left, top, right, bottom, rgb("ffd76a"))
            stage.glow((left + 0.08, top + 0.09), 0.4, rgb("ffcf5a"), alpha=0.5)
    else:
        stage.rect(left, top, right, bottom, mix(rgb("5d86a8"), stage.palette.shade, 0.2))


def bunting(stage: Stage, left: Point, right: Point, sag: float, *, count: int = 9) -> None:
    """A string of pennants in the palette's colours between two points."""
    steps = [k / count for k in range(count + 1)]
    rope = [
        (
            left[0] + (right[0] - left[0]) * t,
            left[1] + (right[1] - left[1]) * t + 4 * sag * t * (1 - t),
        )
        for t in steps
    ]
    stage.line(rope, 0.008, rgb("f4efe6"), bent=True)
    for k in range(count):
        (x0, y0), (x1, y1) = rope[k], rope[k + 1]
        drop = 1.05 * abs(x1 - x0)
        tip = ((x0 + x1) / 2, (y0 + y1) / 2 + drop)
        stage.polygon([(x0, y0), (x1, y1), tip], stage.palette.accents[k % 3])
