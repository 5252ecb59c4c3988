"""The city skyline, seen from a roof terrace."""

from reference_models.shop.scenes.outdoors import balloon
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


def city_skyline(stage: Stage) -> None:
    """Towers in three layers; windows shine at night; a railing and flower boxes in front."""
    sky(stage, 0.66)
    air = haze(stage)
    wall, shade, accents = stage.palette
    _silhouettes(stage, mix(rgb("7f93b5"), air, 0.45), 0.45, 10)
    fog(stage, 0.25, 0.7)
    _silhouettes(stage, mix(mix(shade, rgb("5f7396"), 0.6), air, 0.15), 0.53, 7)
    fog(stage, 0.4, 0.85, alpha=0.6)
    order = stage.rng.permutation(3)
    first, second, third = (accents[k] for k in order)
    flip = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if flip else 0.0, 0.0, flip=flip):
        _tower(stage, 0.3, 0.16, stage.between(0.4, 0.46), mix(wall, shade, 0.4))
        _tower(stage, 0.71, 0.15, stage.between(0.36, 0.42), third)
        _tower(stage, 0.5, 0.22, stage.between(0.55, 0.6), shade)
        _spire(stage, 0.15, 0.17, stage.between(0.19, 0.23), first)
        _tower(stage, 0.86, 0.19, stage.between(0.16, 0.2), second, antenna=True)
        _tower(stage, 0.02, 0.14, stage.between(0.36, 0.42), wall)
        _tower(stage, 1.0, 0.13, stage.between(0.42, 0.46), lighter(wall, 0.2))
        balloon(stage, (stage.between(0.46, 0.56), 0.13), 0.075)
    _terrace(stage)


def _silhouettes(stage: Stage, colour: Colour, middle: float, count: int) -> None:
    width = 1 / count
    shapes = []
    for k in range(count + 1):
        x, top = (k - 0.5) * width, middle + stage.between(-0.09, 0.09)
        shapes.append([(x, 0.9), (x, top), (x + 1.02 * width, top), (x + 1.02 * width, 0.9)])
    stage.polygons(shapes, colour)
    if stage.is_night:
        lights = []
        for shape in shapes:
            for _ in range(5):
                x = shape[1][0] + stage.between(0.1, 0.8) * width
                y = shape[1][1] + stage.between(0.03, 0.25)
                lights.append([(x, y), (x + 0.014, y), (x + 0.014, y + 0.02), (x, y + 0.02)])
        with stage.lit():
            stage.polygons(lights, rgb("ffd980"), alpha=0.75)


def _tower(
    stage: Stage, x: float, width: float, top: float, colour: Colour, *, antenna: bool = False
) -> None:
    """A tower with a lit left side, a flat roof and rows of windows."""
    left, right = x - width / 2, x + width / 2
    if antenna:
        stage.rect(x - 0.011, top - 0.13, x + 0.011, top, rgb("8d949e"))
        with stage.lit():
            stage.circle((x, top - 0.13), 0.018, rgb("ff4a4a"))
    stage.rect(
        left,
        top,
        right,
        0.9,
        horizontal((left, lighter(colour, 0.16)), (right, darker(colour, 0.2))),
    )
    stage.rect(left - 0.008, top - 0.012, right + 0.008, top + 0.016, darker(colour, 0.3))
    _windows(stage, left + 0.02, right - 0.02, top + 0.045, colour)


def _spire(stage: Stage, x: float, width: float, top: float, colour: Colour) -> None:
    """A stepped tower with a pointed top."""
    stage.polygon([(x, top - 0.16), (x - 0.022, top), (x + 0.022, top)], darker(colour, 0.25))
    for share, y in ((0.4, top), (0.68, top + 0.07), (1.0, top + 0.15)):
        left, right = x - share * width / 2, x + share * width / 2
        fill = horizontal((left, lighter(colour, 0.2)), (right, darker(colour, 0.22)))
        stage.rect(left, y, right, 0.9, fill)
    _windows(stage, x - width / 2 + 0.02, x + width / 2 - 0.02, top + 0.18, colour)


def _windows(stage: Stage, left: float, right: float, top: float, colour: Colour) -> None:
    """Two to four columns of windows; by night most of them are lit, by day they mirror the sky."""
    columns = max(2, round((right - left) / 0.05))
    pitch = (right - left) / columns
    dark: list[list[Point]] = []
    lit: list[list[Point]] = []
    y = top
    while y < 0.8:
        for k in range(columns):
            x = left + (k + 0.17) * pitch
            pane = [(x, y), (x + 0.66 * pitch, y), (x + 0.66 * pitch, y + 0.034), (x, y + 0.034)]
            (lit if stage.rng.random() < 0.68 else dark).append(pane)
        y += 0.058
    if not stage.is_night:
        glass = mix(haze(stage), rgb("4f86b8"), 0.4)
        stage.polygons(lit, mix(glass, rgb("ffffff"), 0.25))
        stage.polygons(dark, mix(glass, darker(colour, 0.4), 0.5))
        return
    stage.polygons(dark, darker(colour, 0.55))
    with stage.lit():
        stage.polygons(lit, rgb("ffe08a") if stage.rng.random() < 0.65 else rgb("fff4d0"))


def _terrace(stage: Stage) -> None:
    """Glass railing, floor boards, and a box of plants in the palette's colours at each side."""
    air = haze(stage)
    stage.rect(-0.01, 0.68, 1.01, 0.84, mix(rgb("cfe6f2"), air, 0.4), alpha=0.45)
    floor = vertical((0.82, rgb("b98d66")), (1.0, rgb("8a6244")))
    stage.rect(-0.01, 0.82, 1.01, 1.01, floor)
    for y in (0.865, 0.925):
        stage.rect(-0.01, y, 1.01, y + 0.008, rgb("6b4a33"), alpha=0.6)
    stage.rect(-0.01, 0.665, 1.01, 0.69, rgb("e9edf1"), corner=0.01)
    for x in (0.0, 0.33, 0.67, 1.0):
        stage.rect(x - 0.012, 0.68, x + 0.012, 0.84, rgb("d3d9df"))
    colours = [stage.palette.accents[k] for k in stage.rng.permutation(3)]
    with stage.lamplit():
        for side in (0, 1):
            _flower_box(stage, abs(side - 0.1), colours[side], colours[side + 1])


def _flower_box(stage: Stage, x: float, bloom: Colour, box: Colour) -> None:
    green = rgb("3f8f4f")
    spots = [(x + dx, 0.79 + dy, 0.055) for dx, dy in ((-0.07, 0.0), (0.0, -0.03), (0.07, 0.0))]
    stage.circles(spots, green)
    blooms = [
        (x + dx, y, 0.03) for dx, y in ((-0.08, 0.76), (-0.02, 0.73), (0.05, 0.745), (0.09, 0.79))
    ]
    stage.circles(blooms, bloom)
    fill = vertical((0.81, lighter(box, 0.1)), (0.95, darker(box, 0.25)))
    stage.polygon([(x - 0.13, 0.81), (x + 0.13, 0.81), (x + 0.11, 0.95), (x - 0.11, 0.95)], fill)
    stage.rect(x - 0.14, 0.8, x + 0.14, 0.83, lighter(box, 0.15), corner=0.008)
