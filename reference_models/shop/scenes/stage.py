"""The stage a scene is drawn on: a unit square of any pixel size, its brushes and its colours.

Scenes know neither pixels nor blending. They draw in unit coordinates, x to the right and y down,
from back to front, with colours that the stage gives them for its light and palette; so one
drawing serves every size, and a new scene is one function.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import degrees
from typing import NamedTuple, TypeAlias

import numpy as np
import skia

from reference_models.shop.scenes.light import GRADES, LAMPLIGHT, grade_filter
from reference_models.shop.vocabulary import Look

Point = tuple[float, float]
Colour = tuple[float, float, float]
"""Red, green, blue, each 0 to 1."""


class Palette(NamedTuple):
    """Colours of the things whose colour is free: walls, cloths, flowers, paint.

    Attributes:
        wall: Large quiet surfaces.
        shade: The same surfaces in shadow.
        accents: Three colours for smaller things.
    """

    wall: Colour
    shade: Colour
    accents: tuple[Colour, Colour, Colour]


def rgb(code: str) -> Colour:
    """Colour of a hex code such as ``"f4a261"``."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


PALETTES: dict[str, Palette] = {
    "warm colours": Palette(
        rgb("f6d3b3"), rgb("dca37a"), (rgb("e4572e"), rgb("f2a541"), rgb("9c3848"))
    ),
    "cool colours": Palette(
        rgb("b9d6ea"), rgb("7fa6c4"), (rgb("2a6fbb"), rgb("27a59a"), rgb("5b4b9a"))
    ),
    "pastel colours": Palette(
        rgb("f7dbe8"), rgb("dcb4cd"), (rgb("f7a8c4"), rgb("a8d8c8"), rgb("c3b4ea"))
    ),
    "vivid colours": Palette(
        rgb("ffcf33"), rgb("e8912a"), (rgb("ff2d6f"), rgb("12b5e5"), rgb("3ccb4a"))
    ),
    "neutral colours": Palette(
        rgb("e6e2da"), rgb("bdb7ab"), (rgb("8d8a83"), rgb("5d5a56"), rgb("c9bda6"))
    ),
}


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` with ``share`` (0 to 1) of ``second`` mixed in."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighter(colour: Colour, share: float) -> Colour:
    """The colour mixed with white."""
    return mix(colour, (1.0, 1.0, 1.0), share)


def darker(colour: Colour, share: float) -> Colour:
    """The colour mixed with black."""
    return mix(colour, (0.0, 0.0, 0.0), share)


Fill: TypeAlias = Colour | skia.Shader
"""What a shape is filled with: one colour, or a gradient."""


class Stage:
    """A canvas of the unit square.

    Args:
        pixels: Array to draw into, (size, size, 4) uint8, red green blue alpha; changed in place.
        look: What is asked for.
        rng: Source of the drawing's variety.

    Attributes:
        canvas: The canvas, for what no brush here does.
        look: What is asked for.
        palette: Colours of its palette.
        rng: Source of variety.
    """

    def __init__(self, pixels: np.ndarray, look: Look, rng: np.random.Generator) -> None:
        size = pixels.shape[0]
        info = skia.ImageInfo.Make(size, size, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
        self._surface = skia.Surface.MakeRasterDirect(info, pixels)
        self.canvas: skia.Canvas = self._surface.getCanvas()
        self.canvas.scale(size, size)
        self.look = look
        self.palette = PALETTES[look.palette]
        self.rng = rng
        self._grade = grade_filter(GRADES[look.light])

    @property
    def is_night(self) -> bool:
        """True if the light asked for is night."""
        return self.look.light == "night"

    def between(self, lower: float, upper: float) -> float:
        """A random number of the interval."""
        return float(self.rng.uniform(lower, upper))

    def accent(self) -> Colour:
        """A random accent colour of the palette."""
        return self.palette.accents[int(self.rng.integers(3))]

    def paint(self, fill: Fill, alpha: float = 1.0, blur: float = 0.0) -> skia.Paint:
        """The paint of a brush, under the look's light: for what is drawn on the canvas itself."""
        paint = skia.Paint(AntiAlias=True)
        if isinstance(fill, tuple):
            paint.setColor(_packed(fill, alpha))
        else:
            paint.setShader(fill)
            paint.setAlphaf(alpha)
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        if self._grade is not None:
            paint.setColorFilter(self._grade)
        return paint

    @contextmanager
    def lit(self) -> Iterator[None]:
        """Draw things that shine by themselves, untouched by the light: lamps, the moon, stars."""
        grade, self._grade = self._grade, None
        yield
        self._grade = grade

    @contextmanager
    def lamplit(self) -> Iterator[None]:
        """Draw things that a lamp lights at night; in every other light they are as all else."""
        grade = self._grade
        if self.is_night:
            self._grade = grade_filter(LAMPLIGHT)
        yield
        self._grade = grade

    def rect(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Fill,
        *,
        corner: float = 0.0,
        alpha: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """A rectangle; ``corner`` is the radius of its corners."""
        box = skia.Rect.MakeLTRB(left, top, right, bottom)
        self.canvas.drawRoundRect(box, corner, corner, self.paint(fill, alpha, blur))

    def ellipse(
        self,
        centre: Point,
        radius_x: float,
        radius_y: float,
        fill: Fill,
        *,
        alpha: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """An ellipse."""
        (x, y) = centre
        box = skia.Rect.MakeLTRB(x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        self.canvas.drawOval(box, self.paint(fill, alpha, blur))

    def circle(
        self, centre: Point, radius: float, fill: Fill, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """A circle."""
        self.canvas.drawCircle(*centre, radius, self.paint(fill, alpha, blur))

    def polygon(
        self, points: Sequence[Point], fill: Fill, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """A closed polygon with straight sides."""
        path = skia.Path()
        path.addPoly([skia.Point(*point) for point in points], close=True)
        self.canvas.drawPath(path, self.paint(fill, alpha, blur))

    def smooth(
        self, points: Sequence[Point], fill: Fill, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """A closed shape whose outline bends softly along the points."""
        self.canvas.drawPath(_smooth_path(points, closed=True), self.paint(fill, alpha, blur))

    def below(
        self, points: Sequence[Point], fill: Fill, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """All that lies below a soft line from left to right, down to the lower edge."""
        path = _smooth_path(points, closed=False)
        path.lineTo(points[-1][0], 1.01)
        path.lineTo(points[0][0], 1.01)
        path.close()
        self.canvas.drawPath(path, self.paint(fill, alpha, blur))

    def line(
        self,
        points: Sequence[Point],
        width: float,
        fill: Fill,
        *,
        bent: bool = False,
        alpha: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """A stroke with round ends through the points; ``bent`` makes it soft."""
        if bent:
            path = _smooth_path(points, closed=False)
        else:
            path = skia.Path()
            path.addPoly([skia.Point(*point) for point in points], close=False)
        paint = self.paint(fill, alpha, blur)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def circles(
        self,
        spots: Sequence[tuple[float, float, float]],
        fill: Fill,
        *,
        alpha: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Many circles (x, y, radius) as one shape: a cloud, a tree's crown, stars, dots."""
        path = skia.Path()
        for spot in spots:
            path.addCircle(*spot)
        self.canvas.drawPath(path, self.paint(fill, alpha, blur))

    def polygons(
        self,
        shapes: Sequence[Sequence[Point]],
        fill: Fill,
        *,
        alpha: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Many polygons as one shape, in one stroke of the brush: windows, pennants, tufts."""
        path = skia.Path()
        for points in shapes:
            path.addPoly([skia.Point(*point) for point in points], close=True)
        self.canvas.drawPath(path, self.paint(fill, alpha, blur))

    def glow(self, centre: Point, radius: float, colour: Colour, *, alpha: float = 1.0) -> None:
        """A round light that fades to nothing at ``radius``; cheaper than a blurred circle."""
        self.circle(
            centre, radius, radial(centre, radius, colour, colour, outer_alpha=0.0), alpha=alpha
        )

    def veil(
        self, top: float, bottom: float, colour: Colour, *, above: float, below: float
    ) -> None:
        """A see-through band over the whole width, from alpha ``above`` to alpha ``below``."""
        ends = [(0.5, top), (0.5, bottom)]
        colours = [_packed(colour, above), _packed(colour, below)]
        self.rect(-0.01, top, 1.01, bottom, skia.GradientShader.MakeLinear(ends, colours))

    @contextmanager
    def placed(
        self, x: float, y: float, scale: float = 1.0, *, turn: float = 0.0, flip: bool = False
    ) -> Iterator[None]:
        """Draw with the origin at (x, y), scaled, turned clockwise (radians), or mirrored.

        For a thing drawn around its own origin, and put many times or at many sizes.
        """
        self.canvas.save()
        self.canvas.translate(x, y)
        self.canvas.rotate(degrees(turn))
        self.canvas.scale(-scale if flip else scale, scale)
        yield
        self.canvas.restore()

    @contextmanager
    def inside(
        self, left: float, top: float, right: float, bottom: float, *, corner: float = 0.0
    ) -> Iterator[None]:
        """Draw within a box as if it were the whole unit square: a window's view, a picture."""
        box = skia.Rect.MakeLTRB(left, top, right, bottom)
        self.canvas.save()
        self.canvas.clipRRect(skia.RRect.MakeRectXY(box, corner, corner), doAntiAlias=True)
        self.canvas.translate(left, top)
        self.canvas.scale(right - left, bottom - top)
        yield
        self.canvas.restore()


def vertical(*stops: tuple[float, Colour]) -> skia.Shader:
    """A gradient from top to bottom; each stop is (y, colour), y increasing."""
    first, last = stops[0][0], stops[-1][0]
    positions = [(y - first) / (last - first) for y, _ in stops]
    colours = [_packed(colour, 1.0) for _, colour in stops]
    return skia.GradientShader.MakeLinear([(0.5, first), (0.5, last)], colours, positions)


def horizontal(*stops: tuple[float, Colour]) -> skia.Shader:
    """A gradient from left to right; each stop is (x, colour), x increasing."""
    first, last = stops[0][0], stops[-1][0]
    positions = [(x - first) / (last - first) for x, _ in stops]
    colours = [_packed(colour, 1.0) for _, colour in stops]
    return skia.GradientShader.MakeLinear([(first, 0.5), (last, 0.5)], colours, positions)


def radial(
    centre: Point, radius: float, inner: Colour, outer: Colour, *, outer_alpha: float = 1.0
) -> skia.Shader:
    """A gradient from a centre outwards; ``outer_alpha`` 0 makes a glow."""
    colours = [_packed(inner, 1.0), _packed(outer, outer_alpha)]
    return skia.GradientShader.MakeRadial(centre, radius, colours)


def _packed(colour: Colour, alpha: float) -> int:
    red, green, blue = colour
    return int(skia.Color4f(red, green, blue, alpha).toColor())


def _smooth_path(points: Sequence[Point], *, closed: bool) -> skia.Path:
    """Catmull-Rom spline through the points, as cubic Bezier segments."""
    n = len(points)
    path = skia.Path()
    path.moveTo(*points[0])
    for i in range(n if closed else n - 1):
        if closed:
            before, here, there, after = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        else:
            before, here = points[max(i - 1, 0)], points[i]
            there, after = points[i + 1], points[min(i + 2, n - 1)]
        path.cubicTo(
            here[0] + (there[0] - before[0]) / 6,
            here[1] + (there[1] - before[1]) / 6,
            there[0] - (after[0] - here[0]) / 6,
            there[1] - (after[1] - here[1]) / 6,
            *there,
        )
    if closed:
        path.close()
    return path
