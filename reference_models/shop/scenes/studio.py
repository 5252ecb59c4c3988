"""Photographers' studios: a podium, flowers around a table, a marble table."""

from math import cos, pi, sin

from reference_models.shop.scenes.furniture import GREENS, leaf, potted_plant, vase
from reference_models.shop.scenes.rooms import (
    BLACK,
    LAMP_CORE,
    LAMP_LIGHT,
    WHITE,
    either_way_round,
    lamp_glow,
    lamplight,
    mist,
    pendant,
    round_fill,
    shadow,
    sun_patch,
    table_top,
    wall,
    wall_colour,
    window,
)
from reference_models.shop.scenes.stage import (
    Colour,
    Point,
    Stage,
    darker,
    lighter,
    mix,
    rgb,
    vertical,
)


def podium(stage: Stage) -> None:
    """A round podium before a disc or an arch, between pillars; the spotlight burns at night."""
    backdrop = wall_colour(stage)
    first, second, third = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    with either_way_round(stage):
        wall(stage, 1.0, backdrop)
        floor = stage.between(0.76, 0.8)
        stage.veil(floor - 0.1, floor, BLACK, above=0.0, below=0.1)
        near, far = darker(backdrop, 0.1), lighter(backdrop, 0.18)
        stage.rect(0, floor, 1, 1, vertical((floor, far), (1, near)))
        _disc_or_arch(stage, mix(first, backdrop, 0.25), mix(second, backdrop, 0.35))
        sun_patch(stage, stage.between(0.02, 0.1), 0.06, 0.62, 0.42, slant=0.22)
        mist(stage, 0.3, 0.8)
        low, high = stage.between(0.2, 0.27), stage.between(0.42, 0.55)
        _pillar(stage, 0.1, floor + 0.06, height=high, width=0.2, colour=second)
        _pillar(stage, 0.9, floor + 0.06, height=low, width=0.2, colour=third)
        _ball(stage, 0.9, floor + 0.08 - low, first)
        _round_podium(stage, lighter(backdrop, 0.45))
        if stage.is_night:
            _spotlight(stage)


def _disc_or_arch(stage: Stage, colour: Colour, inner: Colour) -> None:
    fill = vertical((0.07, lighter(colour, 0.25)), (0.81, colour))
    shape = int(stage.rng.integers(3))
    if shape == 0:
        stage.circle((0.5, 0.44), 0.37, fill)
    else:
        stage.rect(0.16, 0.07, 0.84, 1.2, fill, corner=0.34)
    if shape == 2:
        stage.rect(0.26, 0.18, 0.74, 1.2, inner, corner=0.24)


def _ball(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    radius = 0.085
    fill = round_fill(x - radius, x + radius, colour)
    stage.circle((x, foot - radius), radius, fill)


def _pillar(
    stage: Stage, x: float, foot: float, *, height: float, width: float, colour: Colour
) -> None:
    half, flat = width / 2, 0.03
    top = foot - height
    shadow(stage, (x, foot), 1.35 * half, 0.05)
    fill = round_fill(x - half, x + half, colour)
    stage.rect(x - half, top, x + half, foot, fill)
    stage.ellipse((x, foot), half, flat, fill)
    stage.ellipse((x, top), half, flat, lighter(colour, 0.4))


def _round_podium(stage: Stage, colour: Colour) -> None:
    shadow(stage, (0.5, 0.97), 0.5, 0.09)
    for half, top, foot in ((0.44, 0.9, 0.97), (0.36, 0.83, 0.9)):
        fill = round_fill(0.5 - half, 0.5 + half, colour)
        stage.ellipse((0.5, foot), half, 0.2 * half, fill)
        stage.rect(0.5 - half, top, 0.5 + half, foot, fill)
        rim = lighter(colour, 0.35)
        stage.ellipse(
            (0.5, top), half, 0.2 * half, vertical((top - 0.08, colour), (top + 0.08, rim))
        )


def _spotlight(stage: Stage) -> None:
    with stage.lit():
        for spread, alpha in ((0.42, 0.2), (0.3, 0.22)):
            beam = [(0.46, -0.02), (0.54, -0.02), (0.5 + spread, 0.85), (0.5 - spread, 0.85)]
            stage.polygon(beam, vertical((0, LAMP_CORE), (0.9, LAMP_LIGHT)), alpha=alpha)
    lamplight(stage, (0.5, 0.83), 0.4, 0.08, WHITE)


def flowers(stage: Stage) -> None:
    """A table between vases full of big flowers, with blossoms hanging from above."""
    backdrop = mix(stage.palette.wall, stage.palette.shade, stage.between(0.0, 0.5))
    wall(stage, 0.84, backdrop)
    stage.glow((0.5, 0.4), 0.55, WHITE, alpha=0.45)
    sun_patch(stage, 0.3, 0.12, 0.5, 0.4, slant=0.2)
    mist(stage, 0.25, 0.84)
    lamplight(stage, (0.5, 0.4), 0.6, 0.6, backdrop)
    if stage.is_night:
        for x in (0.34, 0.66):
            lamp_glow(stage, (x, 0.12), 0.3)
    table_top(stage, 0.82, 0.96, lighter(stage.palette.wall, 0.35))
    _garland(stage, hang=stage.between(0.1, 0.2))
    for x, side in ((0.11, 1), (0.89, -1)):
        _bouquet(stage, x, side)


def flower(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    """A blossom of five to seven petals around a heart."""
    count, turn = int(stage.rng.integers(5, 8)), stage.between(0, pi)
    angles = [turn + i * 2 * pi / count for i in range(count)]
    size, reach = (2.55 / count) * radius, 0.58 * radius
    petals = [(centre[0] + reach * cos(a), centre[1] + reach * sin(a), size) for a in angles]
    stage.circles([(x, y + 0.06 * radius, size) for x, y, size in petals], darker(colour, 0.3))
    stage.circles(petals, colour)
    stage.circles([(x, y, 0.55 * size) for x, y, size in petals], lighter(colour, 0.3))
    stage.circle(centre, 0.32 * radius, rgb("ffd84d"))
    stage.circle(centre, 0.17 * radius, rgb("d98a1f"))


def _flower_colours(stage: Stage) -> list[Colour]:
    accents = list(stage.palette.accents)
    return [*accents, lighter(accents[0], 0.35), lighter(accents[1], 0.6)]


_BOUQUET = (  # across (away from the middle is negative), height, radius of the blossom
    (-0.06, 0.2, 0.085),
    (0.1, 0.33, 0.095),
    (-0.05, 0.43, 0.1),
    (0.12, 0.5, 0.08),
    (0.02, 0.57, 0.09),
)


def _bouquet(stage: Stage, x: float, side: int) -> None:
    foot, rim = 0.9, 0.7
    places = [(x + side * across * stage.between(0.85, 1.1), y) for across, y, _ in _BOUQUET]
    for place in places:
        stage.line(
            [(x, rim + 0.05), (0.5 * (x + place[0]), 0.6), place], 0.016, GREENS[0], bent=True
        )
    for across, up in ((-0.13, 0.1), (0.14, 0.12), (0.1, 0.36), (-0.12, 0.34)):
        tip = (x + side * across * 1.25, rim - up)
        leaf(stage, (x, rim), tip, 0.07, GREENS[1])
    colours = _flower_colours(stage)
    order = stage.rng.permutation(5)
    for place, (_, _, radius), i in zip(places, _BOUQUET, order, strict=True):
        flower(stage, place, radius, colours[int(i)])
    vase(stage, x, foot, 0.22, lighter(stage.palette.accents[int(order[0]) % 3], 0.15))


def _garland(stage: Stage, *, hang: float) -> None:
    colours = _flower_colours(stage)
    for i in range(9):
        x = i / 8
        y = 0.02 + hang * (2 * x - 1) ** 2 * stage.between(0.8, 1.1)
        leaf(stage, (x, y - 0.05), (x + stage.between(-0.05, 0.05), y + 0.13), 0.06, GREENS[i % 3])
        if i % 2 == 0:
            flower(stage, (x, y), stage.between(0.07, 0.09), colours[int(stage.rng.integers(5))])


def marble(stage: Stage) -> None:
    """A slab of veined marble before a wall with a window; a plant beside it."""
    colour = wall_colour(stage)
    with either_way_round(stage):
        wall(stage, 0.76, colour)
        window(stage, 0.06, 0.1, 0.34, 0.5, rows=int(stage.rng.integers(1, 3)))
        sun_patch(stage, 0.5, 0.1, 0.4, 0.34, slant=0.16)
        lamplight(stage, (0.72, 0.4), 0.5, 0.5, colour)
        pendant(stage, 0.72, 0.24, 0.2, stage.palette.accents[0])
        mist(stage, 0.3, 0.76)
        _marble_slab(stage)
        _marble_plinth(stage)
        potted_plant(stage, 0.12, 0.84, 0.4, stage.palette.accents[1])
        vase(stage, 0.89, 0.625, 0.22, stage.palette.accents[2])
        lamplight(stage, (0.62, 0.84), 0.36, 0.06, _MARBLE)


_MARBLE = rgb("f4f3f1")
_VEIN = rgb("8e929b")
_GOLD = rgb("c9a25c")


def _veins(stage: Stage, starts: list[Point], *, length: float, slope: float) -> None:
    for i, (x, y) in enumerate(starts):
        points = [
            (x + length * step / 3, y + slope * step / 3 + stage.between(-0.018, 0.018))
            for step in range(4)
        ]
        stage.line(points, 0.02, _VEIN, bent=True, alpha=0.25)
        stage.line(points, 0.009, _GOLD if i % 3 == 1 else _VEIN, bent=True, alpha=0.85)
        fork = [points[1], (points[1][0] + 0.3 * length, points[1][1] - 0.5 * slope)]
        stage.line(fork, 0.007, _VEIN, alpha=0.6)


def _marble_slab(stage: Stage) -> None:
    top, edge = 0.76, 0.92
    stage.veil(top - 0.05, top, BLACK, above=0.0, below=0.2)
    stage.rect(0, top, 1, edge, vertical((top, darker(_MARBLE, 0.1)), (edge, _MARBLE)))
    starts = [(x + stage.between(-0.06, 0.06), top + 0.02) for x in (-0.15, 0.15, 0.5, 0.8)]
    _veins(stage, starts, length=0.34, slope=0.12)
    stage.rect(0, edge, 1, 1, vertical((edge, darker(_MARBLE, 0.16)), (1, darker(_MARBLE, 0.34))))
    _veins(stage, [(x, edge + 0.01) for x in (0.12, 0.46, 0.86)], length=0.12, slope=0.07)
    stage.rect(0, edge - 0.01, 1, edge + 0.003, WHITE)


def _marble_plinth(stage: Stage) -> None:
    shadow(stage, (0.88, 0.84), 0.2, 0.04)
    stage.rect(
        0.78,
        0.62,
        1.02,
        0.84,
        vertical((0.62, darker(_MARBLE, 0.06)), (0.84, darker(_MARBLE, 0.22))),
    )
    _veins(stage, [(0.79, 0.66), (0.84, 0.72)], length=0.2, slope=0.1)
    stage.polygon([(0.78, 0.62), (0.81, 0.59), (1.02, 0.59), (1.02, 0.62)], WHITE)
