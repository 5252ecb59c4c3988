"""The figure of a gate: every check's interval beside its bound, as SVG text.

Checks have different units, so each has an axis of its own: the bound is the line in the middle,
and the side that keeps it is always the right one. Shape tells statuses apart, so that the figure
survives a printer and a colour-blind reader. Names are escaped.
"""

from collections.abc import Sequence
from html import escape

from caig.contracts.records import GateCheck
from evaluation.gate.words import STATUS_WORDS, name_of

LABEL, PLOT, ROW, HEAD = 250, 360, 26, 30
MAX_LABEL = 36
MAX_ROWS = 30
REACH = 0.92
"""Share of half an axis that the farther limit reaches to."""


def checks_plot(checks: Sequence[GateCheck]) -> str:
    """Intervals of the checks that have one, bounds under each other.

    Args:
        checks: In the order to draw.

    Returns:
        An ``<svg>`` element with a text alternative; empty if no check has an interval.
    """
    shown = [check for check in checks if check.ci_lower is not None][:MAX_ROWS]
    if not shown:
        return ""
    width, bottom = LABEL + PLOT + 110, HEAD + ROW * len(shown)
    middle = LABEL + PLOT / 2
    parts = [
        f'<path class="bound" d="M{middle:.1f} {HEAD - 6} V{bottom}"/>',
        f'<text class="muted" x="{middle - 8:.1f}" y="16" text-anchor="end">bound missed</text>',
        f'<text class="muted" x="{middle + 8:.1f}" y="16">bound kept</text>',
    ]
    for index, check in enumerate(shown):
        y = HEAD + ROW * (index + 0.5)
        left, at, right = (middle + PLOT / 2 * place for place in _places(check))
        label = name_of(check)
        label = label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 3] + "..."
        parts.append(
            f'<text x="0" y="{y + 4:.1f}">{escape(label)}</text>'
            f'<path class="limits {check.status}" d="M{left:.1f} {y:.1f} H{right:.1f}"/>'
            f"{_mark(check.status, at, y)}"
            f'<text class="muted" x="{LABEL + PLOT + 12}" y="{y + 4:.1f}">'
            f"{STATUS_WORDS[check.status]}</text>"
        )
    told = "; ".join(f"{name_of(c)} {STATUS_WORDS[c.status]}" for c in shown)
    return (
        f'<svg viewBox="0 0 {width} {bottom + 8}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(told)}</title>{''.join(parts)}</svg>"
    )


def _places(check: GateCheck) -> tuple[float, float, float]:
    """Lower limit, estimate and upper limit, -1 to 1 about the bound, the good side positive."""
    assert check.observed is not None
    assert check.ci_lower is not None
    assert check.ci_upper is not None
    assert check.threshold is not None
    sign = -1 if check.keeps == "below" else 1
    distances = [
        sign * (value - check.threshold)
        for value in (check.ci_lower, check.observed, check.ci_upper)
    ]
    scale = max(abs(value) for value in distances) or 1.0
    left, at, right = sorted(REACH * value / scale for value in distances)
    return left, at, right


def _mark(status: str, x: float, y: float) -> str:
    if status == "pass":
        return f'<circle class="mark pass" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if status == "fail":
        return f'<path class="mark fail" d="M{x - 5:.1f} {y - 5:.1f} l10 10 m0 -10 l-10 10"/>'
    return f'<path class="mark {status}" d="M{x:.1f} {y - 6:.1f} l6 6 l-6 6 l-6 -6 z"/>'
