"""What rooms have in common: walls, windows and the light that falls through them, floors, lamps.

Three signs tell the light indoors: what a window shows, the sun it throws on the wall, and lamps,
which burn at night. Furniture and plants are in ``furniture.py``; what only one room has is drawn
with that room.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import skia

from reference_models.shop.scenes.light import GRADES
from reference_models.shop.scenes.sky import sky
from reference_models.shop.scenes.stage import (
    Colour,
    Fill,
    Point,
    Stage,
    darker,
    horizontal,
    lighter,
    mix,
    radial,
    rgb,
    vertical,
)

WHITE = (1.0, 1.0, 1.0)
BLACK = (0.0, 0.0, 0.0)
LAMP_LIGHT = rgb("ffc765")
LAMP_CORE = rgb("fff4cc")
METAL = rgb("b8bec6")
WOODS = (rgb("b97a48"), rgb("9a6238"), rgb("caa06a"))

_DUSK = rgb("6668a4")
"""What walls lean to at night, away from lamps."""
_HILLS = {
    "daylight": rgb("6aa86b"),
    "golden hour": rgb("8d5f58"),
    "night": rgb("3a4a86"),
    "mist": rgb("a9b6b8"),
}


@contextmanager
def either_way_round(stage: Stage) -> Iterator[None]:
    """Draw a room as it is or in the mirror, by chance."""
    is_mirrored = bool(stage.rng.random() < 0.5)
    with stage.placed(1.0 if is_mirrored else 0.0, 0.0, flip=is_mirrored):
        yield


def wall_colour(stage: Stage) -> Colour:
    """A colour of the palette for a wall: its wall colour, or an accent softened by it."""
    palette = stage.palette
    choice = int(stage.rng.integers(4))
    return palette.wall if choice == 3 else mix(palette.accents[choice], palette.wall, 0.5)


def wall(stage: Stage, bottom: float, colour: Colour) -> None:
    """A wall from the top down to ``bottom``, darker towards the floor and the right."""
    low = bottom + 0.01
    if stage.is_night:
        colour = mix(colour, _DUSK, 0.45)
    stage.rect(0, 0, 1, low, vertical((0, lighter(colour, 0.1)), (low, darker(colour, 0.1))))
    stage.rect(0, 0, 1, low, horizontal((0, WHITE), (1, BLACK)), alpha=0.07)


def round_fill(left: float, right: float, colour: Colour) -> Fill:
    """The fill of a round body, such as a pot or a pillar, between two sides, lit from the left."""
    return horizontal(
        (left, darker(colour, 0.08)),
        (left + 0.3 * (right - left), lighter(colour, 0.28)),
        (right, darker(colour, 0.32)),
    )


def shadow(stage: Stage, centre: Point, radius_x: float, radius_y: float) -> None:
    """The soft dark ellipse under a thing that stands."""
    stage.canvas.save()
    stage.canvas.translate(*centre)
    stage.canvas.scale(1, radius_y / radius_x)
    stage.glow((0, 0), radius_x, BLACK, alpha=0.5)
    stage.canvas.restore()


def view(
    stage: Stage,
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    corner: float = 0.0,
    hills: Colour | None = None,
) -> None:
    """The world outside, seen through an opening: the sky, and hills below it.

    Args:
        stage: Stage to draw on.
        left: Left edge of the opening.
        top: Its upper edge.
        right: Its right edge.
        bottom: Its lower edge.
        corner: Radius of its corners.
        hills: Colour of the hills; by default green, in the light's tint.
    """
    canvas = stage.canvas
    side = max(right - left, bottom - top)
    base = (bottom - top) / side
    canvas.save()
    box = skia.Rect.MakeLTRB(left, top, right, bottom)
    canvas.clipRRect(skia.RRect.MakeRectXY(box, corner, corner), doAntiAlias=True)
    canvas.translate(left, top)
    canvas.scale(side, side)
    sky(stage, 0.9 * base)
    hill, swell = hills or _HILLS[stage.look.light], stage.between(-0.05, 0.05)
    stage.below([(0, base - 0.16), (0.4, base - 0.22 - swell), (1, base - 0.1 + swell)], hill)
    stage.below([(0, base - 0.04), (0.5, base - 0.09), (1, base - 0.16)], darker(hill, 0.18))
    canvas.restore()


def window_light(stage: Stage, middle: Point, reach: float) -> None:
    """The brightness that a window spreads over the wall around it; none at night."""
    if not stage.is_night:
        colour = rgb("ffcf80") if stage.look.light == "golden hour" else WHITE
        stage.glow(middle, reach, colour, alpha=0.5)


def window(
    stage: Stage,
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    columns: int = 2,
    rows: int = 2,
    frame: Colour = (0.97, 0.96, 0.93),
    hills: Colour | None = None,
) -> None:
    """A window with a casing, bars and a sill, and its brightness on the wall.

    Args:
        stage: Stage to draw on.
        left: Left edge of the glass.
        top: Upper edge of the glass.
        right: Right edge of the glass.
        bottom: Lower edge of the glass.
        columns: Panes side by side.
        rows: Panes above each other.
        frame: Colour of casing, bars and sill.
        hills: As in ``view``.
    """
    middle = ((left + right) / 2, (top + bottom) / 2)
    window_light(stage, middle, 1.3 * max(right - left, bottom - top))
    stage.rect(left - 0.025, top - 0.02, right + 0.037, bottom + 0.03, BLACK, alpha=0.2)
    stage.rect(left - 0.025, top - 0.025, right + 0.025, bottom + 0.02, frame)
    view(stage, left, top, right, bottom, hills=hills)
    for i in range(1, columns):
        x = left + (right - left) * i / columns
        stage.rect(x - 0.009, top, x + 0.009, bottom, frame)
    for i in range(1, rows):
        y = top + (bottom - top) * i / rows
        stage.rect(left, y - 0.009, right, y + 0.009, frame)
    stage.rect(left - 0.045, bottom + 0.012, right + 0.045, bottom + 0.045, darker(frame, 0.05))
    stage.rect(left - 0.045, bottom + 0.035, right + 0.045, bottom + 0.048, darker(frame, 0.25))


def sun_patch(
    stage: Stage, x: float, y: float, width: float, height: float, *, slant: float
) -> None:
    """The sun's picture of a window on a wall, four slanting panes; none at night and in mist.

    Args:
        stage: Stage to draw on.
        x: Left side.
        y: Height of the upper left corner.
        width: Width.
        height: Height of its left side.
        slant: How far its right side lies below its left side.
    """
    colours = {"daylight": (rgb("fffbe6"), 0.4), "golden hour": (rgb("ffd27a"), 0.6)}
    if stage.look.light not in colours:
        return
    colour, alpha = colours[stage.look.light]
    panes = []
    for column in (0.0, 0.52):
        for row in (0.0, 0.53):
            near, far = x + width * column, x + width * (column + 0.48)
            upper, lower = y + height * row, y + height * (row + 0.47)
            fall, deep = slant * column, slant * (column + 0.48)
            panes.append(
                [
                    (near, upper + fall),
                    (far, upper + deep),
                    (far, lower + deep),
                    (near, lower + fall),
                ]
            )
    stage.polygons(panes, colour, alpha=alpha)


def lamp_glow(stage: Stage, centre: Point, radius: float) -> None:
    """The light around a bulb: strong at night, a weak shine by day.

    Args:
        stage: Stage to draw on.
        centre: The bulb.
        radius: How far the light reaches at night.
    """
    if not stage.is_night:
        stage.glow(centre, 0.5 * radius, LAMP_CORE, alpha=0.5)
        return
    with stage.lit():
        stage.glow(centre, radius, LAMP_LIGHT, alpha=0.3)
        stage.glow(centre, 0.55 * radius, LAMP_LIGHT, alpha=0.65)
        stage.glow(centre, 0.28 * radius, LAMP_CORE)


def lamplight(
    stage: Stage, centre: Point, radius_x: float, radius_y: float, surface: Colour
) -> None:
    """Lamplight on a floor, a table or a wall of colour ``surface``, at night only."""
    if not stage.is_night:
        return
    stage.canvas.save()
    stage.canvas.translate(*centre)
    stage.canvas.scale(1, radius_y / radius_x)
    with stage.lit():
        stage.glow((0, 0), radius_x, mix(surface, LAMP_LIGHT, 0.3), alpha=0.85)
    stage.canvas.restore()


def pendant(stage: Stage, x: float, y: float, width: float, colour: Colour) -> None:
    """A lamp that hangs from the ceiling.

    Args:
        stage: Stage to draw on.
        x: Its middle.
        y: Lower edge of its shade.
        width: Width of its shade.
        colour: Colour of its shade.
    """
    half, height = width / 2, 0.62 * width
    stage.rect(x - 0.007, 0, x + 0.007, y - height, rgb("3a3433"))
    lamp_glow(stage, (x, y), 1.7 * width)
    with stage.lit():
        stage.ellipse((x, y), 0.3 * width, 0.15 * width, LAMP_CORE)
    dome = [(1.0, 0.0), (0.85, 0.52), (0.25, 1.0)]
    shade = [(x - half * part, y - height * rise) for part, rise in dome]
    shade += [(x + half * part, y - height * rise) for part, rise in reversed(dome)]
    stage.polygon(shade, round_fill(x - half, x + half, colour))


def standing_lamp(
    stage: Stage, x: float, top: float, foot: float, *, width: float, colour: Colour
) -> None:
    """A lamp on a pole, with a cloth shade from ``top`` on; its foot stands at ``foot``."""
    half, low = width / 2, top + 0.75 * width
    stage.rect(x - 0.012, low - 0.02, x + 0.012, foot, rgb("5a4636"))
    stage.ellipse((x, foot), 0.4 * width, 0.09 * width, rgb("5a4636"))
    shade = [(x - half, low), (x - 0.6 * half, top), (x + 0.6 * half, top), (x + half, low)]
    lamp_glow(stage, (x, (top + low) / 2), 2.0 * width)
    if stage.is_night:
        with stage.lit():
            stage.polygon(shade, vertical((top, LAMP_LIGHT), (low, LAMP_CORE)))
    else:
        stage.polygon(shade, round_fill(x - half, x + half, lighter(colour, 0.2)))


def string_lights(
    stage: Stage, ends: tuple[Point, Point], sag: float, colours: list[Colour], *, radius: float
) -> None:
    """Coloured bulbs on a cord that hangs between two points; they shine at night.

    Args:
        stage: Stage to draw on.
        ends: Where the cord is fastened, left and right.
        sag: How far its middle hangs below the straight line.
        colours: Colours of the bulbs, from left to right; as many bulbs.
        radius: Radius of a bulb.
    """
    (x, y), (end_x, end_y) = ends
    places = [
        (x + (end_x - x) * t, y + (end_y - y) * t + 4 * sag * t * (1 - t))
        for t in ((i + 0.5) / len(colours) for i in range(len(colours)))
    ]
    stage.line([ends[0], *places, ends[1]], 0.008, rgb("3d4a3f"), bent=True)
    for (bulb_x, bulb_y), colour in zip(places, colours, strict=True):
        centre = (bulb_x, bulb_y + 0.6 * radius)
        if stage.is_night:
            with stage.lit():
                stage.glow(centre, 3.2 * radius, colour, alpha=0.7)
                stage.circle(centre, radius, radial(centre, radius, LAMP_CORE, colour))
        else:
            stage.circle(centre, radius, radial(centre, radius, lighter(colour, 0.4), colour))


def mist(stage: Stage, top: float, bottom: float) -> None:
    """Pale air between two heights, thickest below, in mist only."""
    if stage.look.light == "mist":
        stage.veil(top, bottom, lighter(WHITE, GRADES["mist"].lift), above=0.0, below=0.55)


def wooden_floor(stage: Stage, top: float, wood: Colour) -> None:
    """Floor boards that run away from the eye, from ``top`` to the lower edge."""
    stage.rect(0, top, 1, 1, vertical((top, darker(wood, 0.2)), (1, lighter(wood, 0.1))))
    near, far = 0.17, 0.085
    boards = [
        [
            (0.5 + i * far, top),
            (0.5 + (i + 1) * far, top),
            (0.5 + (i + 1) * near, 1.0),
            (0.5 + i * near, 1.0),
        ]
        for i in range(-6, 6, 2)
    ]
    stage.polygons(boards, darker(wood, 0.35), alpha=0.22)
    stage.veil(top, top + 0.05, BLACK, above=0.3, below=0.0)


def table_top(stage: Stage, top: float, edge: float, colour: Colour) -> None:
    """A table's top from its far edge at ``top`` to its near edge at ``edge``, and its front."""
    stage.veil(top - 0.05, top, BLACK, above=0.0, below=0.22)
    stage.rect(0, top, 1, edge, vertical((top, darker(colour, 0.1)), (edge, lighter(colour, 0.14))))
    stage.rect(0, edge, 1, 1, vertical((edge, darker(colour, 0.28)), (1.01, darker(colour, 0.5))))
    stage.rect(0, edge - 0.008, 1, edge + 0.004, lighter(colour, 0.4), alpha=0.8)


def wood_grain(stage: Stage, top: float, bottom: float, wood: Colour) -> None:
    """A few long veins on a wooden table between two heights."""
    for i in range(3):
        y = top + (bottom - top) * (i + 0.5) / 3
        left, right = stage.between(-0.2, 0.35), stage.between(0.6, 1.2)
        bend = stage.between(-0.012, 0.012)
        points = [(left, y), ((left + right) / 2, y + bend), (right, y - bend)]
        stage.line(points, 0.008, darker(wood, 0.35), bent=True, alpha=0.35)
