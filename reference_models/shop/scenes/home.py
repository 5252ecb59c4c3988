"""Rooms of a home: the kitchen, the living room, the bathroom."""

from reference_models.shop.scenes.furniture import picture_frame, potted_plant
from reference_models.shop.scenes.rooms import (
    BLACK,
    LAMP_CORE,
    METAL,
    WHITE,
    WOODS,
    either_way_round,
    lamp_glow,
    lamplight,
    mist,
    round_fill,
    shadow,
    standing_lamp,
    sun_patch,
    table_top,
    wall,
    wall_colour,
    window,
    wood_grain,
    wooden_floor,
)
from reference_models.shop.scenes.stage import (
    Colour,
    Point,
    Stage,
    darker,
    horizontal,
    lighter,
    mix,
    rgb,
    vertical,
)


def kitchen(stage: Stage) -> None:
    """Cupboards over tiles, a rail of utensils, a pot on the hob, a tap by the window."""
    first, second, third = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    tile, wood = lighter(stage.palette.wall, 0.3), WOODS[int(stage.rng.integers(3))]
    with either_way_round(stage):
        _tiles(stage, 0.2, 0.78, tile, rows=5, columns=int(stage.rng.integers(4, 8)))
        window(stage, 0.05, 0.28, 0.31, 0.58, rows=int(stage.rng.integers(1, 3)))
        sun_patch(stage, 0.42, 0.3, 0.42, 0.26, slant=0.14)
        lamplight(stage, (0.66, 0.4), 0.55, 0.45, tile)
        if stage.is_night:
            for x in (0.45, 0.8):
                lamp_glow(stage, (x, 0.24), 0.28)
        mist(stage, 0.3, 0.78)
        _cupboards(stage, first)
        _rail(stage, third)
        table_top(stage, 0.78, 0.93, wood)
        wood_grain(stage, 0.79, 0.92, wood)
        lamplight(stage, (0.55, 0.84), 0.45, 0.07, wood)
        _tap(stage, 0.14)
        _hob(stage, 0.85, second)


def _tiles(
    stage: Stage, top: float, bottom: float, tile: Colour, *, rows: int, columns: int
) -> None:
    stage.rect(0, top, 1, bottom + 0.01, darker(tile, 0.16))
    height, width = (bottom - top) / rows, 1 / columns
    for shade in (0.0, 0.3):
        boxes = []
        for row in range(rows):
            for column in range(-1, columns + 1):
                if ((row * 5 + column * 3) % 4 == 0) == bool(shade):
                    x = (column + 0.5 * (row % 2)) * width + 0.005
                    y = top + row * height + 0.005
                    right, low = x + width - 0.01, y + height - 0.01
                    boxes.append([(x, y), (right, y), (right, low), (x, low)])
        stage.polygons(boxes, lighter(tile, shade))


def _cupboards(stage: Stage, colour: Colour) -> None:
    stage.veil(0.22, 0.28, BLACK, above=0.25, below=0.0)
    stage.rect(0, 0, 1, 0.22, darker(colour, 0.3))
    for i in range(4):
        left, right = 0.25 * i + 0.008, 0.25 * (i + 1) - 0.008
        stage.rect(
            left, -0.05, right, 0.208, vertical((-0.05, lighter(colour, 0.15)), (0.21, colour))
        )
        stage.rect(left + 0.035, -0.05, right - 0.035, 0.17, darker(colour, 0.14))
        stage.rect(left + 0.045, -0.05, right - 0.035, 0.17, lighter(colour, 0.08))
        knob = right - 0.02 if i % 2 == 0 else left + 0.02
        stage.circle((knob, 0.185), 0.012, rgb("f3d9a0"))
    stage.rect(0, 0.208, 1, 0.228, darker(colour, 0.45))


def _rail(stage: Stage, colour: Colour) -> None:
    y = 0.3
    stage.rect(0.38, y - 0.01, 1.0, y + 0.01, rgb("6a6f77"))
    for i, x in enumerate((0.45, 0.57, 0.69, 0.81, 0.93)):
        low = y + 0.2 + 0.03 * (i % 2)
        stage.rect(x - 0.011, y, x + 0.011, low, rgb("565b64"))
        stage.rect(x - 0.016, y + 0.02, x + 0.016, y + 0.1, colour, corner=0.01)
        if i in (0, 3):
            stage.ellipse((x, low + 0.02), 0.04, 0.045, rgb("565b64"))
        elif i in (1, 4):
            stage.rect(x - 0.036, low - 0.02, x + 0.036, low + 0.07, rgb("565b64"), corner=0.012)
        else:
            stage.circle((x, low + 0.02), 0.05, rgb("565b64"))
            stage.circle((x, low + 0.02), 0.028, rgb("8b919b"))


def _tap(stage: Stage, x: float) -> None:
    shadow(stage, (x, 0.855), 0.2, 0.035)
    stage.ellipse((x, 0.85), 0.17, 0.03, darker(METAL, 0.25))
    stage.ellipse((x, 0.857), 0.145, 0.022, darker(METAL, 0.5))
    fill = horizontal((x - 0.08, lighter(METAL, 0.3)), (x + 0.1, darker(METAL, 0.35)))
    neck = [
        (x - 0.06, 0.82),
        (x - 0.06, 0.66),
        (x - 0.01, 0.6),
        (x + 0.06, 0.64),
        (x + 0.065, 0.71),
    ]
    stage.line(neck, 0.036, fill, bent=True)
    stage.rect(x - 0.09, 0.8, x - 0.03, 0.835, fill, corner=0.012)
    stage.line([(x - 0.06, 0.74), (x - 0.115, 0.71)], 0.026, fill)


def _hob(stage: Stage, x: float, colour: Colour) -> None:
    stage.polygon([(x - 0.15, 0.82), (1.1, 0.82), (1.1, 0.885), (x - 0.18, 0.885)], rgb("2d3036"))
    stage.ellipse((x, 0.85), 0.12, 0.02, rgb("e85d3a") if stage.is_night else rgb("4b4f57"))
    left, right, top = x - 0.125, x + 0.125, 0.67
    stage.line([(left - 0.03, 0.73), (right + 0.03, 0.73)], 0.035, darker(colour, 0.4))
    stage.rect(left, top, right, 0.855, round_fill(left, right, colour), corner=0.025)
    lid = [(left - 0.01, top + 0.01), (x - 0.07, top - 0.035), (x + 0.07, top - 0.035)]
    stage.polygon(
        [*lid, (right + 0.01, top + 0.01)], round_fill(left, right, lighter(colour, 0.15))
    )
    stage.circle((x, top - 0.05), 0.022, rgb("3a3433"))
    for shift in (-0.05, 0.05):
        steam = [(x + shift, 0.6), (x + shift + 0.02, 0.54), (x + shift - 0.01, 0.48)]
        stage.line(steam, 0.02, WHITE, bent=True, alpha=0.35)


def living_room(stage: Stage) -> None:
    """A sofa with cushions under pictures, between a window and a standing lamp."""
    colour = wall_colour(stage)
    sofa, cushion, curtain = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    with either_way_round(stage):
        wall(stage, 0.78, colour)
        window(stage, 0.05, 0.1, 0.29, 0.48)
        _curtains(stage, 0.05, 0.29, 0.04, bottom=0.6, colour=curtain)
        sun_patch(stage, 0.44, 0.06, 0.36, 0.3, slant=0.14)
        lamplight(stage, (0.8, 0.4), 0.75, 0.6, colour)
        wood = WOODS[int(stage.rng.integers(3))]
        _pictures(stage, darker(wood, 0.2))
        mist(stage, 0.3, 0.78)
        stage.rect(0, 0.75, 1, 0.785, lighter(colour, 0.5))
        wooden_floor(stage, 0.78, wood)
        _rug(stage, mix(cushion, stage.palette.wall, 0.35))
        standing_lamp(stage, 0.91, 0.2, 0.84, width=0.2, colour=curtain)
        _sofa(stage, sofa, cushion)


def _pictures(stage: Stage, frame: Colour) -> None:
    if stage.rng.random() < 0.4:
        picture_frame(stage, 0.42, 0.06, 0.76, 0.32, frame=frame)
        return
    for left in (0.38, 0.6):
        picture_frame(stage, left, 0.07, left + 0.18, 0.3, frame=frame)


def _curtains(
    stage: Stage, left: float, right: float, top: float, *, bottom: float, colour: Colour
) -> None:
    stage.line([(left - 0.1, top), (right + 0.1, top)], 0.022, rgb("5a4636"))
    for near, far in ((left - 0.09, left + 0.015), (right - 0.015, right + 0.09)):
        stage.rect(near, top, far, bottom, colour)
        width = (far - near) / 3
        for i in range(3):
            x = near + i * width
            stage.rect(x + 0.6 * width, top, x + width, bottom, BLACK, alpha=0.16)
            stage.rect(x + 0.1 * width, top, x + 0.35 * width, bottom, WHITE, alpha=0.16)


def _rug(stage: Stage, colour: Colour) -> None:
    stage.ellipse((0.5, 0.93), 0.52, 0.095, darker(colour, 0.15))
    stage.ellipse((0.5, 0.925), 0.46, 0.078, lighter(colour, 0.35))
    stage.ellipse((0.5, 0.922), 0.4, 0.063, colour)


def _sofa(stage: Stage, colour: Colour, cushion: Colour) -> None:
    shadow(stage, (0.5, 0.86), 0.56, 0.05)
    for x in (0.14, 0.86):
        stage.rect(x - 0.02, 0.82, x + 0.02, 0.875, rgb("4a3526"))
    stage.rect(
        0.1, 0.43, 0.9, 0.8, vertical((0.43, lighter(colour, 0.18)), (0.8, colour)), corner=0.06
    )
    stage.rect(0.494, 0.46, 0.506, 0.66, BLACK, alpha=0.16)
    tilt = stage.between(0.05, 0.3)
    for x, turn in ((0.245, -tilt), (0.755, tilt)):
        with stage.placed(x, 0.575, turn=turn):
            stage.rect(-0.085, -0.085, 0.095, 0.095, BLACK, corner=0.03, alpha=0.2)
            stage.rect(-0.09, -0.09, 0.09, 0.09, lighter(cushion, 0.12), corner=0.03)
            stage.rect(-0.09, -0.02, 0.09, 0.02, lighter(cushion, 0.5))
    stage.rect(
        0.12, 0.65, 0.88, 0.75, vertical((0.65, lighter(colour, 0.3)), (0.75, colour)), corner=0.03
    )
    stage.rect(
        0.1, 0.73, 0.9, 0.84, vertical((0.73, colour), (0.84, darker(colour, 0.3))), corner=0.03
    )
    for left in (0.03, 0.83):
        fill = vertical((0.54, lighter(colour, 0.25)), (0.84, darker(colour, 0.2)))
        stage.rect(left, 0.54, left + 0.14, 0.845, fill, corner=0.06)
        stage.ellipse((left + 0.07, 0.6), 0.04, 0.035, darker(colour, 0.1))


def bathroom(stage: Stage) -> None:
    """Tiles, a round mirror between lamps, towels, a shower; a shelf with bottles and a plant."""
    first, second, third = (stage.palette.accents[i] for i in stage.rng.permutation(3))
    with either_way_round(stage):
        tile = mix(lighter(stage.palette.wall, 0.15), lighter(first, 0.5), 0.4)
        _square_tiles(stage, tile, first)
        sun_patch(stage, 0.06, 0.03, 0.34, 0.3, slant=0.14)
        lamplight(stage, (0.5, 0.3), 0.6, 0.5, tile)
        _mirror(stage, (0.5, 0.29), 0.23)
        _shower(stage, 0.13)
        _towel(stage, 0.88, second, third)
        mist(stage, 0.2, 0.8)
        table_top(stage, 0.81, 0.92, rgb("f4f1ec"))
        lamplight(stage, (0.5, 0.86), 0.4, 0.05, WHITE)
        _rolled_towels(stage, 0.14, 0.87, third, second)
        _bottles(stage, 0.84, 0.87, first)


def _square_tiles(stage: Stage, tile: Colour, accent: Colour) -> None:
    stage.rect(0, 0, 1, 1, lighter(tile, 0.55))
    size = 0.125
    groups: list[list[list[Point]]] = [[], [], []]
    for row in range(8):
        for column in range(8):
            x, y = column * size + 0.006, row * size + 0.006
            right, low = x + size - 0.012, y + size - 0.012
            kind = 2 if row == 5 else int(stage.rng.random() < 0.35)
            groups[kind].append([(x, y), (right, y), (right, low), (x, low)])
    for boxes, colour in zip(
        groups, (tile, lighter(tile, 0.3), mix(accent, tile, 0.2)), strict=True
    ):
        stage.polygons(boxes, colour)
    stage.rect(0, 0, 1, 1, vertical((0, WHITE), (1, BLACK)), alpha=0.08)


def _mirror(stage: Stage, centre: Point, radius: float) -> None:
    x, y = centre
    for side in (-1, 1):
        bulb_x, bulb_y = x + side * (radius + 0.055), y - 0.12
        left, right = bulb_x - 0.03, bulb_x + 0.03
        lamp_glow(stage, (bulb_x, bulb_y), 0.34)
        stage.rect(left, bulb_y + 0.04, right, bulb_y + 0.085, rgb("b98a45"), corner=0.01)
        with stage.lit():
            stage.rect(left, bulb_y - 0.08, right, bulb_y + 0.05, LAMP_CORE, corner=0.03)
    stage.circle((x + 0.008, y + 0.014), radius + 0.025, BLACK, alpha=0.2)
    stage.circle(centre, radius + 0.025, rgb("c99b52"))
    glass = {
        "daylight": (rgb("cfe8f6"), rgb("f4fbff")),
        "golden hour": (rgb("f7b78a"), rgb("fff0cf")),
        "night": (rgb("5d6db5"), rgb("8f9ad0")),
        "mist": (rgb("c6d0d4"), rgb("e8edee")),
    }[stage.look.light]
    stage.circle(centre, radius, vertical((y - radius, glass[0]), (y + radius, glass[1])))
    for shift, width in ((-0.05, 0.05), (0.05, 0.025)):
        low, high = (x + shift - 0.1, y + 0.13), (x + shift + 0.08, y - 0.13)
        stage.line([low, high], width, WHITE, alpha=0.5)


def _shower(stage: Stage, x: float) -> None:
    fill = horizontal((x - 0.1, lighter(METAL, 0.4)), (x + 0.1, darker(METAL, 0.4)))
    stage.line([(-0.02, 0.08), (x - 0.03, 0.06), (x, 0.13)], 0.034, fill, bent=True)
    stage.polygon([(x - 0.04, 0.12), (x + 0.04, 0.12), (x + 0.11, 0.19), (x - 0.11, 0.19)], fill)
    stage.ellipse((x, 0.19), 0.11, 0.02, darker(METAL, 0.45))
    for i, start in enumerate((-0.085, -0.03, 0.03, 0.085)):
        for k in range(3):
            y = 0.25 + 0.12 * k + 0.05 * (i % 2)
            drop = (x + start * (1 + 0.25 * k), y)
            stage.ellipse(drop, 0.012, 0.03, rgb("6db9ea"), alpha=0.85)


def _towel(stage: Stage, x: float, colour: Colour, stripe: Colour) -> None:
    stage.line([(x - 0.13, 0.3), (x + 0.14, 0.3)], 0.024, darker(METAL, 0.2))
    left, right = x - 0.09, x + 0.09
    stage.rect(left + 0.012, 0.3, right + 0.016, 0.69, BLACK, alpha=0.16)
    stage.rect(
        left, 0.285, right, 0.68, round_fill(left, right, lighter(colour, 0.1)), corner=0.012
    )
    stage.rect(left, 0.54, right, 0.58, lighter(stripe, 0.35))
    stage.rect(left, 0.6, right, 0.62, lighter(stripe, 0.35))


def _rolled_towels(stage: Stage, x: float, foot: float, first: Colour, second: Colour) -> None:
    shadow(stage, (x, foot), 0.17, 0.03)
    radius = 0.068
    for across, up, colour in (
        (-1.0, 0, first),
        (1.0, 0, second),
        (0.0, 1.72, lighter(first, 0.4)),
    ):
        centre = (x + across * radius, foot - radius * (1 + up))
        stage.circle(centre, radius, darker(colour, 0.12))
        stage.circle(centre, 0.8 * radius, lighter(colour, 0.3))
        stage.circle(centre, 0.55 * radius, darker(colour, 0.06))
        stage.circle(centre, 0.28 * radius, lighter(colour, 0.35))


def _bottles(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    potted_plant(stage, x + 0.12, foot - 0.005, 0.3, lighter(colour, 0.3))
    shadow(stage, (x - 0.02, foot), 0.1, 0.025)
    left, right = x - 0.065, x + 0.035
    stage.rect(left, foot - 0.15, right, foot, round_fill(left, right, colour), corner=0.02)
    stage.rect(left, foot - 0.1, right, foot - 0.045, lighter(colour, 0.7))
    stage.rect(x - 0.03, foot - 0.2, x, foot - 0.145, rgb("f6f3ee"))
    stage.rect(x - 0.075, foot - 0.21, x, foot - 0.182, rgb("f6f3ee"), corner=0.01)
