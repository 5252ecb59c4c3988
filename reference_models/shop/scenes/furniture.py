"""Things that stand and hang in several rooms: plants, books, pictures, mugs, vases."""

from reference_models.shop.scenes.rooms import BLACK, WHITE, round_fill, shadow
from reference_models.shop.scenes.stage import Colour, Point, Stage, darker, lighter, mix, rgb

GREENS = (rgb("2f7d4f"), rgb("4c9a5a"), rgb("1f6650"))


def leaf(stage: Stage, base: Point, tip: Point, width: float, colour: Colour) -> None:
    """A leaf from base to tip, ``width`` across."""
    (x, y), (tip_x, tip_y) = base, tip
    along_x, along_y = tip_x - x, tip_y - y
    share = width / 2 / (along_x**2 + along_y**2) ** 0.5
    off_x, off_y = -along_y * share, along_x * share
    middle_x, middle_y = x + 0.45 * along_x, y + 0.45 * along_y
    left, right = (middle_x + off_x, middle_y + off_y), (middle_x - off_x, middle_y - off_y)
    stage.smooth([base, left, tip, right], colour)
    stage.polygon([base, tip, right], BLACK, alpha=0.08)


_LEAVES = (  # across and up from the pot's foot, in heights of the plant; the outer ones first
    (-0.48, 0.44),
    (0.5, 0.42),
    (-0.46, 0.66),
    (0.46, 0.63),
    (-0.28, 0.88),
    (0.3, 0.86),
    (0.02, 1.0),
)


def potted_plant(stage: Stage, x: float, foot: float, height: float, pot: Colour) -> None:
    """A plant of seven big leaves in a pot that stands at ``foot``."""
    rim, half = foot - 0.32 * height, 0.17 * height
    lean = stage.between(-0.06, 0.06) * height
    shadow(stage, (x, foot), 1.6 * half, 0.35 * half)
    for i, (across, up) in enumerate(_LEAVES):
        tip = (x + across * height + lean, foot - up * height)
        leaf(stage, (x + 0.15 * across * height, rim), tip, 0.2 * height, GREENS[i % 3])
    body = [(x - half, rim), (x + half, rim), (x + 0.72 * half, foot), (x - 0.72 * half, foot)]
    stage.polygon(body, round_fill(x - half, x + half, pot))
    stage.rect(x - 1.12 * half, rim - 0.02 * height, x + 1.12 * half, rim + 0.05 * height, pot)


def vase(stage: Stage, x: float, foot: float, height: float, colour: Colour) -> None:
    """A round-bellied vase that stands at ``foot``."""
    half = 0.36 * height
    shadow(stage, (x, foot), 1.5 * half, 0.3 * half)
    outline = [
        (x - 0.4 * half, foot - height),
        (x - 0.42 * half, foot - 0.78 * height),
        (x - half, foot - 0.42 * height),
        (x - 0.55 * half, foot),
        (x + 0.55 * half, foot),
        (x + half, foot - 0.42 * height),
        (x + 0.42 * half, foot - 0.78 * height),
        (x + 0.4 * half, foot - height),
    ]
    stage.smooth(outline, round_fill(x - half, x + half, colour))


def mug(stage: Stage, x: float, foot: float, width: float, colour: Colour) -> None:
    """A mug with a handle at its right side; it stands at ``foot``."""
    half, height = width / 2, 1.05 * width
    shadow(stage, (x, foot), 1.4 * half, 0.3 * half)
    handle = [
        (x + 0.9 * half, foot - 0.8 * height),
        (x + 1.6 * half, foot - 0.62 * height),
        (x + 0.85 * half, foot - 0.25 * height),
    ]
    stage.line(handle, 0.2 * width, darker(colour, 0.2), bent=True)
    left, right = x - half, x + half
    stage.rect(
        left, foot - height, right, foot, round_fill(left, right, colour), corner=0.15 * width
    )
    stage.ellipse((x, foot - 0.97 * height), half, 0.16 * width, darker(colour, 0.35))


def picture_frame(
    stage: Stage, left: float, top: float, right: float, bottom: float, *, frame: Colour
) -> None:
    """A framed picture: a landscape of three big shapes in the palette's accents."""
    first, second, third = stage.palette.accents
    stage.rect(left + 0.008, top + 0.012, right + 0.012, bottom + 0.014, BLACK, alpha=0.18)
    stage.rect(left, top, right, bottom, frame)
    inset = 0.02
    with stage.inside(left + inset, top + inset, right - inset, bottom - inset):
        stage.rect(0, 0, 1, 1, rgb("fbf7ee"))
        stage.circle((stage.between(0.35, 0.65), 0.38), 0.2, second)
        stage.ellipse((0.25, 1.0), 0.55, stage.between(0.3, 0.45), first)
        stage.ellipse((0.85, 1.0), 0.5, stage.between(0.2, 0.35), third)


def book_colour(stage: Stage) -> Colour:
    """A colour for a book: an accent of the palette, as it is, darkened or lightened."""
    accent = stage.accent()
    return mix(accent, (BLACK, WHITE, accent)[int(stage.rng.integers(3))], 0.25)


def books(stage: Stage, left: float, right: float, foot: float, height: float) -> None:
    """A row of books that stand on ``foot`` and fill the width from ``left`` to ``right``."""
    x = left
    while right - x > 0.001:
        rest, width = right - x, stage.between(0.03, 0.055)
        if rest < 0.085:
            width = rest if rest < 0.06 else rest / 2
        tall, colour = height * stage.between(0.72, 1.0), book_colour(stage)
        stage.rect(x, foot - tall, x + width, foot, colour)
        stage.rect(x, foot - 0.8 * tall, x + width, foot - 0.66 * tall, lighter(colour, 0.5))
        stage.rect(x + width - 0.007, foot - tall, x + width, foot, BLACK, alpha=0.3)
        x += width


def book_pile(stage: Stage, x: float, foot: float, width: float, count: int) -> None:
    """Books that lie on each other, on ``foot``."""
    shadow(stage, (x, foot), 0.65 * width, 0.02)
    for i in range(count):
        shift, colour = stage.between(-0.08, 0.08) * width, book_colour(stage)
        low, left, right = foot - 0.042 * i, x - width / 2 + shift, x + width / 2 + shift
        stage.rect(left, low - 0.042, right, low, colour, corner=0.006)
        stage.rect(right - 0.2 * width, low - 0.034, right, low - 0.008, rgb("f7f0df"))
