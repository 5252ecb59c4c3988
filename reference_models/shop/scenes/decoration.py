"""What is strewn around a product: flowers, leaves, sparkles, confetti.

All keeps to the corners and the edges, and is large enough to be named in a picture of 64 px.
"""

from math import cos, pi, sin

from reference_models.shop.scenes.stage import (
    Colour,
    Point,
    Stage,
    darker,
    lighter,
    mix,
    rgb,
)


def decorate(stage: Stage, *, ground: float) -> None:
    """Draw the look's decoration over a finished background; "plain" draws nothing.

    Args:
        stage: Stage that holds the background.
        ground: Height of the line a product stands on (0 top, 1 bottom).
    """
    if stage.look.decoration == "plain":
        return
    draw = {"flowers": _flowers, "leaves": _leaves, "sparkles": _sparkles, "confetti": _confetti}
    with stage.lit():  # as the product itself is: both stand in front of the scene's light
        draw[stage.look.decoration](stage, ground)


def blossom(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    """A flower of five round petals, seen from the front."""
    turn = stage.between(0, 2 * pi)
    petals = []
    for k in range(5):
        angle = turn + 2 * pi * k / 5
        x, y = centre[0] + 0.58 * radius * cos(angle), centre[1] + 0.58 * radius * sin(angle)
        petals.append((x, y, 0.44 * radius))
    stage.circles([(x, y + 0.1 * radius, r) for x, y, r in petals], darker(colour, 0.3))
    stage.circles(petals, colour)
    stage.circles([(x, y, 0.55 * r) for x, y, r in petals], lighter(colour, 0.35))
    stage.circle(centre, 0.3 * radius, rgb("ffd54a"))
    stage.circle((centre[0], centre[1] + 0.04 * radius), 0.18 * radius, rgb("d98a1f"))


def leaf(stage: Stage, stem: Point, length: float, angle: float, colour: Colour) -> None:
    """A pointed leaf that grows from ``stem`` at ``angle`` (radians, clockwise from the right)."""
    with stage.placed(*stem, length, turn=angle):
        upper = [(0.0, 0.0), (0.25, -0.2), (0.6, -0.19), (1.0, 0.0)]
        lower = [(0.0, 0.0), (0.25, 0.2), (0.6, 0.19), (1.0, 0.0)]
        stage.smooth([*upper, *reversed(lower[1:3])], colour)
        stage.polygon([(0.0, 0.0), *lower[1:]], darker(colour, 0.16))
        stage.line([(-0.05, 0.0), (0.86, 0.0)], 0.045, lighter(colour, 0.4))


def _flowers(stage: Stage, ground: float) -> None:
    green = rgb("3f9a4d")
    start = int(stage.rng.integers(3))
    for side in (0, 1):
        clump = [(0.02, ground - 0.13, 0.1), (0.2, 0.985, 0.09), (0.07, 0.93, 0.125)]
        for angle in (-1.9, -1.2, -0.5, 0.1):
            turned = angle if side == 0 else pi - angle
            leaf(stage, (abs(side - 0.07), 0.95), 0.22, turned + stage.between(-0.1, 0.1), green)
        for k, (x, y, radius) in enumerate(clump):
            place = (abs(side - x), y + stage.between(-0.015, 0.015))
            colour = stage.palette.accents[(start + k + side) % 3]
            blossom(stage, place, radius * stage.between(0.9, 1.12), colour)
    high = int(stage.rng.integers(2))
    blossom(stage, (abs(high - 0.04), 0.05), 0.1, stage.accent())
    blossom(stage, (abs(high - 0.17), 0.0), 0.075, stage.accent())


def _leaves(stage: Stage, ground: float) -> None:
    """Two twigs that hang in from above, and leaves fallen on the ground."""
    for side in (0, 1):
        reach, droop = stage.between(0.24, 0.28), stage.between(0.28, 0.36)
        twig = [(0.0, 0.02), (0.5 * reach, 0.05), (0.8 * reach, 0.13), (reach, 0.5 * droop)]
        with stage.placed(side, -0.02, flip=side == 1):
            stage.line(twig, 0.016, rgb("6b4a33"), bent=True)
            for (x, y), angle in zip(
                [*twig[1:], *twig[1:3]], (1.75, 1.9, 1.3, 0.1, 0.35), strict=True
            ):
                colour = mix(stage.accent(), rgb("4a9b4f"), stage.between(0.0, 0.25))
                leaf(stage, (x, y), stage.between(0.15, 0.19), angle, colour)
            leaf(stage, (0.02, 0.02), 0.2, 1.3, stage.accent())
        for x, y, angle in ((0.02, ground + 0.02, 0.3), (0.2, 0.93, -0.35), (0.05, 0.99, -0.6)):
            turned = angle if side == 0 else pi - angle
            place = (abs(side - x), y)
            leaf(stage, place, stage.between(0.15, 0.19), turned, stage.accent())


_SPARKLES = (
    (0.09, 0.12, 0.1),
    (0.05, 0.42, 0.065),
    (0.14, 0.7, 0.075),
    (0.27, 0.06, 0.05),
    (0.06, 0.92, 0.09),
    (0.2, 0.5, 0.035),
    (0.24, 0.94, 0.045),
)
"""Places (x, y) and sizes at the left; the right mirrors them."""


def _sparkles(stage: Stage, ground: float) -> None:
    del ground  # they float
    for side in (0, 1):
        for x, y, size in _SPARKLES:
            place = (abs(side - x) + stage.between(-0.03, 0.03), y + stage.between(-0.04, 0.04))
            sparkle(stage, place, size * stage.between(0.85, 1.2), stage.accent())


def sparkle(stage: Stage, centre: Point, radius: float, colour: Colour) -> None:
    """A star of four long points with a coloured glow and a white heart."""
    stage.glow(centre, 1.5 * radius, lighter(colour, 0.25), alpha=0.75)
    for reach, waist, fill in ((1.0, 0.24, colour), (0.84, 0.15, (1.0, 1.0, 1.0))):
        points = []
        for k in range(8):
            r = radius * (reach if k % 2 == 0 else waist)
            points.append((centre[0] + r * sin(k * pi / 4), centre[1] - r * cos(k * pi / 4)))
        stage.polygon(points, fill)


def _confetti(stage: Stage, ground: float) -> None:
    """Paper falling at both sides and lying on the ground, and a streamer in each upper corner."""
    for side in (0, 1):
        wave = [
            (0.02 + 0.05 * k, 0.03 + 0.035 * (k % 2) + 0.012 * k * (k - 3) * 0.4) for k in range(7)
        ]
        with stage.placed(side, 0.0, flip=side == 1):
            stage.line(wave, 0.032, stage.accent(), bent=True)
    rows = 11
    for k in range(3 * rows):
        y = (k % rows + stage.between(0.1, 0.9)) / rows
        depth = stage.between(0.0, 0.24 if y < ground else 0.36) * (1.3 if y < 0.2 else 1.0)
        x = depth if k % 2 else 1 - depth
        colour = stage.palette.accents[k % 3]
        with stage.placed(x, y, stage.between(1.05, 1.5), turn=stage.between(0, pi)):
            if k % 4 == 3:
                stage.circle((0.0, 0.0), 0.021, colour)
            else:
                stage.rect(-0.026, -0.015, 0.026, 0.015, colour)
                stage.rect(-0.026, 0.004, 0.026, 0.015, darker(colour, 0.2))
