"""Rooms to meet and train in: the cafe, the gym."""

from reference_models.shop.scenes.rooms import (
    BLACK,
    LAMP_LIGHT,
    METAL,
    WHITE,
    WOODS,
    either_way_round,
    lamplight,
    mist,
    pendant,
    round_fill,
    shadow,
    sun_patch,
    wall,
    window,
    wood_grain,
    wooden_floor,
)
from reference_models.shop.scenes.stage import (
    Colour,
    Stage,
    darker,
    lighter,
    mix,
    radial,
    rgb,
    vertical,
)


def cafe(stage: Stage) -> None:
    """A round table with coffee and cake under a striped awning, lamps and a chalk board."""
    first, second, third = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    wood = WOODS[int(stage.rng.integers(3))]
    with either_way_round(stage):
        colour = mix(stage.palette.wall, second, 0.3)
        wall(stage, 0.72, colour)
        lamplight(stage, (0.55, 0.35), 0.7, 0.5, colour)
        window(stage, 0.05, 0.22, 0.37, 0.58, frame=darker(wood, 0.3))
        sun_patch(stage, 0.44, 0.2, 0.2, 0.3, slant=0.1)
        _chalk_board(stage, 0.67, 0.25, 0.95, 0.6, wood=wood)
        mist(stage, 0.3, 0.72)
        stage.rect(0, 0.66, 1, 0.73, darker(wood, 0.15))
        wooden_floor(stage, 0.72, darker(wood, 0.35))
        for x in (0.1, 0.9):
            _chair_back(stage, x, third)
        _round_table(stage, wood)
        _cup(stage, 0.15, 0.9, second)
        _cake(stage, 0.85, 0.905, first)
        pendant(stage, 0.5, 0.23, 0.15, third)
        _awning(stage, first)


def _awning(stage: Stage, colour: Colour) -> None:
    width = 1 / 8
    stage.veil(0.13, 0.22, BLACK, above=0.25, below=0.0)
    for i in range(8):
        stripe = colour if i % 2 == 0 else rgb("fdf6ea")
        left, right = i * width, (i + 1) * width
        stage.rect(
            left, -0.01, right + 0.001, 0.13, vertical((0, darker(stripe, 0.15)), (0.13, stripe))
        )
        stage.circle(((left + right) / 2, 0.128), width / 2, darker(stripe, 0.06))


def _chalk_board(
    stage: Stage, left: float, top: float, right: float, bottom: float, *, wood: Colour
) -> None:
    stage.rect(left + 0.01, top + 0.012, right + 0.012, bottom + 0.014, BLACK, alpha=0.2)
    stage.rect(left, top, right, bottom, darker(wood, 0.1))
    stage.rect(left + 0.02, top + 0.02, right - 0.02, bottom - 0.02, rgb("2f3d3a"))
    x, y, chalk = (left + right) / 2, top + 0.12, rgb("f4f1e6")
    stage.line(
        [(x + 0.05, y - 0.02), (x + 0.085, y), (x + 0.045, y + 0.03)], 0.014, chalk, bent=True
    )
    stage.polygon(
        [
            (x - 0.055, y - 0.035),
            (x + 0.055, y - 0.035),
            (x + 0.035, y + 0.045),
            (x - 0.035, y + 0.045),
        ],
        chalk,
    )
    stage.line([(x - 0.07, y + 0.065), (x + 0.07, y + 0.065)], 0.014, chalk)
    for i, length in enumerate((0.16, 0.12)):
        row = y + 0.115 + 0.045 * i
        stage.line([(left + 0.05, row), (left + 0.05 + length, row)], 0.014, chalk, alpha=0.7)


def _chair_back(stage: Stage, x: float, colour: Colour) -> None:
    dark = darker(colour, 0.35)
    back = [(x - 0.11, 0.9), (x - 0.11, 0.6), (x, 0.53), (x + 0.11, 0.6), (x + 0.11, 0.9)]
    stage.line(back, 0.03, dark, bent=True)
    for shift in (-0.045, 0.045):
        stage.line([(x + shift, 0.58), (x + shift, 0.9)], 0.022, dark)


def _round_table(stage: Stage, wood: Colour) -> None:
    stage.ellipse((0.5, 0.945), 0.62, 0.14, darker(wood, 0.5))
    stage.ellipse(
        (0.5, 0.915), 0.62, 0.14, vertical((0.775, darker(wood, 0.05)), (1.05, lighter(wood, 0.3)))
    )
    wood_grain(stage, 0.83, 0.97, wood)
    lamplight(stage, (0.5, 0.89), 0.45, 0.09, wood)


def _cup(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    china = lighter(colour, 0.75)
    shadow(stage, (x, foot + 0.015), 0.19, 0.035)
    stage.ellipse((x, foot), 0.15, 0.03, darker(china, 0.08))
    stage.ellipse((x, foot - 0.005), 0.12, 0.02, china)
    handle = [(x + 0.085, foot - 0.115), (x + 0.15, foot - 0.1), (x + 0.075, foot - 0.04)]
    stage.line(handle, 0.024, darker(china, 0.15), bent=True)
    bowl = [
        (x - 0.1, foot - 0.14),
        (x + 0.1, foot - 0.14),
        (x + 0.085, foot - 0.05),
        (x + 0.04, foot - 0.005),
        (x - 0.04, foot - 0.005),
        (x - 0.085, foot - 0.05),
    ]
    stage.polygon(bowl, round_fill(x - 0.1, x + 0.1, china))
    stage.line([(x - 0.092, foot - 0.1), (x + 0.092, foot - 0.1)], 0.02, colour)
    stage.ellipse((x, foot - 0.14), 0.1, 0.024, china)
    stage.ellipse((x, foot - 0.138), 0.083, 0.018, rgb("6b3f22"))
    for shift in (-0.035, 0.035):
        steam = [(x + shift, foot - 0.19), (x + shift + 0.025, foot - 0.25)]
        steam += [(x + shift - 0.005, foot - 0.31), (x + shift + 0.02, foot - 0.37)]
        stage.line(steam, 0.022, WHITE, bent=True, alpha=0.5)


def _cake(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    shadow(stage, (x, foot + 0.01), 0.18, 0.035)
    stage.ellipse((x, foot), 0.145, 0.028, rgb("f7f4ee"))
    left, right, top = x - 0.1, x + 0.1, foot - 0.13
    for i, layer in enumerate(
        (rgb("e9bd7c"), lighter(colour, 0.5), rgb("e9bd7c"), lighter(colour, 0.15))
    ):
        low = foot - 0.01 - 0.032 * i
        stage.rect(left, low - 0.033, right, low, round_fill(left, right, layer))
    stage.ellipse((x, top - 0.005), 0.1, 0.024, lighter(colour, 0.35))
    stage.circle((x, top - 0.03), 0.03, rgb("d62839"))
    stage.line([(x, top - 0.055), (x + 0.025, top - 0.085)], 0.01, rgb("3f7d4a"))


def gym(stage: Stage) -> None:
    """A rack of dumbbells, a punch bag and a kettlebell on rubber, under a row of lamps."""
    first, second, third = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    with either_way_round(stage):
        colour = mix(stage.palette.wall, rgb("cfd3d8"), 0.35)
        wall(stage, 0.76, colour)
        lamplight(stage, (0.5, 0.3), 0.7, 0.6, colour)
        stripe = [(0.34, 0.76), (0.66, 0.12), (0.9, 0.12), (0.58, 0.76)]
        stage.polygon(stripe, first)
        stage.polygon([(0.62, 0.76), (0.94, 0.12), (1.0, 0.12), (0.68, 0.76)], third)
        window(stage, 0.04, 0.13, 0.54, 0.36, columns=3, rows=1, frame=rgb("4b5058"))
        sun_patch(stage, 0.56, 0.36, 0.26, 0.26, slant=0.12)
        mist(stage, 0.3, 0.76)
        _rubber_floor(stage, second)
        _rack(stage, 0.155, second)
        _punch_bag(stage, 0.87, first)
        if stage.rng.random() < 0.6:
            _kettlebell(stage, 0.84, 0.94, third)
        else:
            _exercise_ball(stage, 0.85, 0.94, third)
        _strip_lamps(stage)


def _strip_lamps(stage: Stage) -> None:
    stage.rect(0, -0.01, 1, 0.05, rgb("4b5058"))
    for x in (0.22, 0.62):
        if stage.is_night:
            with stage.lit():
                stage.glow((x, 0.05), 0.24, LAMP_LIGHT, alpha=0.6)
        with stage.lit():
            stage.rect(x - 0.13, 0.03, x + 0.13, 0.065, rgb("fffbe8"), corner=0.015)


def _rubber_floor(stage: Stage, colour: Colour) -> None:
    rubber = mix(rgb("4a4f57"), colour, 0.22)
    stage.rect(0, 0.76, 1, 1, vertical((0.76, darker(rubber, 0.25)), (1, lighter(rubber, 0.18))))
    stage.rect(0, 0.745, 1, 0.775, rgb("2f333a"))
    stage.polygon([(0.12, 0.82), (0.88, 0.82), (1.0, 0.99), (0.0, 0.99)], colour)
    stage.polygon(
        [(0.15, 0.833), (0.85, 0.833), (0.95, 0.975), (0.05, 0.975)], lighter(rubber, 0.12)
    )
    lamplight(stage, (0.5, 0.88), 0.45, 0.09, lighter(rubber, 0.2))


def _rack(stage: Stage, x: float, colour: Colour) -> None:
    steel = rgb("30343b")
    shadow(stage, (x, 0.87), 0.26, 0.03)
    for side in (-1, 1):
        stage.line([(x + 0.165 * side, 0.87), (x + 0.145 * side, 0.46)], 0.03, darker(steel, 0.2))
    for y, size in ((0.52, 0.15), (0.73, 0.165)):
        stage.rect(x - 0.19, y + 0.078, x + 0.19, y + 0.108, steel)
        with stage.placed(x, y, size):
            _dumbbell(stage, colour)


def _dumbbell(stage: Stage, colour: Colour) -> None:
    stage.rect(-0.6, -0.13, 0.6, 0.13, vertical((-0.13, lighter(METAL, 0.4)), (0.13, METAL)))
    for side in (-1, 1):
        for near, far, half, shade in ((0.36, 0.66, 0.54, 0.0), (0.62, 0.94, 0.4, 0.15)):
            left, right = sorted((near * side, far * side))
            top, low = lighter(colour, 0.35), darker(colour, 0.3 + shade)
            stage.rect(left, -half, right, half, vertical((-half, top), (half, low)), corner=0.1)


def _punch_bag(stage: Stage, x: float, colour: Colour) -> None:
    stage.line([(x, 0.0), (x, 0.14)], 0.02, rgb("6a6f77"))
    for side in (-1, 1):
        stage.line([(x, 0.12), (x + 0.075 * side, 0.2)], 0.016, rgb("6a6f77"))
    left, right = x - 0.09, x + 0.09
    stage.rect(left, 0.19, right, 0.68, round_fill(left, right, colour), corner=0.035)
    for y in (0.24, 0.58):
        stage.rect(left, y, right, y + 0.045, round_fill(left, right, rgb("f3efe6")))


def _kettlebell(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    shadow(stage, (x, foot), 0.15, 0.03)
    handle = [(x - 0.05, foot - 0.14), (x - 0.065, foot - 0.23), (x, foot - 0.255)]
    handle += [(x + 0.065, foot - 0.23), (x + 0.05, foot - 0.14)]
    stage.line(handle, 0.032, rgb("3a3e46"), bent=True)
    left, right = x - 0.105, x + 0.105
    stage.ellipse((x, foot - 0.095), 0.105, 0.098, round_fill(left, right, colour))
    stage.circle((x, foot - 0.095), 0.045, lighter(colour, 0.65))


def _exercise_ball(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    radius = 0.15
    centre, light = (x, foot - radius), (x - 0.05, foot - 1.35 * radius)
    shadow(stage, (x, foot), 0.17, 0.03)
    stage.circle(
        centre, radius, radial(light, 1.5 * radius, lighter(colour, 0.4), darker(colour, 0.2))
    )
    for share in (0.3, 0.68):
        stage.ellipse(centre, radius, share * radius, darker(colour, 0.4), alpha=0.12)
