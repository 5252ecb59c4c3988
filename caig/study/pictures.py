"""Two pictures of a study: curves of its arms, and match against clicks. SVG; nothing is loaded.

Colour and marker both tell arms apart (Okabe-Ito's colours). Texts are escaped.
"""

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import polars as pl

from caig.contracts.studies import STUDY_FIGURES
from caig.preference.figure import ticks
from caig.study.estimates import GAIN, MATCHING, start_of

WIDTH, HEIGHT = 300, 210
LEFT, TOP, GAP = 60, 64, 62
COLOURS = (
    *("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7"),
    *("#E69F00", "#56B4E9", "#8A8A00", "#7B3FA0"),
)
SHAPES = ("circle", "square", "triangle", "diamond")

PANELS = {
    MATCHING: "Product-background match",
    "valid": "Valid prompts",
    GAIN: "Gain in true CTR",
}
"""What curves are drawn of."""


class Style(NamedTuple):
    """How an arm is drawn.

    Attributes:
        colour: Its colour.
        shape: Its marker.
    """

    colour: str
    shape: str


def styles(arms: list[str]) -> dict[str, Style]:
    """A colour and a marker for every arm; no two arms share both."""
    return {
        arm: Style(COLOURS[k % len(COLOURS)], SHAPES[(k // len(COLOURS) + k) % len(SHAPES)])
        for k, arm in enumerate(arms)
    }


def curves_by_arm(figures: pl.DataFrame) -> str:
    """Mean curves over seeds: a row of panels a judge.

    Args:
        figures: ``study_figures/1``.
    """
    reported = figures.filter(pl.col("phase") == "report").drop_nulls("value")
    look = styles(reported["arm"].unique(maintain_order=True).to_list())
    judges = reported["judge"].unique(maintain_order=True).to_list()
    parts = []
    for row, judge in enumerate(judges):
        y = TOP + row * (HEIGHT + 84)
        parts.append(f'<text x="{LEFT}" y="{y - 24}" font-weight="bold">Judge: {_e(judge)}</text>')
        for column, (metric, title) in enumerate(PANELS.items()):
            rows = reported.filter(pl.col("judge") == judge, pl.col("metric") == metric)
            x = LEFT + column * (WIDTH + GAP)
            drawn = _curves(_means(rows), title, look, _ticks(reported, metric))
            parts.append(f'<g transform="translate({x} {y})">{drawn}</g>')
    wide = LEFT + len(PANELS) * (WIDTH + GAP)
    low = TOP + max(1, len(judges)) * (HEIGHT + 84)
    return _page(parts, look, wide, low, "Epoch by epoch: means over seeds, on test products")


def front(figures: pl.DataFrame, estimates: pl.DataFrame) -> str:
    """Match against the gain in true CTR after the last epoch: every run small, means large.

    Args:
        figures: ``study_figures/1``.
        estimates: ``study_estimates/1``.
    """
    reported = figures.filter(pl.col("phase") == "report")
    key = list(STUDY_FIGURES.key[:5])
    last = reported.filter(
        pl.col("epoch") == pl.col("epoch").max().over(key),
        pl.col("metric").is_in([MATCHING, GAIN]),
    ).pivot("metric", index=key, values="value")
    means = estimates.filter(pl.col("metric").is_in([MATCHING, GAIN])).pivot(
        "metric", index=["judge", "arm"], values="mean"
    )
    look = styles(reported["arm"].unique(maintain_order=True).to_list())
    judges = reported["judge"].unique(maintain_order=True).to_list()
    parts = []
    if {MATCHING, GAIN} <= set(last.columns):
        last, means = last.drop_nulls([MATCHING, GAIN]), means.drop_nulls([MATCHING, GAIN])
        begun = start_of(figures)[MATCHING].mean
        known = [] if begun is None else [begun]
        across = ticks([*last[MATCHING].to_list(), *known])
        upward = ticks(last[GAIN].to_list(), zero=True)
        for column, judge in enumerate(judges):
            x = LEFT + column * (WIDTH + GAP)
            of_judge = pl.col("judge") == judge
            drawn = _points(last.filter(of_judge), means.filter(of_judge), across, upward, look)
            drawn += _start(begun, across, upward)
            title = f'<text y="-12" font-weight="bold">Judge: {_e(judge)}</text>'
            parts.append(f'<g transform="translate({x} {TOP})">{title}{drawn}</g>')
    wide = LEFT + max(1, len(judges)) * (WIDTH + GAP)
    return _page(
        parts, look, wide, TOP + HEIGHT + 84, "Match and clicks after the last epoch; small: a seed"
    )


def _means(rows: pl.DataFrame) -> pl.DataFrame:
    which = [name for name in ("judge", "arm", "epoch") if name in rows.columns]
    return rows.group_by(which, maintain_order=True).agg(pl.col("value").mean())


def _ticks(reported: pl.DataFrame, metric: str) -> list[float]:
    """One axis for all judges, so that their panels can be compared."""
    values = _means(reported.filter(pl.col("metric") == metric))["value"].to_list()
    return ticks(values) if values else []


def _curves(means: pl.DataFrame, title: str, look: Mapping[str, Style], up: list[float]) -> str:
    if not means.height:
        return f'<text y="-8">{_e(title)}: unknown</text>'
    last = max(1, int(means["epoch"].max() or 1))  # type: ignore[arg-type]

    def at(epoch: float, value: float) -> tuple[float, float]:
        return WIDTH * epoch / last, HEIGHT * (up[-1] - value) / (up[-1] - up[0])

    parts = [f'<text y="-8">{_e(title)}</text>', *_rows(up, HEIGHT)]
    parts += [
        f'<text x="{at(k, up[0])[0]:.1f}" y="{HEIGHT + 15}" text-anchor="middle">{k}</text>'
        for k in range(last + 1)
    ]
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 30}" text-anchor="end" fill="#555">epoch</text>')
    for arm, style in look.items():
        points = [
            at(*row)
            for row in means.filter(pl.col("arm") == arm)
            .sort("epoch")
            .select("epoch", "value")
            .iter_rows()
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{style.colour}" stroke-width="1.6"/>'
        )
        parts += [_mark(x, y, style, 4) for x, y in points]
    return "".join(parts)


def _points(
    seeds: pl.DataFrame,
    means: pl.DataFrame,
    across: list[float],
    upward: list[float],
    look: Mapping[str, Style],
) -> str:
    def at(match: float, gain: float) -> tuple[float, float]:
        x = WIDTH * (match - across[0]) / (across[-1] - across[0])
        return x, HEIGHT * (upward[-1] - gain) / (upward[-1] - upward[0])

    parts = [*_rows(upward, HEIGHT)]
    for value in across:
        x, _ = at(value, 0)
        parts.append(f'<path d="M{x:.1f} 0 V{HEIGHT}" stroke="#e4e4e4"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT + 15}" text-anchor="middle">{100 * value:.3g} %</text>'
        )
    label = "product-background match; upward: gain in true CTR"
    parts.append(
        f'<text x="{WIDTH}" y="{HEIGHT + 31}" text-anchor="end" fill="#555">{label}</text>'
    )
    for table, size in ((seeds, 2.2), (means, 6.0)):
        for arm, match, gain in table.select("arm", MATCHING, GAIN).iter_rows():
            parts.append(_mark(*at(match, gain), look[arm], size))
    return "".join(parts)


def _start(begun: float | None, across: list[float], upward: list[float]) -> str:
    """Where all arms begin: an open circle."""
    if begun is None:
        return ""
    x = WIDTH * (begun - across[0]) / (across[-1] - across[0])
    y = HEIGHT * upward[-1] / (upward[-1] - upward[0])
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="white" stroke="#000"/>'
    return f'{circle}<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">start</text>'


def _rows(up: list[float], height: float) -> list[str]:
    parts = []
    for value in up:
        y = height * (up[-1] - value) / (up[-1] - up[0])
        parts.append(f'<path d="M0 {y:.1f} H{WIDTH}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{100 * value:.3g} %</text>')
    return parts


def _mark(x: float, y: float, style: Style, r: float) -> str:
    fill = f'fill="{style.colour}"'
    if style.shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" {fill}/>'
    if style.shape == "square":
        side = 1.8 * r
        return (
            f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" '
            f'width="{side:.1f}" height="{side:.1f}" {fill}/>'
        )
    high, wide = (1.2, 1.15) if style.shape == "triangle" else (1.35, 1.35)
    bottom = f"{x + wide * r:.1f},{y + r:.1f} {x - wide * r:.1f},{y + r:.1f}"
    if style.shape == "diamond":
        bottom = f"{x + wide * r:.1f},{y:.1f} {x:.1f},{y + high * r:.1f} {x - wide * r:.1f},{y:.1f}"
    return f'<polygon points="{x:.1f},{y - high * r:.1f} {bottom}" {fill}/>'


def _page(parts: list[str], look: Mapping[str, Style], wide: int, low: int, title: str) -> str:
    legend, x, y = [], float(LEFT), float(low)
    for arm, style in look.items():
        width = 34 + 6.6 * len(arm)
        if x + width > wide:
            x, y = float(LEFT), y + 22
        legend.append(_mark(x, y - 4, style, 5))
        legend.append(f'<text x="{x + 11:.0f}" y="{y:.0f}">{_e(arm)}</text>')
        x += width
    height = y + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height:.0f}" '
            f'width="{wide}" height="{height:.0f}" font-family="sans-serif" font-size="11" '
            'role="img">',
            f"<title>{_e(title)}</title>",
            f'<rect width="{wide}" height="{height:.0f}" fill="white"/>',
            f'<text x="{LEFT}" y="24" font-size="15">{_e(title)}</text>',
            *parts,
            *legend,
            "</svg>",
            "",
        ]
    )


def _e(text: str) -> str:
    return escape(text)
