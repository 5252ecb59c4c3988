"""Scenes with a wide horizon: snowy mountains, the desert, a winding road."""

from collections.abc import Sequence

from reference_models.shop.scenes.outdoors import balloon, fir, house
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


def snowy_mountains(stage: Stage) -> None:
    """White peaks over firs; a cabin in the snow, balloons in the sky."""
    horizon = 0.6
    sky(stage, horizon)
    air = haze(stage)
    far = mix(rgb("8fa6cf"), air, 0.45)
    for x, top in ((0.06, 0.4), (0.4, 0.36), (0.62, 0.42), (0.98, 0.38)):
        _peak(stage, (x + stage.between(-0.03, 0.03), top), 0.3, horizon, far)
    rock = mix(rgb("566a9c"), air, 0.1)
    _peak(stage, (stage.between(0.16, 0.24), stage.between(0.13, 0.19)), 0.38, 0.68, rock)
    _peak(stage, (stage.between(0.76, 0.84), stage.between(0.09, 0.15)), 0.42, 0.68, rock)
    fog(stage, 0.32, 0.72)
    stage.below(
        [(-0.01, 0.62), (0.25, 0.66), (0.5, 0.64), (0.8, 0.67), (1.01, 0.61)], rgb("dbe9f8")
    )
    green = mix(rgb("2f6f5e"), air, 0.2)
    for x in (0.06, 0.3, 0.38, 0.64, 0.72, 0.95):
        fir(stage, (x, 0.7 + stage.between(-0.02, 0.02)), 0.15, green, snow=True)
    snow = vertical((0.68, rgb("ffffff")), (1.0, rgb("c9dcf2")))
    stage.below([(-0.01, 0.72), (0.3, 0.75), (0.6, 0.72), (1.01, 0.76)], snow)
    drift = [(-0.01, 0.9), (0.3, 0.94), (0.7, 0.92), (1.01, 0.96)]
    stage.below(drift, rgb("e9f2fc"))
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _lift(stage)
        house(stage, (0.2, 0.89), stage.between(0.34, 0.38), snow=True)
        fir(stage, (0.02, 0.95), 0.34, rgb("235a4c"), snow=True)
        fir(stage, (0.93, 0.97), stage.between(0.42, 0.5), rgb("235a4c"), snow=True)
        _skis(stage, (0.76, 0.95))
        balloon(stage, (stage.between(0.47, 0.57), 0.15), 0.11)


def _peak(stage: Stage, top: Point, half: float, foot: float, rock: Colour) -> None:
    """A mountain, its left side in the light, with a jagged cap of snow."""
    x, y = top
    stage.polygon([top, (x - half, foot), (x + half, foot)], rock)
    stage.polygon([top, (x + 0.12 * half, foot), (x + half, foot)], darker(rock, 0.2))
    height = foot - y
    line = y + 0.5 * height
    snow, shaded = mix(rgb("ffffff"), rock, 0.03), mix(rgb("c3d4ee"), rock, 0.1)
    lit = [(x - 0.5 * half, line), (x - 0.3 * half, line - 0.1 * height), (x - 0.18 * half, line)]
    stage.polygon([top, *lit, (x + 0.04 * half, line - 0.12 * height)], snow)
    dark = [(x + 0.5 * half, line), (x + 0.34 * half, line - 0.1 * height), (x + 0.22 * half, line)]
    stage.polygon([top, *dark, (x + 0.04 * half, line - 0.12 * height)], shaded)


def _lift(stage: Stage) -> None:
    """A cable over the valley, with a gondola at each side."""
    height = stage.between(0.27, 0.33)
    cable = [(-0.02, height + 0.1), (0.5, height + 0.06), (1.02, height - 0.06)]
    stage.line(cable, 0.01, rgb("39445c"), bent=True)
    for x, y, colour in (
        (stage.between(0.08, 0.14), height + 0.09, stage.palette.accents[1]),
        (stage.between(0.84, 0.9), height - 0.01, stage.palette.accents[0]),
    ):
        with stage.placed(x, y, 0.16), stage.lamplit():
            stage.rect(-0.05, 0.0, 0.05, 0.3, rgb("39445c"))
            stage.rect(-0.5, 0.26, 0.5, 1.05, colour, corner=0.2)
            stage.rect(-0.5, 0.84, 0.5, 1.05, darker(colour, 0.2), corner=0.1)
            pane = rgb("fff0b8") if stage.is_night else rgb("e3f3fb")
            for left in (-0.4, 0.05):
                stage.rect(left, 0.36, left + 0.35, 0.68, pane, corner=0.06)


def _skis(stage: Stage, foot: Point) -> None:
    first, second, _ = stage.palette.accents
    for k, colour in enumerate((first, second)):
        with stage.placed(foot[0] + 0.05 * k, foot[1], turn=0.16 - 0.2 * k):
            stage.rect(-0.02, -0.34, 0.02, 0.0, colour, corner=0.02)
            stage.rect(-0.02, -0.2, 0.02, -0.14, lighter(stage.palette.wall, 0.3))
    stage.ellipse((foot[0] + 0.03, foot[1] + 0.005), 0.08, 0.018, rgb("ffffff"))


def desert(stage: Stage) -> None:
    """Dunes with a lit and a shaded side, cacti, a striped tent on a carpet."""
    horizon = 0.52
    sky(stage, horizon)
    air = haze(stage)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _mesa(
            stage, (stage.between(0.68, 0.74), horizon + 0.02), 0.34, mix(rgb("c9653f"), air, 0.3)
        )
        _mesa(stage, (stage.between(0.1, 0.16), horizon + 0.02), 0.2, mix(rgb("c9653f"), air, 0.5))
        balloon(stage, (stage.between(0.43, 0.55), 0.15), 0.085)
        for crest, sand in (((0.75, 0.46), rgb("f0b060")), ((0.22, 0.54), rgb("eb9f4a"))):
            _dune(stage, (crest[0] + stage.between(-0.05, 0.05), crest[1]), mix(sand, air, 0.15))
            fog(stage, crest[1] - 0.06, crest[1] + 0.2)
        floor = vertical((0.7, rgb("f6c26b")), (1.0, rgb("d98a3c")))
        stage.below([(-0.01, 0.74), (0.3, 0.7), (0.65, 0.74), (1.01, 0.69)], floor)
        for y, left in ((0.93, 0.28), (0.975, 0.4)):
            stage.line(
                [(left, y), (left + 0.15, y - 0.012), (left + 0.3, y)],
                0.012,
                rgb("c97b33"),
                bent=True,
                alpha=0.6,
            )
        _tent(stage, (0.18, 0.88), stage.between(0.42, 0.48))
        _carpet(stage, (0.2, 0.93))
        _cactus(stage, (stage.between(0.87, 0.9), 0.93), stage.between(0.56, 0.64))
        _cactus(stage, (stage.between(0.64, 0.7), 0.78), 0.2)


def _mesa(stage: Stage, foot: Point, width: float, rock: Colour) -> None:
    with stage.placed(*foot, width):
        outline = [
            (-0.62, 0.0),
            (-0.42, -0.3),
            (-0.38, -0.62),
            (0.3, -0.62),
            (0.36, -0.3),
            (0.6, 0),
        ]
        stage.polygon(outline, rock)
        stage.polygon(
            [(0.06, -0.62), (0.3, -0.62), (0.36, -0.3), (0.6, 0), (0.16, 0)], darker(rock, 0.16)
        )
        stage.polygon(
            [(-0.4, -0.44), (0.33, -0.44), (0.34, -0.38), (-0.4, -0.38)], lighter(rock, 0.2)
        )


def _dune(stage: Stage, crest: Point, sand: Colour) -> None:
    x, y = crest
    stage.below(
        [(-0.3, y + 0.26), (x - 0.25, y + 0.09), (x, y), (x + 0.35, y + 0.16), (1.3, y + 0.24)],
        lighter(sand, 0.1),
    )
    shade = [
        (x, y),
        (x + 0.35, y + 0.16),
        (1.3, y + 0.24),
        (1.3, 1.0),
        (x - 0.1, 1.0),
        (x + 0.1, y + 0.18),
    ]
    stage.polygon(shade, darker(sand, 0.17))


def _tent(stage: Stage, foot: Point, width: float) -> None:
    first, second, _ = stage.palette.accents
    pale = lighter(stage.palette.wall, 0.3)
    with stage.placed(*foot, width), stage.lamplit():
        stage.ellipse((0.05, 0.0), 0.6, 0.05, rgb("a8642c"), alpha=0.5)
        tops = [-0.44 + 0.176 * k for k in range(6)]
        for k in range(5):
            body = [
                (1.08 * tops[k], 0),
                (tops[k], -0.42),
                (tops[k + 1], -0.42),
                (1.08 * tops[k + 1], 0),
            ]
            stage.polygon(body, pale if k % 2 else second)
            stage.polygon(
                [(0, -0.8), (1.25 * tops[k], -0.4), (1.25 * tops[k + 1], -0.4)],
                first if k % 2 == 0 else pale,
            )
        gap = [(0.0, -0.4), (-0.12, 0), (0.12, 0)]
        if stage.is_night:
            with stage.lit():
                stage.polygon(gap, rgb("ffd981"))
                stage.glow((0.0, -0.12), 0.55, rgb("ffcf6a"), alpha=0.5)
        else:
            stage.polygon(gap, rgb("6b3a24"))
        stage.line([(0.0, -0.8), (0.0, -0.98)], 0.04, rgb("6b3a24"))
        stage.polygon([(0.0, -0.98), (0.2, -0.92), (0.0, -0.85)], second)


def _carpet(stage: Stage, centre: Point) -> None:
    first, second, third = stage.palette.accents
    with stage.placed(*centre, 0.4), stage.lamplit():
        for half, colour in ((1.0, third), (0.86, second), (0.62, first)):
            top, low = -0.1 * half, 0.12 * half
            stage.polygon(
                [(-0.42 * half, top), (0.42 * half, top), (0.52 * half, low), (-0.52 * half, low)],
                colour,
            )


def _cactus(stage: Stage, foot: Point, height: float) -> None:
    with stage.placed(*foot, height):
        stage.ellipse((0.08, 0.0), 0.26, 0.03, rgb("a8642c"), alpha=0.5)
        for colour, width, shift in ((rgb("2c7a4b"), 0.17, 0.0), (rgb("4fa565"), 0.06, -0.035)):
            stage.line([(shift, -0.02), (shift, -0.9)], width, colour)
            arm = 0.75 * width
            stage.line(
                [(shift, -0.34), (-0.28 + shift, -0.36), (-0.28 + shift, -0.66)], arm, colour
            )
            stage.line([(shift, -0.46), (0.26 + shift, -0.48), (0.26 + shift, -0.78)], arm, colour)
        stage.circles([(0.0, -0.99, 0.06), (-0.28, -0.72, 0.045)], stage.palette.accents[0])


def winding_road(stage: Stage) -> None:
    """A road that winds through green hills to blue mountains; a camper van, a bend sign."""
    horizon = 0.48
    sky(stage, horizon)
    air = haze(stage)
    blue = mix(rgb("5f86a8"), air, 0.3)
    peaks = [
        (-0.05, 0.5),
        (0.12, 0.3),
        (0.24, 0.4),
        (0.36, 0.33),
        (0.5, 0.44),
        (0.64, 0.31),
        (0.78, 0.42),
        (0.9, 0.29),
        (1.05, 0.46),
        (1.05, 0.6),
        (-0.05, 0.6),
    ]
    stage.polygon([(x, y + stage.between(-0.02, 0.02)) for x, y in peaks], blue)
    fog(stage, 0.25, 0.6)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        back = vertical((0.44, mix(rgb("8cc069"), air, 0.3)), (0.7, rgb("5f9f4a")))
        stage.below([(-0.01, 0.5), (0.2, 0.45), (0.5, 0.5), (0.8, 0.43), (1.01, 0.47)], back)
        lawn = vertical((0.55, rgb("7ab84f")), (1.0, rgb("3f8240")))
        stage.below([(-0.01, 0.56), (0.3, 0.6), (0.7, 0.58), (1.01, 0.63)], lawn)
        bends = [
            (0.72, 0.455, 0.012),
            (0.84, 0.5, 0.02),
            (0.74, 0.54, 0.028),
            (0.4, 0.575, 0.04),
            (0.14, 0.63, 0.06),
            (0.2, 0.71, 0.09),
            (0.45, 0.8, 0.16),
            (0.58, 0.92, 0.27),
            (0.6, 1.06, 0.38),
        ]
        _ribbon(stage, bends, 1.16, rgb("f4f1e6"))
        _ribbon(stage, bends, 1.0, rgb("565c68"))
        middle = [(x, y) for x, y, _ in bends]
        for k in (3, 4, 5, 6, 7):
            (x0, y0), (x1, y1) = middle[k], middle[k + 1]
            dash = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (0.1, 0.55)]
            stage.line(dash, max(0.012, 0.06 * bends[k][2] + 0.008), rgb("fff6d0"))
        for x, y, size in (
            (0.34, 0.6, 0.16),
            (0.94, 0.62, 0.2),
            (0.9, 0.68, 0.24),
            (0.03, 0.62, 0.18),
        ):
            fir(stage, (x, y), size, rgb("2f7350"))
        house(stage, (0.56, 0.55), 0.13)
        balloon(stage, (stage.between(0.44, 0.56), 0.15), stage.between(0.1, 0.12))
        for colour in stage.palette.accents:
            spots = []
            for _ in range(9):
                x = stage.between(0.0, 0.36)
                spots.append((x, 0.8 + 0.5 * (0.3 - x) + stage.between(-0.03, 0.09), 0.017))
            stage.circles(spots, colour)
        _sign(stage, (stage.between(0.09, 0.13), 0.95))
        _van(stage, (stage.between(0.79, 0.81), 0.85), 0.42)


def _ribbon(
    stage: Stage, bends: Sequence[tuple[float, float, float]], share: float, colour: Colour
) -> None:
    """A road through points (x, y, half width)."""
    left = [(x - share * half, y) for x, y, half in bends]
    right = [(x + share * half, y) for x, y, half in reversed(bends)]
    stage.smooth([*left, *right], colour)


def _sign(stage: Stage, foot: Point) -> None:
    """A bend ahead; it throws headlights back, so that it is bright by night."""
    with stage.placed(*foot, 0.48), stage.lit():
        stage.rect(-0.035, -0.8, 0.035, 0.0, rgb("a9b0ba"))
        with stage.placed(0.0, -0.78, turn=0.785):
            stage.rect(-0.2, -0.2, 0.2, 0.2, rgb("2b2f3a"), corner=0.04)
            stage.rect(-0.175, -0.175, 0.175, 0.175, rgb("ffc928"), corner=0.03)
        bend = [(0.02, -0.62), (0.02, -0.72), (-0.07, -0.78), (0.0, -0.86), (0.02, -0.93)]
        stage.line(bend, 0.05, rgb("2b2f3a"), bent=True)


def _van(stage: Stage, foot: Point, width: float) -> None:
    """A camper van, seen from its left side, with a surfboard on its roof."""
    first, second, third = stage.palette.accents
    with stage.placed(*foot, width), stage.lamplit():
        stage.ellipse((0.0, 0.02), 0.56, 0.06, rgb("1f3d24"), alpha=0.5)
        stage.ellipse((0.0, -0.68), 0.5, 0.06, third)
        stage.rect(-0.5, -0.62, 0.5, -0.04, lighter(stage.palette.wall, 0.25), corner=0.12)
        stage.rect(-0.5, -0.32, 0.5, -0.04, first, corner=0.07)
        stage.rect(-0.5, -0.32, 0.5, -0.24, second)
        panes = [(-0.42, -0.24), (-0.17, 0.04), (0.11, 0.28), (0.34, 0.46)]
        glass = horizontal((-0.4, rgb("bfe3f2")), (0.4, rgb("6aa3c4")))
        for left, right in panes:
            if stage.is_night:
                with stage.lit():
                    stage.rect(left, -0.54, right, -0.36, rgb("ffdf8a"), corner=0.03)
            else:
                stage.rect(left, -0.54, right, -0.36, glass, corner=0.03)
        for x in (-0.28, 0.28):
            stage.circle((x, -0.05), 0.12, rgb("24272f"))
            stage.circle((x, -0.05), 0.06, rgb("dfe3e8"))
        if stage.is_night:
            with stage.lit():
                stage.glow((-0.5, -0.2), 0.4, rgb("fff0b0"), alpha=0.8)
