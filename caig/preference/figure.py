"""The curves of an alignment as one SVG: small pictures side by side, epochs to the right.

Colour and marker both tell lines apart (Okabe-Ito). Texts are escaped; nothing is loaded.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import polars as pl

WIDTH, HEIGHT, GAP, LEFT, TOP = 250, 150, 58, 52, 62
COLUMNS = 3
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


class Panel(NamedTuple):
    """One small picture.

    Attributes:
        title: What it shows.
        lines: Metric, its name in the legend, colour, marker.
        percent: Values are shares to be shown in percent.
        zero: The axis reaches down to zero.
    """

    title: str
    lines: tuple[tuple[str, str, str, str], ...]
    percent: bool = True
    zero: bool = False


PANELS = (
    Panel(
        "Product-background match",
        (("matching", "exact", BLUE, "o"), ("matching_sampled", "sampled", ORANGE, "s")),
    ),
    Panel("Valid prompts", (("valid", "valid", BLUE, "o"), ("ended", "ended", ORANGE, "s"))),
    Panel(
        "Won against epoch 0",
        (("rm_win_rate", "says the judge", ORANGE, "s"), ("true_win_rate", "in truth", BLUE, "o")),
    ),
    Panel("Gain in true CTR", (("true_ctr_gain", "true CTR", BLUE, "o"),), zero=True),
    Panel(
        "Entropy of the place (nats)",
        (("place_entropy", "of a product", BLUE, "o"), ("scene_entropy", "of all", ORANGE, "s")),
        percent=False,
        zero=True,
    ),
    Panel(
        "Distinct prompts; judge right",
        (
            ("distinct_prompts", "distinct", BLUE, "o"),
            ("rm_truth_agreement", "judge agrees with truth", GREEN, "s"),
        ),
    ),
)


def curves_figure(curves: pl.DataFrame, *, title: str) -> str:
    """Draw ``alignment_curves/1``.

    Args:
        curves: Figures by epoch; metrics that are unknown are left out.
        title: Heading.

    Returns:
        An SVG document.
    """
    known = curves.drop_nulls("value").sort("epoch")
    panels = [p for p in PANELS if known["metric"].is_in([line[0] for line in p.lines]).any()]
    rows = max(1, -(-len(panels) // COLUMNS))
    width = LEFT + COLUMNS * (WIDTH + GAP)
    height = TOP + rows * (HEIGHT + 70)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="15">{escape(title)}</text>',
    ]
    last = int(known["epoch"].max() or 0)  # type: ignore[arg-type]
    for k, panel in enumerate(panels):
        x = LEFT + (k % COLUMNS) * (WIDTH + GAP)
        y = TOP + (k // COLUMNS) * (HEIGHT + 70)
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel, known, last)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, known: pl.DataFrame, last: int) -> str:
    drawn = [
        (line, known.filter(pl.col("metric") == line[0]).select("epoch", "value").rows())
        for line in panel.lines
    ]
    values = [value for _, points in drawn for _, value in points]
    grid = ticks(values, zero=panel.zero)
    low, high = grid[0], grid[-1]

    def x(epoch: float) -> float:
        return WIDTH * epoch / max(last, 1)

    def y(value: float) -> float:
        return HEIGHT * (high - value) / (high - low)

    parts = [f'<text x="0" y="-12" font-size="12" font-weight="bold">{escape(panel.title)}</text>']
    for value in grid:
        label = f"{100 * value:.3g} %" if panel.percent else f"{value:.3g}"
        parts.append(f'<path d="M0 {y(value):.1f} H{WIDTH}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="-6" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    for epoch in range(last + 1):
        parts.append(
            f'<text x="{x(epoch):.1f}" y="{HEIGHT + 15}" text-anchor="middle">{epoch}</text>'
        )
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 30}" text-anchor="end" fill="#666">epoch</text>')
    at = 0.0
    for (_, name, colour, marker), points in drawn:
        if not points:
            continue
        path = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_mark(x(epoch), y(value), colour, marker) for epoch, value in points]
        parts.append(_mark(at + 5, HEIGHT + 31, colour, marker))
        parts.append(f'<text x="{at + 13:.0f}" y="{HEIGHT + 35}">{escape(name)}</text>')
        at += 30 + 6.2 * len(name)
    return "".join(parts)


def ticks(values: Sequence[float], *, zero: bool = False) -> list[float]:
    """Round numbers, four to six of them, between whose ends all values lie."""
    low, high = min([*values, *([0.0] if zero else [])]), max([*values, *([0.0] if zero else [])])
    wanted = max(high - low, 0.02) / 4
    magnitude = 10.0 ** math.floor(math.log10(wanted))
    step = next(n * magnitude for n in (1, 2, 2.5, 5, 10) if n * magnitude >= wanted * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def _mark(x: float, y: float, colour: str, kind: str) -> str:
    if kind == "s":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
