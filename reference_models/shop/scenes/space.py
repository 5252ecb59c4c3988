"""The space nebula, seen from a moon."""

from math import cos, pi, sin

from reference_models.shop.scenes.decoration import sparkle
from reference_models.shop.scenes.sky import fog
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

_DEEP: dict[str, tuple[Colour, Colour, Colour]] = {
    # light: space above, space at the horizon, the ground of the moon
    "daylight": (rgb("1d1450"), rgb("4a2f96"), rgb("b9b4d8")),
    "golden hour": (rgb("3a1748"), rgb("b8452f"), rgb("e0b890")),
    "night": (rgb("0c0c2c"), rgb("242a66"), rgb("a3a8cc")),
    "mist": (rgb("4b5068"), rgb("9aa0b4"), rgb("d3d6de")),
}


def space_nebula(stage: Stage) -> None:
    """Glowing clouds of gas, a ringed planet, stars; craters below."""
    high, low, ground = _DEEP[stage.look.light]
    stage.rect(-0.01, -0.01, 1.01, 1.01, vertical((0.0, high), (0.82, low)))
    first, second, third = (stage.palette.accents[k] for k in stage.rng.permutation(3))
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _gas(stage, first, second, third)
        _stars(stage)
        if stage.look.light == "golden hour":
            _rising_sun(stage, (0.13, 0.74))
        fog(stage, 0.1, 0.9)
        _planet(
            stage,
            (stage.between(0.17, 0.22), stage.between(0.22, 0.3)),
            stage.between(0.13, 0.17),
            second,
            third,
        )
        _moon(
            stage,
            (stage.between(0.8, 0.86), stage.between(0.13, 0.22)),
            stage.between(0.06, 0.09),
            first,
        )
        _rocket(stage, (stage.between(0.85, 0.9), stage.between(0.5, 0.54)), 0.24)
    _craters(stage, ground)


def _gas(stage: Stage, first: Colour, second: Colour, third: Colour) -> None:
    """Three banks of gas across the sky, rising or sinking, and bright knots where they meet."""
    slope = stage.between(-0.22, 0.22)
    bands = (
        (first, -0.16, 0.5, 3),
        (second, 0.03, 0.4, 3),
        (third, 0.2, 0.44, 3),
        (lighter(second, 0.5), 0.03, 0.2, 2),
    )
    faint = 0.42 if stage.is_night else 0.72
    with stage.lit():
        for colour, shift, size, count in bands:
            for k in range(count):
                x = (k + 0.5) / count + stage.between(-0.16, 0.16)
                y = 0.4 + shift + 2 * slope * (x - 0.5) + stage.between(-0.1, 0.1)
                stage.glow((x, y), size * stage.between(0.75, 1.05), colour, alpha=faint)


def _stars(stage: Stage) -> None:
    spots = [
        (stage.between(0, 1), stage.between(0, 0.8), stage.between(0.003, 0.008))
        for _ in range(60 if stage.is_night else 42)
    ]
    with stage.lit():
        stage.circles(spots, rgb("ffffff"), alpha=0.9)
        for x, y, size in (
            (0.42, 0.1, 0.06),
            (0.6, 0.2, 0.04),
            (0.06, 0.5, 0.05),
            (0.72, 0.36, 0.04),
        ):
            place = (x + stage.between(-0.03, 0.03), y + stage.between(-0.03, 0.03))
            sparkle(stage, place, size, rgb("cfe0ff"))


def _rising_sun(stage: Stage, centre: Point) -> None:
    with stage.lit():
        stage.glow(centre, 0.6, rgb("ffb45a"), alpha=0.9)
        stage.circle(centre, 0.13, rgb("fff0c0"))


def _planet(stage: Stage, centre: Point, radius: float, body: Colour, ring: Colour) -> None:
    """A planet with bands and a tilted ring that passes behind and before it."""
    pale = lighter(ring, 0.45)
    with stage.placed(*centre, radius, turn=stage.between(-0.6, 0.2)), stage.lamplit():
        arc = [(1.75 * cos(pi * k / 10), 0.5 * sin(pi * k / 10)) for k in range(11)]
        stage.line([(x, -y) for x, y in arc], 0.2, pale)
        stage.circle(
            (0.0, 0.0), 1.0, radial((-0.45, -0.5), 1.7, lighter(body, 0.45), darker(body, 0.5))
        )
        for y, half in ((-0.45, 0.8), (0.4, 0.82)):
            stage.ellipse((0.0, y), half, 0.1, lighter(body, 0.5), alpha=0.55)
        stage.line(arc, 0.2, pale)
        stage.line([(0.97 * x, y + 0.06) for x, y in arc], 0.06, darker(ring, 0.15))


def _moon(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    with stage.placed(*centre, radius), stage.lamplit():
        stage.circle(
            (0.0, 0.0), 1.0, radial((-0.4, -0.4), 1.7, lighter(colour, 0.6), darker(colour, 0.3))
        )
        stage.circles(
            [(-0.3, -0.1, 0.22), (0.3, 0.3, 0.27), (0.25, -0.4, 0.16)], darker(colour, 0.2)
        )


def _rocket(stage: Stage, centre: Point, height: float) -> None:
    first, second, _ = stage.palette.accents
    with stage.placed(*centre, height, turn=stage.between(0.2, 0.5)), stage.lamplit():
        with stage.lit():
            stage.smooth([(-0.13, 0.38), (0.0, 0.85), (0.13, 0.38)], rgb("ffb03a"))
            stage.smooth([(-0.06, 0.38), (0.0, 0.64), (0.06, 0.38)], rgb("fff0b0"))
        stage.polygon([(-0.16, 0.05), (-0.36, 0.42), (-0.14, 0.36)], first)
        stage.polygon([(0.16, 0.05), (0.36, 0.42), (0.14, 0.36)], darker(first, 0.2))
        body = [(0.0, -0.6), (0.2, -0.2), (0.17, 0.38), (-0.17, 0.38), (-0.2, -0.2)]
        stage.smooth(body, mix(rgb("ffffff"), stage.palette.wall, 0.2))
        stage.smooth([(0.0, -0.62), (0.15, -0.32), (-0.15, -0.32)], first)
        stage.circle((0.0, -0.08), 0.11, second)
        stage.circle((-0.02, -0.1), 0.06, rgb("d9f1ff"))


def _craters(stage: Stage, ground: Colour) -> None:
    far = mix(ground, rgb("4a3f78"), 0.45)
    stage.below(
        [(-0.01, 0.7), (0.1, 0.73), (0.3, 0.79), (0.7, 0.8), (0.9, 0.75), (1.01, 0.74)], far
    )
    fill = vertical((0.78, lighter(ground, 0.15)), (1.0, darker(ground, 0.35)))
    stage.below([(-0.01, 0.81), (0.5, 0.775), (1.01, 0.8)], fill)
    for x, y, size in (
        (0.13, 0.89, 0.11),
        (0.86, 0.875, 0.1),
        (0.34, 0.965, 0.07),
        (0.72, 0.97, 0.085),
    ):
        place = (x + stage.between(-0.03, 0.03), y)
        stage.ellipse((place[0], y + 0.01), 1.12 * size, 0.36 * size, lighter(ground, 0.45))
        stage.ellipse(place, size, 0.29 * size, darker(ground, 0.42))
        stage.ellipse((place[0], y + 0.08 * size), 0.84 * size, 0.19 * size, darker(ground, 0.28))
