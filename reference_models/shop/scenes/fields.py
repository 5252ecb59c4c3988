"""Scenes of open ground: the meadow, the lavender field, the football pitch."""

from math import cos, pi, sin

from reference_models.shop.scenes.outdoors import balloon, bunting, crown, house
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


def meadow(stage: Stage) -> None:
    """Rolling green under a wide sky, a windmill, kites, and large flowers in the grass."""
    horizon = 0.55
    sky(stage, horizon)
    air = haze(stage)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        for y, share, green in ((0.47, 0.5, rgb("7fbf6a")), (0.54, 0.25, rgb("86c95c"))):
            bump = stage.between(-0.03, 0.03)
            hill = [
                (-0.01, y + 0.05),
                (0.22, y - 0.02 + bump),
                (0.5, y + 0.06),
                (0.8, y - bump),
                (1.01, y + 0.05),
            ]
            stage.below(hill, mix(green, air, share))
            fog(stage, y - 0.08, y + 0.14)
        for x, y, size in ((0.32, 0.53, 0.05), (0.64, 0.56, 0.045), (0.7, 0.57, 0.055)):
            crown(stage, (x, y), size, mix(rgb("3f8f4a"), air, 0.25))
        _windmill(stage, (stage.between(0.84, 0.87), 0.64), 0.3)
        lawn = vertical((0.6, rgb("9bd85c")), (1.0, rgb("4a9a3e")))
        stage.below([(-0.01, 0.63), (0.3, 0.67), (0.65, 0.64), (1.01, 0.62)], lawn)
        _kite(stage, (stage.between(0.14, 0.2), stage.between(0.2, 0.26)), 0.14, 0.35)
        _kite(stage, (stage.between(0.55, 0.62), 0.13), 0.085, -0.3)
    _carpet_of_flowers(stage)
    start = int(stage.rng.integers(3))
    for side in (0, 1):
        for k, (x, y, size) in enumerate(
            ((0.17, 0.8, 0.075), (0.05, 0.73, 0.085), (0.23, 0.92, 0.07), (0.09, 0.9, 0.1))
        ):
            place = (abs(side - x) + stage.between(-0.01, 0.01), y + stage.between(-0.02, 0.02))
            _flower(stage, place, size, stage.palette.accents[(start + k + side) % 3])


def _windmill(stage: Stage, foot: Point, height: float) -> None:
    roof = stage.palette.accents[0]
    with stage.placed(*foot, height), stage.lamplit():
        body = [(-0.26, 0.05), (-0.17, -0.62), (0.17, -0.62), (0.26, 0.05)]
        stage.polygon(body, lighter(stage.palette.wall, 0.15))
        stage.polygon(
            [(0.02, -0.62), (0.17, -0.62), (0.26, 0.05), (0.03, 0.05)], stage.palette.shade
        )
        stage.smooth([(-0.2, -0.6), (-0.1, -0.84), (0.1, -0.84), (0.2, -0.6)], roof)
        stage.rect(-0.07, -0.2, 0.07, 0.05, darker(roof, 0.3), corner=0.03)
        turn = stage.between(0.2, 1.3)
        for k in range(4):
            with stage.placed(0.0, -0.68, turn=turn + k * pi / 2):
                stage.rect(-0.025, -0.7, 0.025, 0.0, rgb("6b4a35"))
                stage.rect(0.0, -0.7, 0.16, -0.16, rgb("fffaf0"))
                stage.rect(0.07, -0.7, 0.1, -0.16, rgb("cdbfa6"))
        stage.circle((0.0, -0.68), 0.06, rgb("6b4a35"))


def _kite(stage: Stage, centre: Point, size: float, turn: float) -> None:
    first, second, third = stage.palette.accents
    with stage.placed(*centre, size, turn=turn), stage.lamplit():
        tail = [(0.0, 1.0), (0.16, 1.35), (-0.1, 1.7), (0.1, 2.1)]
        stage.line(tail, 0.07, lighter(stage.palette.wall, 0.2), bent=True)
        for (x, y), colour in zip(tail[1:], (second, third, first), strict=True):
            bow = [
                (x, y),
                (x - 0.24, y - 0.13),
                (x - 0.24, y + 0.13),
                (x, y),
                (x + 0.24, y - 0.13),
                (x + 0.24, y + 0.13),
            ]
            stage.polygon(bow, colour)
        for corner, colour in (((-0.7, -0.2), first), ((0.7, -0.2), second)):
            stage.polygon([(0.0, -0.95), corner, (0.0, -0.2)], colour)
            stage.polygon([(0.0, 1.0), corner, (0.0, -0.2)], darker(mix(colour, third, 0.5), 0.05))


def _carpet_of_flowers(stage: Stage) -> None:
    """Dots of blossom that grow from the horizon towards the viewer."""
    colours = (*stage.palette.accents, rgb("ffffff"))
    for k, colour in enumerate(colours):
        spots = []
        for j in range(11):
            depth = (j + stage.between(0.0, 1.0)) / 11
            spots.append((stage.between(0.0, 1.0), 0.69 + 0.31 * depth, 0.008 + 0.013 * depth))
        stage.circles([(x, y + 0.4 * r, r) for x, y, r in spots], darker(colour, 0.25), alpha=0.6)
        stage.circles(spots, colour)
        if k == 3:
            stage.circles([(x, y, 0.4 * r) for x, y, r in spots], rgb("ffc928"))


def _flower(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    """A daisy-like flower on a stem with two leaves."""
    x, y = centre
    stem = rgb("2f7a38")
    stage.line([(x, y), (x + 0.01, y + 0.16), (x, y + 0.3)], 0.02, stem, bent=True)
    for side in (-1.0, 1.0):
        tip = (x + side * 0.085, y + 0.1)
        stage.smooth(
            [(x, y + 0.19), (x + side * 0.06, y + 0.15), tip, (x + side * 0.02, y + 0.13)], stem
        )
    turn = stage.between(0.0, 1.0)
    angles = [turn + 2 * pi * k / 8 for k in range(8)]
    petals = [
        (x + 0.66 * radius * cos(a), y + 0.66 * radius * sin(a), 0.32 * radius) for a in angles
    ]
    stage.circles([(px, py + 0.1 * radius, r) for px, py, r in petals], darker(colour, 0.3))
    stage.circles([*petals, (x, y, 0.6 * radius)], colour)
    stage.circles([(px, py, 0.5 * r) for px, py, r in petals], lighter(colour, 0.3))
    stage.circle(centre, 0.34 * radius, rgb("ffce3a"))
    stage.circle((x, y + 0.05 * radius), 0.2 * radius, rgb("d98a1f"))


def lavender_field(stage: Stage) -> None:
    """Violet rows that run to the horizon, a farmhouse with cypresses, a balloon."""
    horizon = 0.5
    sky(stage, horizon)
    air = haze(stage)
    bump = stage.between(-0.06, 0.06)
    far, near = mix(rgb("7a8fc0"), air, 0.5), mix(rgb("6f9a6a"), air, 0.25)
    stage.below(
        [(-0.01, 0.44), (0.25, 0.38 + bump), (0.55, 0.45), (0.8, 0.39 - bump), (1.01, 0.43)], far
    )
    stage.below([(-0.01, 0.47), (0.3, 0.49), (0.6, 0.46), (1.01, 0.48)], near)
    fog(stage, 0.34, 0.62)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _rows(stage, horizon, stage.between(0.38, 0.6))
        for x, size in ((0.03, 0.3), (0.36, 0.2), (0.41, 0.15)):
            _cypress(stage, (x, 0.56), size)
        house(stage, (stage.between(0.17, 0.23), 0.58), stage.between(0.3, 0.36))
        balloon(
            stage, (stage.between(0.76, 0.84), stage.between(0.2, 0.25)), stage.between(0.13, 0.16)
        )
        _cart(stage, (stage.between(0.83, 0.87), 0.72), 0.26)
        balloon(stage, (stage.between(0.5, 0.58), 0.12), 0.055)
    for side in (0, 1):
        _bush(stage, side)


def _rows(stage: Stage, horizon: float, vanishing: float) -> None:
    """Rows of bushes: dark gaps, a violet back, a lit crest; the middle gap is a sandy way."""
    soil = vertical((horizon, rgb("7d6a9c")), (1.0, rgb("4a3a63")))
    stage.rect(-0.01, horizon, 1.01, 1.01, soil)
    top = horizon + 0.012
    for k in range(-6, 7):
        if k == 0:
            continue
        foot = 0.5 + 0.34 * k
        for half, shift, low, high in (
            (0.15, 0.0, rgb("7a4fc0"), rgb("9a82cf")),
            (0.075, -0.02, rgb("a97be8"), rgb("b7a3e6")),
        ):
            fill = vertical((horizon, high), (1.0, low))
            at = vanishing + 0.03 * k
            row = [(at - 0.1 * half + 0.1 * shift, top), (at + 0.1 * half + 0.1 * shift, top)]
            row += [(foot + half + shift, 1.02), (foot - half + shift, 1.02)]
            stage.polygon(row, fill)
    way = vertical((horizon, rgb("d9c7a8")), (1.0, rgb("c9a877")))
    stage.polygon(
        [(vanishing - 0.008, top), (vanishing + 0.008, top), (0.7, 1.02), (0.3, 1.02)], way
    )


def _cart(stage: Stage, foot: Point, width: float) -> None:
    """A handcart full of cut lavender."""
    first, second, _ = stage.palette.accents
    with stage.placed(*foot, width), stage.lamplit():
        for colour, shift in ((rgb("7a4fc0"), 0.0), (rgb("b18af0"), -0.05)):
            stage.circles([(0.15 * k - 0.38, -0.56 + shift, 0.14) for k in range(6)], colour)
        stage.line([(0.4, -0.4), (0.72, -0.5)], 0.07, rgb("6b4a35"))
        stage.polygon([(-0.58, -0.52), (0.5, -0.52), (0.42, -0.1), (-0.5, -0.1)], first)
        stage.polygon([(-0.55, -0.36), (0.47, -0.36), (0.45, -0.26), (-0.53, -0.26)], second)
        stage.circle((-0.05, -0.08), 0.22, rgb("6b4a35"))
        stage.circle((-0.05, -0.08), 0.14, lighter(stage.palette.wall, 0.2))
        stage.circle((-0.05, -0.08), 0.05, rgb("6b4a35"))


def _cypress(stage: Stage, foot: Point, height: float) -> None:
    with stage.placed(*foot, height):
        shape = [
            (0.0, 0.0),
            (-0.14, -0.12),
            (-0.12, -0.55),
            (0.0, -1.0),
            (0.12, -0.55),
            (0.14, -0.12),
        ]
        stage.smooth(shape, rgb("2f6b4f"))
        stage.smooth(
            [(0.02, 0.0), (0.0, -0.5), (0.0, -0.98), (0.12, -0.55), (0.14, -0.12)], rgb("22513d")
        )


def _bush(stage: Stage, side: int) -> None:
    """Lavender close by: spikes of flower heads on green stems, in a lower corner."""
    with stage.placed(side, 1.0, flip=side == 1):
        for k in range(6):
            x, lean = -0.02 + 0.05 * k, 0.1 * (k - 1.5) + stage.between(-0.05, 0.05)
            height = (0.4, 0.36, 0.42, 0.31, 0.27, 0.2)[k] + stage.between(-0.02, 0.02)
            violet = (rgb("8a5fd6"), rgb("a884ec"), rgb("6f47bd"))[k % 3]
            with stage.placed(x, 0.03, height, turn=lean):
                stage.line([(0.0, 0.0), (0.0, -0.6)], 0.045, rgb("5f9a5a"))
                heads = []
                for j in range(6):
                    wide = 0.085 - 0.009 * j
                    heads += [
                        (-0.5 * wide, -0.5 - 0.09 * j, wide),
                        (0.5 * wide, -0.46 - 0.09 * j, wide),
                    ]
                stage.circles(heads, violet)
                stage.circles(
                    [(hx - 0.02, hy - 0.02, 0.45 * r) for hx, hy, r in heads[::2]],
                    lighter(violet, 0.35),
                )


def football_pitch(stage: Stage) -> None:
    """A wide goal on mown stripes, stands in the palette's colours, floodlights, a ball."""
    sky(stage, 0.4)
    with stage.lamplit():
        _stands(stage)
    fog(stage, 0.15, 0.6, alpha=0.45)
    _mown(stage)
    white = rgb("fbfdf8")
    stage.rect(-0.01, 0.545, 1.01, 0.562, white)
    stage.line([(0.03, 0.555), (-0.08, 0.64)], 0.02, white)
    stage.line([(0.97, 0.555), (1.08, 0.64)], 0.02, white)
    stage.rect(-0.01, 0.76, 1.01, 0.782, white)
    arc = [(0.5 - 0.2 * cos(pi * k / 8), 0.771 + 0.05 * sin(pi * k / 8)) for k in range(9)]
    stage.line(arc, 0.02, white)
    if stage.is_night:
        _flood(stage)
    with stage.lit():
        _goal(stage)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip), stage.lit():
        _football(
            stage, (stage.between(0.12, 0.18), stage.between(0.86, 0.9)), stage.between(0.085, 0.11)
        )
        _corner_flag(stage, (stage.between(0.88, 0.94), stage.between(0.9, 0.95)), 0.36)


def _mown(stage: Stage) -> None:
    """Grass in lighter and darker stripes, across the pitch or along it."""
    light, dark = rgb("53b24e"), rgb("3a9340")
    stage.rect(-0.01, 0.5, 1.01, 1.01, dark)
    if stage.rng.random() < 0.5:
        for top, bottom in ((0.5, 0.535), (0.58, 0.64), (0.72, 0.83)):
            stage.rect(-0.01, top, 1.01, bottom, light)
        return
    vanishing, shift = stage.between(0.4, 0.6), stage.between(0.0, 0.1)
    for k in range(-4, 5):
        at, foot = vanishing + 0.13 * k, 0.5 + shift + 0.36 * k
        stage.polygon([(at, 0.5), (at + 0.065, 0.5), (foot + 0.18, 1.01), (foot, 1.01)], light)


def _stands(stage: Stage) -> None:
    wall, shade, _ = stage.palette
    accents = [stage.palette.accents[k] for k in stage.rng.permutation(3)]
    stage.polygon(
        [(-0.01, 0.14), (0.2, 0.2), (0.8, 0.2), (1.01, 0.14), (1.01, 0.5), (-0.01, 0.5)],
        darker(shade, 0.35),
    )
    for k in range(4):
        y = 0.245 + 0.053 * k
        tier = accents[k % 3]
        stage.rect(-0.01, y, 1.01, y + 0.042, mix(tier, shade, 0.25))
        for colour in (lighter(wall, 0.35), accents[(k + 1) % 3], darker(shade, 0.5)):
            shift = stage.between(0.0, 0.1)
            stage.circles(
                [(0.105 * j + shift, y + stage.between(0.006, 0.02), 0.017) for j in range(10)],
                colour,
            )
    roof = [
        (-0.01, 0.1),
        (0.2, 0.17),
        (0.8, 0.17),
        (1.01, 0.1),
        (1.01, 0.17),
        (0.8, 0.215),
        (0.2, 0.215),
        (-0.01, 0.17),
    ]
    stage.polygon(roof, lighter(wall, 0.2))
    bunting(stage, (0.2, 0.215), (0.8, 0.215), 0.02, count=10)
    for k in range(5):
        left = 0.2 * k
        stage.rect(left, 0.455, left + 0.19, 0.52, accents[k % 3])
        stage.rect(left + 0.03, 0.478, left + 0.16, 0.497, lighter(wall, 0.4), corner=0.01)
    for side in (0, 1):
        _floodlight(stage, abs(side - 0.09))


def _floodlight(stage: Stage, x: float) -> None:
    stage.rect(x - 0.014, 0.1, x + 0.014, 0.3, rgb("8d949e"))
    stage.rect(x - 0.085, 0.015, x + 0.085, 0.125, rgb("4a515c"), corner=0.012)
    lamps = [(x + dx, y, 0.02) for dx in (-0.055, 0.0, 0.055) for y in (0.045, 0.095)]
    if stage.is_night:
        with stage.lit():
            stage.glow((x, 0.07), 0.34, rgb("eaf2ff"), alpha=0.8)
            stage.circles(lamps, rgb("ffffff"))
    else:
        stage.circles(lamps, rgb("f2f6fa"))


def _flood(stage: Stage) -> None:
    """Pools of light on the grass and the stands."""
    with stage.lit():
        for x in (0.25, 0.75):
            stage.glow((x, 0.75), 0.5, rgb("c8f0b0"), alpha=0.3)


def _goal(stage: Stage) -> None:
    shift = stage.between(-0.03, 0.03)
    left, right, top, foot = 0.13 + shift, 0.87 + shift, stage.between(0.27, 0.33), 0.56
    net = [
        [
            (left + 0.074 * k - 0.003, top),
            (left + 0.074 * k + 0.003, top),
            (left + 0.074 * k + 0.003, foot),
            (left + 0.074 * k - 0.003, foot),
        ]
        for k in range(1, 10)
    ]
    net += [
        [(left, y), (right, y), (right, y + 0.006), (left, y + 0.006)] for y in (0.39, 0.44, 0.49)
    ]
    stage.polygons(net, rgb("ffffff"), alpha=0.55)
    stage.line(
        [(left, foot + 0.01), (left, top), (right, top), (right, foot + 0.01)], 0.034, rgb("aab2bc")
    )
    stage.line(
        [(left, foot + 0.01), (left, top), (right, top), (right, foot + 0.01)], 0.026, rgb("ffffff")
    )


def _football(stage: Stage, centre: Point, radius: float) -> None:
    with stage.placed(*centre, radius, turn=stage.between(-0.4, 0.4)):
        stage.ellipse((0.0, 0.95), 0.9, 0.16, rgb("1f5a2c"), alpha=0.6)
        stage.circle((0.0, 0.0), 1.0, rgb("d3d9de"))
        stage.circle((-0.06, -0.08), 0.93, rgb("ffffff"))
        ink = rgb("23272f")
        spots = []
        for k in range(6):
            angle = 2 * pi * k / 5 - pi / 2
            x, y, size = (
                (0.0, 0.0, 0.36) if k == 5 else (0.82 * cos(angle), 0.82 * sin(angle), 0.27)
            )
            turn = -pi / 2 if k == 5 else angle + pi
            spots.append(
                [
                    (x + size * cos(turn + 2 * pi * j / 5), y + size * sin(turn + 2 * pi * j / 5))
                    for j in range(5)
                ]
            )
            if k < 5:
                stage.line([(0.34 * cos(angle), 0.34 * sin(angle)), (x, y)], 0.07, ink)
        stage.polygons(spots, ink)


def _corner_flag(stage: Stage, foot: Point, height: float) -> None:
    first, second, _ = stage.palette.accents
    with stage.placed(*foot, height), stage.lamplit():
        stage.rect(-0.035, -1.0, 0.035, 0.0, rgb("fbfdf8"))
        stage.polygon([(0.0, -1.0), (-0.5, -0.82), (0.0, -0.6)], first)
        stage.polygon([(0.0, -0.9), (-0.28, -0.82), (0.0, -0.7)], second)
