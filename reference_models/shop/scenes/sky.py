"""The sky in every light: outdoors, and through the windows of rooms.

The sky is graded by the light like all else, so that night is drawn brighter than it looks.
"""

from reference_models.shop.scenes.stage import Colour, Point, Stage, lighter, mix, rgb, vertical

_GRADIENTS: dict[str, tuple[Colour, Colour, Colour]] = {
    # light: colour at the top, in the middle, at the horizon
    "daylight": (rgb("2f8fe3"), rgb("7cc4f5"), rgb("d9f1fb")),
    "golden hour": (rgb("6a5fc8"), rgb("f2789a"), rgb("ffcf70")),
    "night": (rgb("141a4c"), rgb("2b3a8c"), rgb("6a76c8")),
    "mist": (rgb("a9bcc6"), rgb("c3d0d5"), rgb("e6ebec")),
}


def haze(stage: Stage) -> Colour:
    """Colour of the air at the horizon, into which distant things fade."""
    return _GRADIENTS[stage.look.light][2]


def sky(stage: Stage, horizon: float) -> None:
    """Fill the stage with the sky of its light: sun, sunset, stars and moon, or mist.

    Sun and moon stand at the left or at the right, so that a product in the middle hides neither.

    Args:
        stage: Stage to draw on; in a window, call it within ``stage.inside(...)``.
        horizon: Where the sky meets the ground (0 top, 1 bottom); all below is haze.
    """
    top, middle, low = _GRADIENTS[stage.look.light]
    stage.rect(
        -0.01, -0.01, 1.01, 1.01, vertical((0, top), (0.5 * horizon, middle), (horizon, low))
    )
    side = stage.between(0.12, 0.26)
    x = side if stage.rng.random() < 0.5 else 1 - side
    draw = {"daylight": _day, "golden hour": _sunset, "night": _night, "mist": _mist}
    draw[stage.look.light](stage, x, horizon)


def fog(stage: Stage, top: float, bottom: float, *, alpha: float = 0.75) -> None:
    """In mist, a bank of fog between two heights, thickest in the middle; else nothing.

    Call it between the layers of a landscape, so that each fades into the next.
    """
    if stage.look.light != "mist":
        return
    middle = (top + bottom) / 2
    colour = rgb("edf1f2")
    stage.veil(top, middle, colour, above=0.0, below=alpha)
    stage.veil(middle, bottom, colour, above=alpha, below=0.0)


def cloud(stage: Stage, centre: Point, width: float, body: Colour, shadow: Colour) -> None:
    """A heap of round puffs on a flat base, ``width`` wide."""
    with stage.placed(*centre, width):
        puffs = [(-0.36, 0.0, 0.13), (-0.17, -0.08, 0.17), (0.08, -0.13, 0.21), (0.32, -0.02, 0.15)]
        puffs = [(x, y, radius * stage.between(0.9, 1.1)) for x, y, radius in puffs]
        stage.circles([(x, y + 0.03, radius) for x, y, radius in puffs], shadow)
        stage.rect(-0.48, -0.02, 0.48, 0.15, shadow, corner=0.08)
        stage.circles([(x, y - 0.01, 0.88 * radius) for x, y, radius in puffs], body)
        stage.rect(-0.44, -0.02, 0.44, 0.09, body, corner=0.055)


def _clouds(stage: Stage, horizon: float, body: Colour, shadow: Colour) -> None:
    for x in (0.18, 0.52, 0.86):
        place = (x + stage.between(-0.14, 0.14), horizon * stage.between(0.2, 0.62))
        cloud(stage, place, stage.between(0.2, 0.36), body, shadow)


def _day(stage: Stage, x: float, horizon: float) -> None:
    place = (x, horizon * stage.between(0.16, 0.3))
    stage.glow(place, 0.42, rgb("fff6cf"), alpha=0.85)
    stage.circle(place, 0.065, rgb("fff3b0"))
    _clouds(stage, horizon, (1.0, 1.0, 1.0), rgb("cfe6f5"))


def _sunset(stage: Stage, x: float, horizon: float) -> None:
    place = (x, horizon * stage.between(0.68, 0.82))
    stage.glow(place, 0.6, rgb("ffe08a"), alpha=0.95)
    stage.circle(place, 0.1, rgb("fff4c2"))
    rosy = rgb("ff9fb0")
    for _ in range(3):
        y, left = horizon * stage.between(0.15, 0.6), stage.between(-0.2, 0.7)
        length = stage.between(0.25, 0.5)
        stage.rect(left, y, left + length, y + 0.035, rosy, corner=0.0175, alpha=0.75)
        stage.rect(
            left + 0.08, y - 0.03, left + 0.7 * length, y + 0.01, lighter(rosy, 0.3), corner=0.02
        )


def _night(stage: Stage, x: float, horizon: float) -> None:
    faint, bright = (
        [
            (stage.between(0, 1), horizon * stage.between(0, 0.9), stage.between(*sizes))
            for _ in range(count)
        ]
        for count, sizes in ((40, (0.003, 0.006)), (12, (0.008, 0.012)))
    )
    place = (x, horizon * stage.between(0.24, 0.36))
    with stage.lit():
        stage.circles(faint, rgb("d8e0ff"), alpha=0.7)
        stage.circles(bright, rgb("fffdf0"))
        stage.glow(place, 0.3, rgb("b9c8ff"), alpha=0.5)
        stage.circle(place, 0.085, rgb("fff8dc"))
        stage.circles([(place[0] + dx, place[1] + dy, r) for dx, dy, r in _CRATERS], rgb("e3dab4"))


_CRATERS = ((-0.03, -0.02, 0.02), (0.035, 0.02, 0.016), (-0.01, 0.045, 0.013))


def _mist(stage: Stage, x: float, horizon: float) -> None:
    place = (x, horizon * stage.between(0.3, 0.45))
    stage.glow(place, 0.3, (1.0, 1.0, 1.0), alpha=0.7)
    stage.circle(place, 0.075, rgb("fbfbf4"))
    for share in (0.35, 0.6, 0.85):
        left, y = stage.between(-0.3, 0.5), horizon * share
        pale = mix(rgb("e9eef0"), rgb("ffffff"), share)
        stage.rect(left, y, left + 0.75, y + 0.06, pale, corner=0.03, alpha=0.6, blur=0.012)
