"""Scenes at the sea and under it: the beach, the reef."""

from math import cos, pi, sin

from reference_models.shop.scenes.outdoors import ball, parasol
from reference_models.shop.scenes.sky import fog, haze, sky
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


def beach(stage: Stage) -> None:
    """Sand, surf and sea; a palm at one side, a parasol over a towel at the other."""
    horizon = stage.between(0.4, 0.46)
    sky(stage, horizon)
    deep, shallow = mix(rgb("1673a6"), haze(stage), 0.15), mix(rgb("45cfd0"), haze(stage), 0.1)
    stage.rect(-0.01, horizon, 1.01, 0.75, vertical((horizon, deep), (0.7, shallow)))
    for k in range(6):
        y, left = horizon + 0.02 + 0.03 * k, stage.between(-0.1, 0.8)
        stage.rect(left, y, left + 0.2 + 0.03 * k, y + 0.008, lighter(shallow, 0.5), corner=0.004)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _boat(stage, (stage.between(0.32, 0.42), horizon + 0.03), 0.18)
        fog(stage, horizon - 0.1, horizon + 0.16)
        shift = stage.between(-0.03, 0.03)
        edge = [(0.0, 0.72), (0.25, 0.7 + shift), (0.5, 0.67), (0.75, 0.69 - shift), (1.0, 0.66)]
        edge = [(1.02 * x - 0.01, y) for x, y in edge]
        sand = vertical((0.66, rgb("fbe6b4")), (1.0, rgb("e3bf80")))
        stage.below([(x, y - 0.03) for x, y in edge], rgb("ffffff"))
        stage.below(edge, rgb("d9b77c"))
        stage.below([(x, y + 0.035) for x, y in edge], sand)
        _palm(stage, (0.02, 0.93), stage.between(0.78, 0.86))
        x = stage.between(0.82, 0.86)
        stage.ellipse((x, 0.9), 0.22, 0.035, rgb("b98f56"), alpha=0.5)
        _towel(stage, (x, 0.9))
        parasol(
            stage, (x + 0.03, 0.88), stage.between(0.62, 0.68), lean=stage.between(-0.12, -0.04)
        )
        ball(stage, (stage.between(0.17, 0.24), 0.915), 0.08)


def _boat(stage: Stage, keel: Point, size: float) -> None:
    with stage.placed(*keel, size), stage.lamplit():
        stage.polygon([(0.04, -0.25), (0.04, -1.1), (0.55, -0.25)], stage.palette.accents[0])
        stage.polygon([(-0.04, -0.25), (-0.04, -0.95), (-0.42, -0.25)], rgb("fffdf6"))
        hull = [(-0.55, -0.18), (0.6, -0.18), (0.4, 0.08), (-0.38, 0.08)]
        stage.polygon(hull, stage.palette.accents[2])


def _palm(stage: Stage, foot: Point, height: float) -> None:
    with stage.placed(*foot, height):
        trunk = [(-0.05, 0.02), (-0.02, -0.45), (0.1, -0.82), (0.15, -0.8), (0.05, -0.4)]
        stage.smooth([*trunk, (0.06, 0.02)], rgb("8a5f3c"))
        for k in range(5):
            y = -0.1 - 0.14 * k
            x = 0.01 + 0.1 * (0.15 * k) ** 2
            stage.line([(x - 0.03, y), (x + 0.04, y - 0.02)], 0.022, rgb("6b472b"))
        sway = stage.between(-0.08, 0.08)
        for k, angle in enumerate((2.75, 3.5, 0.4, -0.5, 4.1, 5.0, 1.35)):
            green = (rgb("2f8f4e"), rgb("226f41"), rgb("49ad57"))[k % 3]
            bend = 1.0 if cos(angle) > 0 else -1.0
            with stage.placed(0.13, -0.84, 0.46, turn=angle + sway):
                frond = [(0.0, 0.0), (0.45, -0.2 * bend), (1.0, 0.26 * bend), (0.45, 0.02 * bend)]
                stage.smooth(frond, green)
        stage.circles([(0.1, -0.8, 0.035), (0.17, -0.81, 0.035)], rgb("5d3d25"))


def _towel(stage: Stage, centre: Point) -> None:
    with stage.placed(*centre, 1.2), stage.lamplit():
        shape = [(-0.14, -0.03), (0.16, -0.03), (0.22, 0.07), (-0.2, 0.07)]
        stage.polygon(shape, stage.palette.accents[1])
        for left, right in ((0.18, 0.34), (0.62, 0.8)):
            band = [(-0.14 + 0.3 * t, -0.03) for t in (left, right)]
            band += [(-0.2 + 0.42 * t, 0.07) for t in (right, left)]
            stage.polygon(band, lighter(stage.palette.wall, 0.35))


_WATER: dict[str, tuple[Colour, Colour, Colour]] = {
    # light: water at the surface, below, and the light that falls in
    "daylight": (rgb("7be3ee"), rgb("0b5fa5"), rgb("ffffff")),
    "golden hour": (rgb("ffd98a"), rgb("1f6f8c"), rgb("fff0b0")),
    "night": (rgb("4f7fd8"), rgb("12225e"), rgb("b8ccff")),
    "mist": (rgb("bcd6d2"), rgb("5f8f95"), rgb("f2f7f5")),
}


def underwater_reef(stage: Stage) -> None:
    """Blue water with falling light; corals at both sides, fish in the palette's colours."""
    surface, depth, light = _WATER[stage.look.light]
    middle = mix(surface, depth, 0.55)
    stage.rect(-0.01, -0.01, 1.01, 1.01, vertical((0.0, surface), (0.35, middle), (0.9, depth)))
    start = stage.between(0.15, 0.55)
    for k in range(5):
        x = start + 0.16 * (k - 2)
        foot = x + 0.35 * (x - 0.5) + 0.12
        ray = [(x, -0.01), (x + 0.07, -0.01), (foot + 0.16, 0.85), (foot, 0.85)]
        fade = mix(light, middle, 0.3)
        stage.polygon(ray, vertical((0.0, fade), (0.85, middle)), alpha=0.55)
    far = mix(depth, surface, 0.22)
    stage.below(
        [
            (-0.01, 0.5),
            (0.12, 0.52),
            (0.3, 0.76),
            (0.5, 0.8),
            (0.72, 0.74),
            (0.9, 0.5),
            (1.01, 0.46),
        ],
        far,
    )
    fog(stage, 0.45, 0.95, alpha=0.5)
    sand = vertical((0.8, rgb("f3dfae")), (1.0, rgb("b99a6a")))
    stage.below([(-0.01, 0.84), (0.3, 0.815), (0.7, 0.83), (1.01, 0.81)], sand)
    for k in range(4):
        left = k % 2 == 0
        x = stage.between(0.08, 0.2) if left else stage.between(0.8, 0.92)
        y = 0.12 + 0.17 * k + stage.between(-0.04, 0.04)
        colour = stage.palette.accents[k % 3]
        _fish(stage, (x, y), stage.between(0.085, 0.11), colour, flip=not left)
    for side in (0, 1):
        _corals(stage, side)
    bubbles = [
        (x + stage.between(-0.05, 0.05), stage.between(0.05, 0.75), stage.between(0.01, 0.022))
        for x in (0.3, 0.7, 0.28, 0.74, 0.5)
    ]
    stage.circles(bubbles, rgb("eafcff"), alpha=0.55)


def _fish(stage: Stage, centre: Point, size: float, colour: Colour, *, flip: bool) -> None:
    pale = lighter(stage.palette.wall, 0.35)
    with stage.placed(*centre, size, flip=flip), stage.lamplit():
        stage.polygon(
            [(-0.7, 0.0), (-1.3, -0.55), (-1.15, 0.0), (-1.3, 0.55)], darker(colour, 0.15)
        )
        stage.polygon([(-0.4, -0.4), (0.1, -0.85), (0.4, -0.4)], darker(colour, 0.15))
        stage.ellipse((0.0, 0.0), 0.92, 0.58, colour)
        stage.ellipse((0.05, 0.0), 0.16, 0.55, pale)
        stage.ellipse((-0.48, 0.0), 0.11, 0.44, pale)
        stage.circle((0.52, -0.12), 0.17, (1.0, 1.0, 1.0))
        stage.circle((0.56, -0.12), 0.09, rgb("1b2430"))


def _corals(stage: Stage, side: int) -> None:
    """A fan, a bush of branches and a heap of round corals, larger towards the edge."""
    order = stage.rng.permutation(3)
    first, second, third = (stage.palette.accents[k] for k in order)
    with stage.placed(side, 0.0, flip=side == 1), stage.lamplit():
        _weed(stage, 0.24)
        stage.smooth(
            [(-0.1, 1.0), (-0.05, 0.8), (0.12, 0.78), (0.27, 0.88), (0.34, 1.0)], rgb("5a5878")
        )
        _fan(stage, (0.06, 0.9), stage.between(0.32, 0.38), first)
        heap = [(0.22, 0.87, 0.07), (0.14, 0.92, 0.09), (0.29, 0.93, 0.06)]
        stage.circles(heap, second)
        stage.circles([(x - 0.015, y - 0.02, 0.6 * r) for x, y, r in heap], lighter(second, 0.3))
        tubes = ((0.0, 0.72, 0.05), (0.09, 0.79, 0.042))
        for x, top, half in tubes:
            stage.rect(x - half, top, x + half, 1.02, third, corner=half)
            stage.ellipse((x, top + 0.03), 0.7 * half, 0.018, darker(third, 0.45))


def _fan(stage: Stage, foot: Point, height: float, colour: Colour) -> None:
    """A coral of forked branches."""
    with stage.placed(*foot, height):
        for k in range(5):
            angle = -pi / 2 + 0.42 * (k - 2) + stage.between(-0.08, 0.08)
            fork = (0.55 * cos(angle), 0.55 * sin(angle))
            stage.line([(0.0, 0.0), fork], 0.14, colour)
            for turn, reach in ((-0.35, 0.36), (0.3, 0.46)):
                tip = (fork[0] + reach * cos(angle + turn), fork[1] + reach * sin(angle + turn))
                stage.line([fork, tip], 0.1, colour)
                stage.circle(tip, 0.075, lighter(colour, 0.35))


def _weed(stage: Stage, x: float) -> None:
    for k, green in enumerate((rgb("2f8f6a"), rgb("4fb07a"))):
        foot = x + 0.06 * k
        top = stage.between(0.5, 0.62)
        sway = [(foot + 0.025 * sin(2.2 * j + k), 0.9 + (top - 0.9) * j / 4) for j in range(5)]
        stage.line(sway, 0.03, green, bent=True)
