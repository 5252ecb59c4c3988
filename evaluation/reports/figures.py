"""Figures of the report as SVG text: they stand in one HTML file and load nothing.

Shape tells models from rulers, so that a figure survives a printer and a colour-blind reader. Names
of scorers are escaped.
"""

from collections.abc import Callable, Sequence
from html import escape

from caig import text
from evaluation.reports.words import Row

Scale = Callable[[float], float]

LABEL_WIDTH, PLOT_WIDTH, VALUE_WIDTH, ROW_HEIGHT, HEAD = 210, 390, 190, 22, 34
MAX_LABEL = 26
STEP = 0.1


def accuracy_plot(scorers: Sequence[Row], oracle: Row | None) -> str:
    """Accuracy with interval of every scorer, chance and the ceiling as lines.

    Args:
        scorers: Overall rows of ``suite_results/1`` with ``kind``, in the order to draw.
        oracle: The oracle's overall row, or None.

    Returns:
        An ``<svg>`` element with a text alternative.
    """
    known = [row for row in scorers if row["estimate"] is not None]
    best = None if oracle is None else oracle["estimate"]
    lowest = min([0.45, *(row["ci_lower"] or row["estimate"] for row in known)])
    low = STEP * int(lowest / STEP)
    width = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH
    bottom = HEAD + ROW_HEIGHT * len(scorers)

    def x(value: float) -> float:
        return LABEL_WIDTH + PLOT_WIDTH * (value - low) / (1 - low)

    ticks = [low + STEP * i for i in range(round((1 - low) / STEP) + 1)]
    parts = [
        f'<line class="grid" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{HEAD - 6}" y2="{bottom}"/>'
        f'<text x="{x(v):.1f}" y="{bottom + 16}" text-anchor="middle">{text.percent(v, 0)}</text>'
        for v in ticks
    ]
    parts.append(_upright(x(0.5), bottom, "chance"))
    if best is not None:
        if oracle is not None and oracle["ci_lower"] is not None:
            left, right = x(oracle["ci_lower"]), x(oracle["ci_upper"])
            parts.append(
                f'<rect class="band" x="{left:.1f}" y="{HEAD - 6}" '
                f'width="{max(right - left, 1):.1f}" height="{bottom - HEAD + 6}"/>'
            )
        parts.append(_upright(x(best), bottom, f"ceiling {text.percent(best)}"))
    for index, row in enumerate(scorers):
        y = HEAD + ROW_HEIGHT * (index + 0.5)
        if index and row["kind"] != scorers[index - 1]["kind"]:
            edge = y - ROW_HEIGHT / 2
            parts.append(f'<path class="rule" d="M0 {edge} H{width}"/>')
        parts.append(
            f'<text x="{LABEL_WIDTH - 12}" y="{y + 4}" text-anchor="end">'
            f"{escape(_short(row['subject']))}</text>"
        )
        parts.append(_point(row, x, y))
        figures = f"{text.percent(row['estimate'])} {_limits(row)}"
        parts.append(f'<text x="{width}" y="{y + 4}" text-anchor="end">{figures}</text>')
    title = "Accuracy of " + text.plural(len(scorers), "scorer") + " with intervals"
    if best is not None:
        title += f"; ceiling {text.percent(best)}"
    return _svg(width, bottom + 26, title, parts)


def buckets_plot(oracle: Sequence[Row], best: Sequence[Row], heading: str, *, name: str) -> str:
    """Accuracy of one scorer beside the ceiling, slice by slice.

    Args:
        oracle: The oracle's rows of the slices.
        best: The scorer's rows of the same slices.
        heading: What the slices are.
        name: The scorer.

    Returns:
        An ``<svg>`` element, or an empty text with fewer than two slices.
    """
    if len(oracle) < 2:
        return ""
    width, height, left, right, top, bottom = 390, 236, 46, 380, 26, 196
    step = (right - left) / len(oracle)
    low = min(0.4, *(row["ci_lower"] or 0.5 for row in best))
    low = STEP * int(low / STEP)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (1 - low)

    parts = []
    for i in range(round((1 - low) / STEP) + 1):
        value = low + STEP * i
        kind = "zero" if abs(value - 0.5) < 1e-9 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{left}" x2="{right}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}"/>'
        )
        if i % 2 == round(10 * low) % 2:
            parts.append(
                f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
                f"{text.percent(value, 0)}</text>"
            )
    for index, (ceiling, row) in enumerate(zip(oracle, best, strict=True)):
        begin, middle = left + step * index, left + step * (index + 0.5)
        if ceiling["estimate"] is not None:
            at = y(ceiling["estimate"])
            parts.append(
                f'<line class="best" x1="{begin + 4:.1f}" x2="{begin + step - 4:.1f}" '
                f'y1="{at:.1f}" y2="{at:.1f}"/>'
            )
        if row["estimate"] is not None:
            parts.append(_upright_point(row, middle, y, low))
        parts.append(
            f'<text x="{middle:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{bucket_name(row['slice']).removesuffix(' %')}</text>"
            f'<text class="muted" x="{middle:.1f}" y="{bottom + 32}" text-anchor="middle">'
            f"{text.count(row['n'])}</text>"
        )
    parts.append(f'<text class="muted" x="{left}" y="{top - 12}">{escape(heading)}</text>')
    parts.append(
        f'<text class="muted" x="{left - 6}" y="{bottom + 32}" text-anchor="end">pairs</text>'
    )
    return _svg(width, height, f"{heading}: accuracy of {name} beside the ceiling", parts)


def reliability_plot(bins: Sequence[Row], *, name: str) -> str:
    """Observed share by stated probability, with the diagonal of a calibrated scorer.

    Args:
        bins: Rows of ``reliability/1`` of one scorer and binning.
        name: The scorer.

    Returns:
        An ``<svg>`` element, or an empty text without a filled bin.
    """
    filled = [row for row in bins if row["n"]]
    if not filled:
        return ""
    width, height, left, right, top, bottom = 390, 300, 46, 336, 26, 246
    most = max(row["n"] for row in filled)

    def x(value: float) -> float:
        return left + (right - left) * value

    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{right}" y1="{y(value)}" y2="{y(value)}"/>'
            f'<text x="{left - 6}" y="{y(value) + 4}" text-anchor="end">'
            f"{text.percent(value, 0)}</text>"
            f'<text x="{x(value)}" y="{bottom + 16}" text-anchor="middle">'
            f"{text.percent(value, 0)}</text>"
        )
    parts.append(f'<line class="zero" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>')
    for row in filled:
        begin, end = x(row["p_from"]), x(row["p_to"])
        tall = 36 * row["n"] / most
        parts.append(
            f'<rect class="mass" x="{begin + 1:.1f}" y="{bottom - tall:.1f}" '
            f'width="{max(end - begin - 2, 1):.1f}" height="{tall:.1f}"/>'
        )
    for row in filled:
        parts.append(
            _upright_point(
                row
                | {
                    "estimate": row["observed"],
                    "ci_lower": row["observed_ci_lower"],
                    "ci_upper": row["observed_ci_upper"],
                },
                x(row["p_mean"]),
                y,
                0.0,
            )
        )
    parts.append(f'<text class="muted" x="{left}" y="{top - 12}">left ad had the higher CTR</text>')
    parts.append(
        f'<text class="muted" x="{(left + right) / 2}" y="{bottom + 34}" text-anchor="middle">'
        "stated probability; bars: pairs in the bin</text>"
    )
    return _svg(width, height, f"Reliability of {name}", parts)


def bucket_name(part: str) -> str:
    """A slice for people: ``50-60 %``, ``above 100 %``."""
    lower, _, upper = part.rpartition("=")[2].partition("-")
    if upper == "inf":
        return f"> {100 * float(lower):g} %"
    return f"{100 * float(lower):g}\N{EN DASH}{100 * float(upper):g} %"


def _limits(row: Row) -> str:
    if row["ci_lower"] is None:
        return ""
    return f"[{100 * row['ci_lower']:.1f}, {100 * row['ci_upper']:.1f}]"


def _point(row: Row, x: Scale, y: float) -> str:
    if row["estimate"] is None:
        return ""
    at = f"{x(row['estimate']):.1f}"
    kind = row["kind"]
    line = ""
    if row["ci_lower"] is not None:
        line = f'<path class="{kind}-line" d="M{x(row["ci_lower"]):.1f} {y} '
        line += f'H{x(row["ci_upper"]):.1f}"/>'
    if kind == "model":
        return f'{line}<circle class="model" cx="{at}" cy="{y}" r="5"/>'
    corner = f'x="{x(row["estimate"]) - 4:.1f}" y="{y - 4}"'
    return f'{line}<rect class="ruler" {corner} width="8" height="8"/>'


def _upright_point(row: Row, x: float, y: Scale, low: float) -> str:
    line = ""
    if row["ci_lower"] is not None:
        line = (
            f'<path class="model-line" d="M{x:.1f} {y(max(row["ci_lower"], low)):.1f} '
            f'V{y(row["ci_upper"]):.1f}"/>'
        )
    return f'{line}<circle class="model" cx="{x:.1f}" cy="{y(row["estimate"]):.1f}" r="4.5"/>'


def _upright(x: float, bottom: float, label: str) -> str:
    return (
        f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD - 6}" y2="{bottom}"/>'
        f'<text class="muted" x="{x:.1f}" y="{HEAD - 12}" text-anchor="middle">{label}</text>'
    )


def _short(name: str) -> str:
    """A name that fits; of a run's, its kind and its end tell it from others."""
    if len(name) <= MAX_LABEL:
        return name
    start = MAX_LABEL // 3
    return name[:start] + "\N{HORIZONTAL ELLIPSIS}" + name[start + 1 - MAX_LABEL :]


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
