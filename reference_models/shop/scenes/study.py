"""Rooms to work and read in: the office, the library."""

from reference_models.shop.scenes.furniture import book_pile, books, mug
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
    sun_patch,
    table_top,
    view,
    wall,
    wall_colour,
    window,
    window_light,
    wood_grain,
)
from reference_models.shop.scenes.stage import (
    Colour,
    Stage,
    darker,
    horizontal,
    lighter,
    mix,
    rgb,
    vertical,
)


def office(stage: Stage) -> None:
    """A desk with a screen and a lamp, under a pin board and a window."""
    accents = [stage.palette.accents[i] for i in stage.rng.permutation(3)]
    with either_way_round(stage):
        colour = wall_colour(stage)
        wall(stage, 0.78, colour)
        lamplight(stage, (0.75, 0.55), 0.5, 0.5, colour)
        window(stage, 0.71, 0.07, 0.95, 0.37)
        sun_patch(stage, 0.02, 0.03, 0.34, 0.24, slant=0.12)
        _pin_board(stage, accents)
        mist(stage, 0.3, 0.78)
        wood = WOODS[int(stage.rng.integers(3))]
        table_top(stage, 0.77, 0.93, wood)
        wood_grain(stage, 0.79, 0.92, wood)
        lamplight(stage, (0.72, 0.86), 0.34, 0.07, wood)
        _screen(stage, 0.18, accents)
        _desk_lamp(stage, 0.9, 0.85, accents[0])
        book_pile(stage, 0.87, 0.92, 0.22, 2)
        mug(stage, 0.06, 0.915, 0.09, accents[1])


def _pin_board(stage: Stage, accents: list[Colour]) -> None:
    stage.rect(0.345, 0.075, 0.63, 0.325, BLACK, alpha=0.18)
    stage.rect(0.335, 0.06, 0.62, 0.31, rgb("8a5a36"))
    stage.rect(0.35, 0.075, 0.605, 0.295, rgb("d8ab72"))
    for i in range(6):
        x, y = 0.395 + 0.083 * (i % 3), 0.13 + 0.105 * (i // 3)
        with stage.placed(x, y, turn=stage.between(-0.15, 0.15)):
            colour = (*accents, rgb("fff6d8"))[(i + i // 3) % 4]
            stage.rect(-0.033, -0.038, 0.033, 0.038, lighter(colour, 0.25))
            stage.circle((0, -0.028), 0.009, rgb("c0392b"))


def _screen(stage: Stage, x: float, accents: list[Colour]) -> None:
    left, right, top, bottom = x - 0.2, x + 0.2, 0.36, 0.68
    shadow(stage, (x, 0.84), 0.16, 0.03)
    stage.polygon(
        [(x - 0.03, bottom), (x + 0.03, bottom), (x + 0.04, 0.83), (x - 0.04, 0.83)], rgb("8c929b")
    )
    stage.ellipse((x, 0.835), 0.11, 0.022, METAL)
    if stage.is_night:
        with stage.lit():
            stage.glow((x, 0.52), 0.4, mix(accents[2], rgb("9fc7ff"), 0.6), alpha=0.5)
    stage.rect(left, top, right, bottom, rgb("22262d"), corner=0.022)
    with stage.lit():
        shine = mix(accents[2], WHITE, 0.72)
        stage.rect(left + 0.02, top + 0.02, right - 0.02, bottom - 0.03, shine, corner=0.006)
        stage.rect(left + 0.02, top + 0.02, right - 0.02, top + 0.06, accents[2])
        for i in range(4):
            bar_x = left + 0.055 + 0.078 * i
            height = stage.between(0.07, 0.19)
            stage.rect(bar_x, bottom - 0.05 - height, bar_x + 0.055, bottom - 0.05, accents[i % 3])


def _desk_lamp(stage: Stage, x: float, foot: float, colour: Colour) -> None:
    elbow, head = (x + 0.055, 0.64), (x - 0.09, 0.5)
    shadow(stage, (x, foot), 0.12, 0.03)
    stage.ellipse((x, foot - 0.01), 0.08, 0.022, darker(colour, 0.25))
    stage.line([(x, foot - 0.015), elbow, head], 0.024, darker(colour, 0.2))
    stage.circle(elbow, 0.022, lighter(colour, 0.2))
    bulb = (head[0] - 0.045, head[1] + 0.075)
    lamp_glow(stage, bulb, 0.34)
    with stage.placed(*head, turn=0.55):
        with stage.lit():
            stage.ellipse((0, 0.085), 0.075, 0.03, LAMP_CORE)
        shade = [(-0.035, -0.035), (0.035, -0.035), (0.1, 0.085), (-0.1, 0.085)]
        stage.polygon(shade, round_fill(-0.1, 0.1, colour))


def library(stage: Stage) -> None:
    """Tall shelves full of books beside an arched window; a ladder and a green reading lamp."""
    wood = darker(WOODS[int(stage.rng.integers(3))], 0.25)
    with either_way_round(stage):
        colour = mix(stage.palette.wall, stage.palette.shade, 0.3)
        wall(stage, 0.84, colour)
        lamplight(stage, (0.5, 0.3), 0.5, 0.6, colour)
        _arched_window(stage, 0.5, 0.13, 0.62, 0.24)
        _bookcase(stage, 0.345, 0.655, 0.655, wood, shelves=1)
        _bookcase(stage, -0.02, 0.33, 0.02, wood, shelves=4)
        _bookcase(stage, 0.67, 1.02, 0.02, wood, shelves=4)
        _ladder(stage, 0.2, lighter(wood, 0.3))
        mist(stage, 0.25, 0.84)
        table_top(stage, 0.83, 0.95, lighter(wood, 0.22))
        wood_grain(stage, 0.84, 0.94, wood)
        lamplight(stage, (0.7, 0.88), 0.4, 0.07, lighter(wood, 0.22))
        _banker_lamp(stage, 0.86, 0.9)
        book_pile(stage, 0.13, 0.92, 0.22, 3)


def _arched_window(stage: Stage, x: float, top: float, bottom: float, width: float) -> None:
    half = width / 2
    window_light(stage, (x, (top + bottom) / 2), 0.45)
    frame = rgb("f5f1e6")
    stage.rect(
        x - half - 0.025, top - 0.025, x + half + 0.025, bottom + half, frame, corner=half + 0.025
    )
    view(stage, x - half, top, x + half, bottom + half, corner=half)
    stage.rect(x - 0.01, top, x + 0.01, bottom, frame)
    for y in (top + half, (top + half + bottom) / 2):
        stage.rect(x - half, y - 0.01, x + half, y + 0.01, frame)


def _bookcase(
    stage: Stage, left: float, right: float, top: float, wood: Colour, *, shelves: int
) -> None:
    bottom, board = 0.85, 0.025
    stage.rect(left, top, right, bottom, darker(wood, 0.55))
    height = (bottom - top - board) / shelves
    for i in range(shelves):
        foot = top + board + (i + 1) * height - board
        books(stage, left + board, right - board, foot, 0.84 * (height - board))
        stage.rect(left, foot, right, foot + board, wood)
    for x in (left, right - board):
        stage.rect(
            x,
            top,
            x + board,
            bottom,
            horizontal((x, lighter(wood, 0.15)), (x + board, darker(wood, 0.2))),
        )
    stage.rect(left - 0.01, top - 0.02, right + 0.01, top + board, lighter(wood, 0.12))


def _ladder(stage: Stage, x: float, wood: Colour) -> None:
    feet, tops = (x - 0.02, x + 0.14), (x - 0.1, x + 0.02)
    for step in range(5):
        t = (step + 0.7) / 5.4
        y = 0.86 - 0.78 * t
        near, far = (foot + (top - foot) * t for foot, top in zip(feet, tops, strict=True))
        stage.line([(near, y), (far, y)], 0.022, darker(wood, 0.15))
    for foot, top in zip(feet, tops, strict=True):
        stage.line([(foot, 0.86), (top, 0.08)], 0.026, wood)


def _banker_lamp(stage: Stage, x: float, foot: float) -> None:
    brass = rgb("cfa14a")
    shadow(stage, (x, foot), 0.13, 0.03)
    stage.ellipse((x, foot - 0.01), 0.08, 0.022, brass)
    stage.line([(x, foot - 0.02), (x, foot - 0.2)], 0.022, brass)
    lamp_glow(stage, (x, foot - 0.19), 0.3)
    with stage.lit():
        stage.rect(x - 0.1, foot - 0.205, x + 0.1, foot - 0.175, LAMP_CORE, corner=0.012)
    shade = [
        (x - 0.09, foot - 0.28),
        (x + 0.09, foot - 0.28),
        (x + 0.14, foot - 0.19),
        (x - 0.14, foot - 0.19),
    ]
    stage.polygon(shade, vertical((foot - 0.28, rgb("39a86e")), (foot - 0.19, rgb("1d6e49"))))
