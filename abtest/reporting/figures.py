"""Figures of the report as SVG text: they stand in one HTML file and load nothing.

Colour and shape both carry the verdict (Okabe-Ito palette), so that a figure survives a printer and
a colour-blind reader. Texts from the log are escaped.
"""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil

from abtest.reporting.summary import Row
from caig import text
from caig.axis import next_round, symmetric_reach

Scale = Callable[[float], float]
LABEL_WIDTH, PLOT_WIDTH, VALUE_WIDTH, ROW_HEIGHT, HEAD = 170, 430, 190, 20, 26
MAX_LABEL = 24
COLOURS = {
    "win": "#0072B2",
    "loss": "#D55E00",
    "flat": "#767676",
    "insufficient": "#767676",
    "withheld": "#767676",
}


def forest_plot(categories: Sequence[Row], overall: Row) -> str:
    """Lift with interval by category, the overall row last, on one symmetric axis.

    Intervals beyond the axis end in an arrow; the axis covers nine intervals of ten.

    Args:
        categories: Rows of ``lift_table/1``.
        overall: The overall row.

    Returns:
        An ``<svg>`` element with a text alternative.
    """
    rows = [*categories, overall]
    limits = ("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper")
    reach = symmetric_reach([row[name] for name in limits] for row in rows)
    height = HEAD + ROW_HEIGHT * len(rows) + 34
    width = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH

    def x(value: float) -> float:
        return LABEL_WIDTH + PLOT_WIDTH * (value + reach) / (2 * reach)

    bottom = HEAD + ROW_HEIGHT * len(rows)
    parts = [_axis(reach, x, bottom)]
    for index, row in enumerate(rows):
        y = HEAD + ROW_HEIGHT * (index + 0.5)
        is_overall = index == len(rows) - 1
        if is_overall:
            parts.append(f'<path class="rule" d="M0 {y - ROW_HEIGHT / 2} H{width}"/>')
        parts.append(_forest_row(row, y, x, reach, is_overall=is_overall))
    wins = sum(row["verdict"] == "win" for row in categories)
    losses = sum(row["verdict"] == "loss" for row in categories)
    title = (
        f"Relative lift by category with intervals: {wins} of {len(categories)} categories win, "
        f"{losses} lose; overall {text.lift(overall['rel_lift'])}"
    )
    return _svg(width, height, title, parts)


def daily_plot(daily: Sequence[Row]) -> str:
    """Cumulated overall lift by day with its fixed-horizon and its always-valid interval.

    Args:
        daily: Rows of ``lift_daily/1`` of one cell, by day.

    Returns:
        An ``<svg>`` element, or an empty text with fewer than two days.
    """
    known = [row for row in daily if row["rel_lift_ci_lower"] is not None]
    if len(known) < 2:
        return ""
    width, height, left, right, top, bottom = 790, 220, 60, 755, 12, 190
    final = known[-1]
    # The first days are wide and would flatten the rest: the axis fits the later half.
    limits = (
        "rel_lift_ci_lower",
        "rel_lift_ci_upper",
        "rel_lift_anytime_lower",
        "rel_lift_anytime_upper",
    )
    ends = [
        abs(row[limit])
        for row in known[len(known) // 2 :]
        for limit in limits
        if row[limit] is not None
    ]
    reach = next_round(max(ends))

    def x(index: int) -> float:
        return left + (right - left) * index / (len(known) - 1)

    def y(value: float) -> float:
        return top + (bottom - top) * (reach - max(-reach, min(reach, value))) / (2 * reach)

    upper = [f"{x(i):.1f},{y(row['rel_lift_ci_upper']):.1f}" for i, row in enumerate(known)]
    lower = [f"{x(i):.1f},{y(row['rel_lift_ci_lower']):.1f}" for i, row in enumerate(known)]
    line = [f"{x(i):.1f},{y(row['rel_lift']):.1f}" for i, row in enumerate(known)]
    parts = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{left - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{_tick(v)}</text>'
        for v in (-reach, -reach / 2, 0.0, reach / 2, reach)
    ]
    parts.append(f'<line class="zero" x1="{left}" x2="{right}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>')
    parts.append(f'<polygon class="band" points="{" ".join(upper + lower[::-1])}"/>')
    for limit in ("rel_lift_anytime_lower", "rel_lift_anytime_upper"):
        ends = [
            f"{x(i):.1f},{y(row[limit]):.1f}"
            for i, row in enumerate(known)
            if row[limit] is not None
        ]
        parts.append(f'<polyline class="anytime" points="{" ".join(ends)}"/>')
    parts.append(f'<polyline class="line" points="{" ".join(line)}"/>')
    every = ceil(len(known) / 10)
    parts += [
        f'<text x="{x(i):.1f}" y="{bottom + 18}" text-anchor="middle">{row["day"]:%d %b}</text>'
        for i, row in enumerate(known)
        if i % every == 0
    ]
    title = (
        f"Cumulated overall lift over {len(known)} days, ending at {text.lift(final['rel_lift'])} "
        f"{text.interval(final['rel_lift_ci_lower'], final['rel_lift_ci_upper'])}"
    )
    return _svg(width, height, title, parts)


def _forest_row(row: Row, y: float, x: Scale, reach: float, *, is_overall: bool) -> str:
    name = "Overall" if is_overall else row["category"]
    shown = name if len(name) <= MAX_LABEL else name[: MAX_LABEL - 1] + "…"
    weight = ' class="overall"' if is_overall else ""
    label = (
        f'<text x="{LABEL_WIDTH - 10}" y="{y + 4}" text-anchor="end"{weight}>{escape(shown)}</text>'
    )
    value_x = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH
    if row["rel_lift_ci_lower"] is None:
        why = escape(text.STATUS_WORDS[row["status"]].partition(",")[0] or text.UNKNOWN)
        return (
            f'{label}<text class="muted" x="{value_x}" y="{y + 4}" text-anchor="end">{why}</text>'
        )
    colour = COLOURS[row["verdict"]]
    low, high = row["rel_lift_ci_lower"], row["rel_lift_ci_upper"]
    ends = x(max(low, -reach)), x(reach if high is None else min(high, reach))
    path = f"M{ends[0]:.1f} {y} H{ends[1]:.1f}"
    marks = f'<path d="{path}" stroke="{colour}" stroke-width="2"/>'
    if low < -reach:
        marks += _triangle(ends[0] + 3, y, "left", colour)
    if high is None or high > reach:
        marks += _triangle(ends[1] - 3, y, "right", colour)
    if row["rel_lift"] is not None and abs(row["rel_lift"]) <= reach:
        marks += _marker(x(row["rel_lift"]), y, row["verdict"], colour)
    figures = f"{text.lift(row['rel_lift'])} {text.interval(low, high)}"
    return (
        f'{label}{marks}<text x="{value_x}" y="{y + 4}" text-anchor="end"{weight}>{figures}</text>'
    )


def _marker(x: float, y: float, verdict: str, colour: str) -> str:
    if verdict == "win":
        return _triangle(x, y, "up", colour, 6)
    if verdict == "loss":
        return _triangle(x, y, "down", colour, 6)
    fill = colour if verdict == "flat" else "var(--paper)"
    outline = f'fill="{fill}" stroke="{colour}" stroke-width="1.5"'
    return f'<circle cx="{x:.1f}" cy="{y}" r="4.5" {outline}/>'


def _triangle(x: float, y: float, to: str, colour: str, r: float = 4) -> str:
    points = {
        "up": [(0, -r), (r, r * 0.8), (-r, r * 0.8)],
        "down": [(0, r), (r, -r * 0.8), (-r, -r * 0.8)],
        "left": [(-r, 0), (r * 0.8, r), (r * 0.8, -r)],
        "right": [(r, 0), (-r * 0.8, r), (-r * 0.8, -r)],
    }[to]
    text_points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in points)
    return f'<polygon points="{text_points}" fill="{colour}"/>'


def _axis(reach: float, x: Scale, bottom: float) -> str:
    lines = [
        f'<line class="{"zero" if value == 0 else "grid"}" x1="{x(value):.1f}" x2="{x(value):.1f}" '
        f'y1="{HEAD - 6}" y2="{bottom}"/>'
        f'<text x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{_tick(value)}</text>'
        for value in (-reach, -reach / 2, 0.0, reach / 2, reach)
    ]
    return "".join(lines) + (
        f'<text class="muted" x="{LABEL_WIDTH}" y="{HEAD - 12}">favours control</text>'
        f'<text class="muted" x="{LABEL_WIDTH + PLOT_WIDTH}" y="{HEAD - 12}" text-anchor="end">'
        "favours treatment</text>"
    )


def _tick(value: float) -> str:
    return f"{100 * value:+g} %" if value else "0"


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
