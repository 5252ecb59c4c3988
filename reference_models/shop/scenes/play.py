"""Rooms for children and feasts: the Christmas room, the playroom."""

from itertools import pairwise
from math import cos, pi, sin

from reference_models.shop.scenes.rooms import (
    BLACK,
    LAMP_CORE,
    LAMP_LIGHT,
    WHITE,
    WOODS,
    either_way_round,
    lamp_glow,
    lamplight,
    mist,
    round_fill,
    shadow,
    string_lights,
    sun_patch,
    wall,
    wall_colour,
    window,
    wooden_floor,
)
from reference_models.shop.scenes.stage import (
    Colour,
    Point,
    Stage,
    darker,
    lighter,
    mix,
    radial,
    rgb,
    vertical,
)

_FIR = rgb("2c7a4b")


def christmas(stage: Stage) -> None:
    """A lit fir tree with a star, a fire with stockings, presents, a chain of lights."""
    accents = [stage.palette.accents[i] for i in stage.rng.permutation(3)]
    with either_way_round(stage):
        colour = wall_colour(stage)
        wall(stage, 0.8, colour)
        lamplight(stage, (0.5, 0.45), 0.75, 0.6, colour)
        window(stage, 0.43, 0.16, 0.6, 0.46, hills=rgb("eef3fa"))
        for x, width in ((0.43, 0.06), (0.5, 0.09), (0.56, 0.07)):
            stage.ellipse((x + width / 2, 0.46), width / 2 + 0.01, 0.03, WHITE)
        mist(stage, 0.3, 0.8)
        wooden_floor(stage, 0.8, WOODS[int(stage.rng.integers(2))])
        _fireplace(stage, accents)
        _fir(stage, 0.2, accents)
        _present(stage, 0.07, 0.95, 0.17, colour=accents[0], ribbon=accents[1])
        _present(stage, 0.26, 0.97, 0.13, colour=accents[1], ribbon=accents[2])
        _present(stage, 0.9, 0.97, 0.19, colour=accents[2], ribbon=accents[0])
        bulbs = [accents[i % 3] for i in range(5)]
        string_lights(stage, ((-0.02, 0.02), (0.5, 0.02)), 0.06, bulbs, radius=0.02)
        string_lights(stage, ((0.5, 0.02), (1.02, 0.02)), 0.06, bulbs[::-1], radius=0.02)


def _fir(stage: Stage, x: float, accents: list[Colour]) -> None:
    shadow(stage, (x, 0.9), 0.26, 0.04)
    stage.rect(x - 0.03, 0.8, x + 0.03, 0.9, rgb("6b4428"))
    tiers = ((0.84, 0.5, 0.27), (0.64, 0.34, 0.215), (0.46, 0.2, 0.155))
    for foot, top, half in tiers:
        outline = [(x, top), (x + half, foot - 0.01), (x + 0.45 * half, foot + 0.01)]
        outline += [(x, foot - 0.01), (x - 0.45 * half, foot + 0.01), (x - half, foot - 0.01)]
        stage.polygon(
            outline, vertical((top, lighter(_FIR, 0.14)), (foot + 0.02, darker(_FIR, 0.25)))
        )
        stage.polygon(
            [(x, top), (x - half, foot - 0.01), (x - 0.45 * half, foot + 0.01)], WHITE, alpha=0.08
        )
    for i, (across, y) in enumerate(_BAUBLES):
        centre = (x + across, y)
        colour = (*accents, rgb("f7d774"))[(i + int(stage.rng.integers(2))) % 4]
        if stage.is_night:
            with stage.lit():
                stage.glow(centre, 0.06, mix(colour, LAMP_CORE, 0.3), alpha=0.8)
                stage.circle(centre, 0.021, radial(centre, 0.024, LAMP_CORE, colour))
        else:
            stage.circle(
                centre,
                0.024,
                radial((centre[0] - 0.008, y - 0.008), 0.032, lighter(colour, 0.6), colour),
            )
    star = (x, 0.185)
    lamp_glow(stage, star, 0.22)
    points = [
        (star[0] + r * sin(i * pi / 5), star[1] - r * cos(i * pi / 5))
        for i, r in enumerate([0.07, 0.03] * 5)
    ]
    with stage.lit():
        stage.polygon(points, rgb("ffd23f"))


_BAUBLES = (
    (0.0, 0.3),
    (-0.07, 0.41),
    (0.075, 0.43),
    (-0.01, 0.47),
    (-0.12, 0.59),
    (0.125, 0.6),
    (0.03, 0.58),
    (-0.05, 0.66),
    (-0.18, 0.79),
    (0.19, 0.79),
    (0.09, 0.72),
    (-0.08, 0.77),
    (0.04, 0.8),
)


def _fireplace(stage: Stage, accents: list[Colour]) -> None:
    brick = mix(rgb("a9543e"), stage.palette.shade, 0.25)
    stage.rect(0.66, 0.47, 1.02, 0.86, brick)
    joints = []
    for row in range(6):
        y = 0.5 + 0.06 * row
        joints.append([(0.66, y), (1.02, y), (1.02, y + 0.007), (0.66, y + 0.007)])
        for column in range(5):
            x = 0.68 + 0.08 * column + 0.04 * (row % 2)
            joints.append([(x, y), (x + 0.007, y), (x + 0.007, y + 0.06), (x, y + 0.06)])
    stage.polygons(joints, lighter(brick, 0.45), alpha=0.7)
    stage.ellipse((0.85, 0.68), 0.12, 0.1, rgb("2a1a18"))
    stage.rect(0.73, 0.68, 0.97, 0.86, rgb("2a1a18"))
    stage.rect(0.64, 0.845, 1.02, 0.89, darker(brick, 0.25))
    _fire(stage, 0.85, 0.85)
    stage.rect(0.62, 0.43, 1.02, 0.485, vertical((0.43, rgb("a8703f")), (0.485, rgb("6e4526"))))
    for i, x in enumerate((0.7, 0.85, 0.98)):
        _stocking(stage, x, 0.475, accents[i])


def _fire(stage: Stage, x: float, foot: float) -> None:
    with stage.lit():
        stage.glow((x, foot - 0.06), 0.3 if stage.is_night else 0.14, rgb("ff9a3c"), alpha=0.7)
        for half, height, colour in (
            (0.085, 0.19, rgb("f4622a")),
            (0.06, 0.14, rgb("ffa62e")),
            (0.03, 0.08, rgb("ffe58a")),
        ):
            flame = [
                (x - half, foot - 0.03),
                (x - 0.7 * half, foot - 0.55 * height),
                (x - 0.1 * half, foot - 0.6 * height),
                (x + 0.15 * half, foot - height),
                (x + 0.75 * half, foot - 0.5 * height),
                (x + half, foot - 0.03),
                (x, foot),
            ]
            stage.smooth(flame, colour)
    stage.line([(x - 0.09, foot - 0.005), (x + 0.09, foot - 0.02)], 0.03, rgb("6b4428"))


def _stocking(stage: Stage, x: float, top: float, colour: Colour) -> None:
    boot = [(x - 0.03, top), (x + 0.03, top), (x + 0.035, top + 0.11)]
    boot += [(x - 0.02, top + 0.16), (x - 0.06, top + 0.14), (x - 0.03, top + 0.09)]
    stage.smooth(boot, darker(colour, 0.1))
    stage.rect(x - 0.04, top - 0.015, x + 0.04, top + 0.03, rgb("fdfaf4"), corner=0.012)


def _present(
    stage: Stage, x: float, foot: float, width: float, *, colour: Colour, ribbon: Colour
) -> None:
    half, height = width / 2, 0.8 * width
    top = foot - height
    band = mix(ribbon, LAMP_CORE, 0.35)
    shadow(stage, (x, foot), 1.3 * half, 0.025)
    stage.rect(x - half, top, x + half, foot, round_fill(x - half, x + half, colour))
    stage.rect(x - 0.15 * half, top, x + 0.15 * half, foot, band)
    stage.rect(x - 1.1 * half, top, x + 1.1 * half, top + 0.22 * height, lighter(colour, 0.15))
    stage.rect(x - 0.15 * half, top, x + 0.15 * half, top + 0.22 * height, lighter(band, 0.2))
    for side in (-1, 1):
        bow = [(x, top), (x + side * 0.3 * half, top - 0.3 * height)]
        stage.smooth(
            [*bow, (x + side * 0.8 * half, top - 0.2 * height), (x + side * 0.6 * half, top)], band
        )


def playroom(stage: Stage) -> None:
    """Pennants and a rainbow on the wall; blocks, a teddy bear and balls on a soft floor."""
    first, second, third = accents = [stage.palette.accents[i] for i in stage.rng.permutation(3)]
    is_mirrored = stage.rng.random() < 0.5
    with stage.placed(1.0 if is_mirrored else 0.0, 0.0, flip=is_mirrored):
        colour = mix(stage.palette.wall, WHITE, stage.between(0.0, 0.3))
        wall(stage, 0.76, colour)
        lamplight(stage, (0.5, 0.3), 0.7, 0.6, colour)
        _painted_rainbow(stage, (0.3, 0.78), accents, colour)
        window(stage, 0.66, 0.2, 0.92, 0.44, rows=1)
        sun_patch(stage, 0.1, 0.16, 0.34, 0.28, slant=0.12)
        mist(stage, 0.3, 0.76)
        stage.rect(0, 0.73, 1, 0.765, WHITE)
        _mats(stage, 0.76, mix(second, stage.palette.wall, 0.45))
        _teddy(stage, 0.86, 0.92)
        _ball(stage, (0.67, 0.93), 0.055, third, first)
    _blocks(stage, 0.86 if is_mirrored else 0.02, accents)
    _pennants(stage, accents)


def _painted_rainbow(stage: Stage, centre: Point, accents: list[Colour], colour: Colour) -> None:
    bands = (*accents, lighter(accents[0], 0.4))
    for i, band in enumerate(bands):
        stage.circle(centre, 0.5 - 0.075 * i, band)
    stage.circle(centre, 0.5 - 0.075 * len(bands), colour)


def _mats(stage: Stage, top: float, colour: Colour) -> None:
    stage.rect(0, top, 1, 1, vertical((top, darker(colour, 0.12)), (1, lighter(colour, 0.15))))
    tiles = []
    for row, (far, near) in enumerate(((top, 0.84), (0.84, 1.001))):
        far_width, near_width = (0.2 + 0.55 * (y - top) for y in (far, near))
        for i in range(-3, 3):
            if (i + row) % 2 == 0:
                tiles.append(
                    [
                        (0.5 + i * far_width, far),
                        (0.5 + (i + 1) * far_width, far),
                        (0.5 + (i + 1) * near_width, near),
                        (0.5 + i * near_width, near),
                    ]
                )
    stage.polygons(tiles, lighter(colour, 0.3))
    stage.veil(top, top + 0.05, BLACK, above=0.18, below=0.0)


def _pennants(stage: Stage, accents: list[Colour]) -> None:
    places = [(i / 8, 0.03 + 0.32 * (i / 8) * (1 - i / 8)) for i in range(9)]
    if stage.is_night:
        bulbs = [LAMP_LIGHT] * 8
        string_lights(stage, ((-0.02, 0.0), (1.02, 0.0)), 0.03, bulbs, radius=0.015)
    for i, ((x, y), (end_x, end_y)) in enumerate(pairwise(places)):
        tip = ((x + end_x) / 2, (y + end_y) / 2 + 0.13)
        stage.polygon([(x + 0.006, y), (end_x - 0.006, end_y), tip], accents[i % 3])
        stage.polygon([(x + 0.006, y), ((x + end_x) / 2, (y + end_y) / 2), tip], WHITE, alpha=0.14)
    stage.line(places, 0.012, WHITE)


def _teddy(stage: Stage, x: float, foot: float) -> None:
    fur = rgb(("b9804c", "a86f45", "d0a06a")[int(stage.rng.integers(3))])
    dark, pale = darker(fur, 0.18), lighter(fur, 0.45)
    shadow(stage, (x, foot), 0.19, 0.035)
    for side in (-1, 1):
        stage.ellipse((x + 0.12 * side, foot - 0.2), 0.05, 0.085, dark)
        ear = (x + 0.085 * side, foot - 0.45)
        stage.circle(ear, 0.05, dark)
        stage.circle(ear, 0.028, pale)
    stage.ellipse((x, foot - 0.14), 0.12, 0.145, round_fill(x - 0.12, x + 0.12, fur))
    stage.ellipse((x, foot - 0.13), 0.075, 0.095, pale)
    stage.circle(
        (x, foot - 0.36), 0.115, radial((x - 0.03, foot - 0.4), 0.17, lighter(fur, 0.2), fur)
    )
    stage.ellipse((x, foot - 0.325), 0.058, 0.045, pale)
    stage.ellipse((x, foot - 0.345), 0.02, 0.015, rgb("3a2a24"))
    for side in (-1, 1):
        stage.circle((x + 0.045 * side, foot - 0.39), 0.014, rgb("2b211d"))
        stage.circle((x + 0.1 * side, foot - 0.035), 0.055, dark)
        stage.circle((x + 0.1 * side, foot - 0.035), 0.032, pale)
    bow = stage.accent()
    for side in (-1, 1):
        ends = [(x, foot - 0.25), (x + 0.06 * side, foot - 0.285), (x + 0.06 * side, foot - 0.215)]
        stage.polygon(ends, bow)


def _ball(stage: Stage, centre: Point, radius: float, colour: Colour, stripe: Colour) -> None:
    x, y = centre
    shadow(stage, (x, y + 0.95 * radius), 1.2 * radius, 0.3 * radius)
    stage.circle(centre, radius, round_fill(x - radius, x + radius, colour))
    stage.ellipse(centre, radius, 0.3 * radius, lighter(stripe, 0.5))
    stage.circle((x - 0.35 * radius, y - 0.4 * radius), 0.2 * radius, WHITE, alpha=0.7)


def _blocks(stage: Stage, left: float, accents: list[Colour]) -> None:
    side, foot = 0.145, 0.93
    shadow(stage, (left + 0.06, foot), 0.2, 0.03)
    for level, letter in enumerate("CBA"):
        x = left + stage.between(-0.025, 0.025) - (0.0 if level else 0.01)
        y = foot - side * (level + 1)
        colour = accents[level]
        fill = vertical((y, lighter(colour, 0.15)), (y + side, darker(colour, 0.1)))
        stage.rect(x, y, x + side, y + side, fill, corner=0.016)
        stage.rect(
            x + 0.018, y + 0.018, x + side - 0.018, y + side - 0.018, rgb("fdf8ee"), corner=0.01
        )
        with stage.placed(x + side / 2, y + side / 2, 0.04):
            _letter(stage, letter, darker(colour, 0.15))


_LETTERS = {
    # strokes in a box from -1 to 1
    "A": (((-0.8, 1.0), (0.0, -1.0), (0.8, 1.0)), ((-0.45, 0.35), (0.45, 0.35))),
    "B": (
        ((-0.6, 1.0), (-0.6, -1.0), (0.25, -1.0), (0.5, -0.5), (0.2, 0.0), (-0.6, 0.0)),
        ((0.2, 0.0), (0.65, 0.5), (0.25, 1.0), (-0.6, 1.0)),
    ),
    "C": (((0.65, -0.7), (0.1, -1.0), (-0.55, -0.55), (-0.55, 0.55), (0.1, 1.0), (0.65, 0.7)),),
}


def _letter(stage: Stage, letter: str, colour: Colour) -> None:
    for stroke in _LETTERS[letter]:
        stage.line(stroke, 0.5, colour)
