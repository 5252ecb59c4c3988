"""Scenes among trees: the forest, the autumn park."""

from reference_models.shop.scenes.outdoors import crown
from reference_models.shop.scenes.sky import fog, haze, sky
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

_GLADE: dict[str, tuple[Colour, Colour]] = {
    # light: the light between the trunks, and the green it falls into
    "daylight": (rgb("f4ffc9"), rgb("4f9e57")),
    "golden hour": (rgb("fff0a0"), rgb("8a8f3c")),
    "night": (rgb("8fb4ff"), rgb("23506b")),
    "mist": (rgb("f3f7f4"), rgb("9db8a8")),
}


def forest(stage: Stage) -> None:
    """Tall trunks around a glade, a tent at one side, toadstools at the other."""
    light, green = _GLADE[stage.look.light]
    light = mix(light, lighter(stage.palette.wall, 0.3), 0.35)
    stage.rect(-0.01, -0.01, 1.01, 1.01, green)
    stage.glow((0.5 + stage.between(-0.08, 0.08), 0.42), 0.62, light)
    for near, count, width in ((0.35, 9, 0.035), (0.65, 6, 0.06)):
        bark = mix(mix(light, green, 0.6), rgb("3f5f45"), near)
        for k in range(count):
            x = (k + 0.5) / count + stage.between(-0.03, 0.03)
            stage.rect(x - width / 2, -0.01, x + width / 2, 0.78, bark)
    for k in range(3):
        x = 0.2 + 0.25 * k + stage.between(-0.06, 0.06)
        ray = [(x, -0.01), (x + 0.1, -0.01), (x + 0.34, 0.85), (x + 0.12, 0.85)]
        stage.polygon(ray, light, alpha=0.22)
    fog(stage, 0.3, 0.95)
    floor = vertical((0.72, mix(rgb("6fae4f"), light, 0.25)), (1.0, rgb("2f6b3a")))
    stage.below([(-0.01, 0.73), (0.3, 0.77), (0.7, 0.765), (1.01, 0.72)], floor)
    way = [(0.47, 0.768), (0.53, 0.768), (0.6, 0.82), (0.9, 1.02), (0.1, 1.02), (0.4, 0.82)]
    stage.polygon(way, mix(light, rgb("c9a76c"), 0.7))
    _canopy(stage, green)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _tent(stage, (0.2, 0.9), stage.between(0.38, 0.44))
        _trunk(stage, 0.015, 0.13)
        _trunk(stage, 0.965, 0.17)
        _toadstool(stage, (0.83, 0.95), 0.2, stage.palette.accents[0])
        _toadstool(stage, (0.93, 0.98), 0.15, stage.palette.accents[2])
        _lanterns(stage)
    for x in (0.03, 0.3, 0.72):
        _fern(stage, (x, 1.0), stage.between(0.14, 0.18))


def _canopy(stage: Stage, green: Colour) -> None:
    for depth, colour in ((0.16, mix(green, rgb("2f7a3f"), 0.55)), (0.09, rgb("24592f"))):
        spots = []
        for k in range(9):
            x = k / 8
            y = depth * (1.1 - 4.4 * x * (1 - x)) + stage.between(-0.03, 0.03)
            spots.append((x, y - 0.03, stage.between(0.1, 0.13) + 0.3 * depth))
        stage.circles(spots, colour)
        light = [(x - 0.02, y - 0.02, 0.5 * r) for x, y, r in spots]
        stage.circles(light, lighter(colour, 0.16), alpha=0.6)


def _trunk(stage: Stage, x: float, width: float) -> None:
    half = width / 2
    bark = horizontal((x - half, rgb("6d4a33")), (x + half, rgb("3d2a20")))
    left = [
        (x - half, -0.05),
        (x - 0.8 * half, 0.5),
        (x - 0.9 * half, 0.85),
        (x - 1.9 * half, 1.02),
    ]
    right = [(2 * x - px, y) for px, y in reversed(left)]
    stage.polygon([*left, *right], bark)
    for k in range(4):
        y = 0.14 + 0.2 * k + stage.between(-0.04, 0.04)
        dx = stage.between(-0.4, 0.4) * half
        stage.ellipse((x + dx, y), 0.012, 0.05, rgb("33221a"))


def _tent(stage: Stage, foot: Point, width: float) -> None:
    first, second, _ = stage.palette.accents
    with stage.placed(*foot, width), stage.lamplit():
        stage.ellipse((0.0, 0.01), 0.6, 0.07, rgb("1e3d24"), alpha=0.5)
        stage.polygon([(-0.55, 0), (-0.05, -0.66), (0.18, -0.6), (0.62, -0.04)], darker(first, 0.2))
        stage.polygon([(-0.55, 0), (-0.05, -0.66), (0.45, 0)], first)
        stage.polygon([(-0.05, -0.66), (0.02, -0.56), (-0.42, 0), (-0.55, 0)], second)
        inner = lighter(stage.palette.wall, 0.1)
        if stage.is_night:
            with stage.lit():
                stage.polygon([(-0.05, -0.46), (-0.24, 0), (0.16, 0)], rgb("ffd981"))
                stage.glow((-0.04, -0.15), 0.6, rgb("ffcf6a"), alpha=0.5)
        else:
            stage.polygon([(-0.05, -0.46), (-0.24, 0), (0.16, 0)], darker(inner, 0.55))
            stage.polygon([(-0.05, -0.46), (-0.24, 0), (-0.12, 0)], inner)


def _toadstool(stage: Stage, foot: Point, height: float, colour: Colour) -> None:
    with stage.placed(*foot, height), stage.lamplit():
        stem = [(-0.14, 0.0), (-0.1, -0.5), (0.1, -0.5), (0.14, 0.0)]
        stage.polygon(stem, horizontal((-0.14, rgb("fff7e6")), (0.14, rgb("d9c8a8"))))
        cap = [(-0.5, -0.42), (-0.36, -0.8), (0.0, -1.0), (0.36, -0.8), (0.5, -0.42), (0.0, -0.36)]
        stage.smooth(cap, colour)
        spots = [(-0.22, -0.62, 0.09), (0.05, -0.82, 0.08), (0.25, -0.58, 0.1)]
        stage.circles(spots, lighter(stage.palette.wall, 0.6))


def _lanterns(stage: Stage) -> None:
    rope = [(-0.01, 0.12), (0.25, 0.21), (0.5, 0.23), (0.75, 0.21), (1.01, 0.12)]
    stage.line(rope, 0.008, rgb("3a2a22"), bent=True)
    for k, x in enumerate((0.1, 0.27, 0.73, 0.9)):
        y = 0.17 + 0.05 * (k in (1, 2)) + 0.035
        colour = stage.palette.accents[k % 3]
        if stage.is_night:
            with stage.lit():
                stage.glow((x, y), 0.12, lighter(colour, 0.3), alpha=0.7)
                stage.ellipse((x, y), 0.042, 0.05, lighter(colour, 0.25))
                stage.ellipse((x, y), 0.02, 0.035, rgb("fff2c0"))
        else:
            stage.ellipse((x, y), 0.042, 0.05, colour)
            stage.ellipse((x - 0.01, y - 0.01), 0.016, 0.032, lighter(colour, 0.4))
        stage.rect(x - 0.018, y - 0.056, x + 0.018, y - 0.042, rgb("3a2a22"))


def _fern(stage: Stage, foot: Point, size: float) -> None:
    with stage.placed(*foot, size):
        for k in range(5):
            with stage.placed(0.0, 0.0, turn=0.42 * (k - 2) + stage.between(-0.08, 0.08)):
                blade = [(-0.07, 0.1), (-0.12, -0.5), (0.0, -1.05), (0.12, -0.5), (0.07, 0.1)]
                stage.smooth(blade, rgb("3f9a4d") if k % 2 else rgb("2c7a40"))


_FOLIAGE = (rgb("f0a030"), rgb("e2622b"), rgb("c93f2a"), rgb("f4c545"))


def autumn_park(stage: Stage) -> None:
    """An alley of orange and red trees, a bench under a lamp, leaves on the way."""
    horizon = 0.56
    sky(stage, horizon)
    far = [mix(colour, haze(stage), 0.4) for colour in _FOLIAGE]
    for k in range(9):
        spot = (k / 8 + stage.between(-0.03, 0.03), 0.5 + stage.between(-0.03, 0.02), 0.085)
        stage.circles([spot, (spot[0] + 0.05, 0.55, 0.07)], far[k % 4])
    fog(stage, 0.38, 0.72)
    lawn = vertical((horizon, rgb("d8b23e")), (1.0, rgb("a8842e")))
    stage.rect(-0.01, horizon, 1.01, 1.01, lawn)
    way = vertical((horizon, rgb("f0dcb8")), (1.0, rgb("d0ad82")))
    stage.polygon([(0.46, horizon), (0.54, horizon), (0.86, 1.01), (0.14, 1.01)], way)
    _pavilion(stage, (0.5 + stage.between(-0.02, 0.02), horizon + 0.02), 0.3)
    start = int(stage.rng.integers(4))
    for k, (x, foot, size) in enumerate(
        ((0.3, 0.64, 0.16), (0.7, 0.64, 0.16), (0.12, 0.76, 0.25), (0.88, 0.76, 0.25))
    ):
        _tree(stage, (x + stage.between(-0.02, 0.02), foot), size, _FOLIAGE[(start + k) % 4])
    for side in (0, 1):
        places = [(abs(side - x), y) for x, y in ((0.0, 0.02), (0.2, -0.04), (0.36, -0.1))]
        for k, place in enumerate(places):
            crown(stage, place, 0.17, _FOLIAGE[(start + k + side) % 4])
    _fallen(stage)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _lamp(stage, 0.075)
        _bench(stage, (0.15, 0.9), 0.36)
        _umbrella(stage, (0.86, 0.85), 0.21)


def _tree(stage: Stage, foot: Point, size: float, colour: Colour) -> None:
    x, y = foot
    bark = horizontal((x - 0.1 * size, rgb("6e4a36")), (x + 0.1 * size, rgb("432c22")))
    stage.polygon(
        [
            (x - 0.1 * size, y),
            (x - 0.07 * size, y - size),
            (x + 0.07 * size, y - size),
            (x + 0.1 * size, y),
        ],
        bark,
    )
    stage.ellipse((x, y), 0.5 * size, 0.05 * size, rgb("7a5a22"), alpha=0.5)
    crown(stage, (x, y - 1.35 * size), 0.78 * size, colour)


def _pavilion(stage: Stage, foot: Point, width: float) -> None:
    first, second, _ = stage.palette.accents
    with stage.placed(*foot, width):
        for x in (-0.38, -0.13, 0.13, 0.38):
            stage.rect(x - 0.03, -0.5, x + 0.03, 0.0, lighter(stage.palette.wall, 0.3))
        stage.polygon([(-0.56, -0.46), (0.0, -0.86), (0.56, -0.46)], first)
        stage.polygon([(-0.2, -0.46), (0.0, -0.86), (0.2, -0.46)], lighter(stage.palette.wall, 0.2))
        stage.rect(-0.44, -0.12, 0.44, 0.02, second)


def _lamp(stage: Stage, x: float) -> None:
    iron = rgb("2b2f3a")
    stage.rect(x - 0.013, 0.36, x + 0.013, 0.92, iron, corner=0.01)
    stage.polygon([(x - 0.05, 0.3), (x, 0.25), (x + 0.05, 0.3)], iron)
    glass = [(x - 0.042, 0.3), (x + 0.042, 0.3), (x + 0.026, 0.38), (x - 0.026, 0.38)]
    if stage.is_night:
        with stage.lit():
            stage.glow((x, 0.34), 0.26, rgb("ffd27a"), alpha=0.75)
            stage.polygon(glass, rgb("fff0b8"))
    else:
        stage.polygon(glass, rgb("fff3d0"))


def _bench(stage: Stage, foot: Point, width: float) -> None:
    colour = stage.palette.accents[0]
    with stage.placed(*foot, width), stage.lamplit():
        for x in (-0.4, 0.4):
            stage.rect(x - 0.04, -0.5, x + 0.04, 0.04, rgb("2b2f3a"))
        for top in (-0.58, -0.42, -0.2):
            stage.rect(-0.52, top, 0.52, top + 0.12, colour, corner=0.03)
            stage.rect(-0.52, top + 0.08, 0.52, top + 0.12, darker(colour, 0.25), corner=0.02)
        stage.rect(-0.02, -0.62, 0.4, -0.14, stage.palette.accents[1], corner=0.03)
        for top in (-0.54, -0.36):
            stage.rect(-0.02, top, 0.4, top + 0.07, lighter(stage.palette.wall, 0.2))


def _umbrella(stage: Stage, centre: Point, size: float) -> None:
    """An open umbrella that lies on the ground."""
    first, second, third = stage.palette.accents
    with stage.placed(*centre, size, turn=-0.35), stage.lamplit():
        stage.line([(0.0, 0.0), (0.0, 0.62)], 0.07, rgb("4a3428"))
        for k, colour in enumerate((second, first, third, first)):
            left, right = -1 + 0.5 * k, -0.5 + 0.5 * k
            stage.smooth(
                [
                    (left, 0.0),
                    (0.62 * left, -0.55),
                    (0.0, -0.85),
                    (0.62 * right, -0.55),
                    (right, 0.0),
                    ((left + right) / 2, -0.1),
                ],
                colour,
            )


def _fallen(stage: Stage) -> None:
    for k, colour in enumerate(_FOLIAGE):
        spots = []
        for _ in range(7):
            x = stage.between(0.0, 1.0)
            spots.append((x, stage.between(0.88 if 0.25 < x < 0.75 else 0.74, 1.0), 0.013))
        stage.circles(spots, darker(colour, 0.12) if k % 2 else colour)
