"""Charts of the pages, as Altair specifications.

Colour and shape both carry a verdict (Okabe-Ito palette), neutral lines are a grey that shows on
light and dark paper, and an axis depends on all rows of a contrast, so that filtering never
rescales it. Names from the log are data of a chart, never part of its specification.
"""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from caig import text
from caig.axis import next_round, symmetric_reach
from caig.contracts.experiments import ALL_CATEGORIES
from dashboards.phrases import figures_of, overall_label

LayeredChart = alt.LayerChart | alt.FacetChart
"""What Altair declares layering to give."""

BLUE, VERMILION, GREY, NEUTRAL = "#0072B2", "#D55E00", "#767676", "#8a8a8a"
CLEAR = "transparent"

VERDICT_LOOK = {  # verdict: (words, colour, fill, shape)
    "win": ("win", BLUE, BLUE, "triangle-up"),
    "flat": ("no significant difference", GREY, GREY, "circle"),
    "loss": ("loss", VERMILION, VERMILION, "triangle-down"),
    "insufficient": ("not enough data", GREY, CLEAR, "circle"),
    "withheld": ("withheld", GREY, CLEAR, "circle"),
}
HEALTH_LOOK = {  # status: (words, colour)
    "healthy": ("healthy", BLUE),
    "unhealthy": ("unhealthy", VERMILION),
    "not_enough_traffic": ("not enough traffic", NEUTRAL),
    "not_applicable": ("not applicable", NEUTRAL),
}
ARM_SHAPES = ("circle", "square", "diamond", "cross", "triangle-right", "triangle-left")

ROW_HEIGHT = 20
LABEL_WIDTH = 210
FIT_WIDTH = alt.AutoSizeParams(type="fit-x", contains="padding")
"""A chart by category is as wide as the page but as high as its rows need, axes not counted."""

PERCENT_LABEL = "replace(format(100 * datum.value, '+.3~g'), '\u2212', '-') + ' %'"
ZERO_OR_PERCENT = f"datum.value == 0 ? '0' : {PERCENT_LABEL}"


def axis_reach(rows: pl.DataFrame) -> float:
    """Half-width of a symmetric axis: every estimate and nine intervals of ten fit.

    Args:
        rows: All rows of a contrast, with ``rel_lift`` and its limits (fractions).
    """
    limits = rows.select("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper")
    return symmetric_reach(limits.iter_rows())


def forest(rows: pl.DataFrame, *, reach: float, confidence: str) -> LayeredChart:
    """Lift with interval by category in the order given, the overall row last.

    An interval that reaches beyond the axis ends in an arrow.

    Args:
        rows: Rows of ``lift_table/1`` to show, with at most one overall row.
        reach: Half-width of the axis (fraction); from all rows, not from those shown.
        confidence: Level of the intervals, e.g. ``95 %``.
    """
    frame = _forest_frame(rows, reach)
    order = frame["label"].to_list()
    y = alt.Y(
        "label:N",
        sort=order,
        title=None,
        axis=_row_axis(len(order)),
    )
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = _percent_axis(
        reach,
        orient="top",
        title=f"◀ favours control  |  relative lift, {confidence} interval  |  favours treatment ▶",
    )
    tooltip = [
        alt.Tooltip("label:N", title="category"),
        alt.Tooltip("words:N", title="verdict"),
        alt.Tooltip("figures:N", title="lift"),
        alt.Tooltip("p_corrected:N", title="p corrected"),
        alt.Tooltip("detectable:N", title="detectable"),
        alt.Tooltip("impressions:N", title="impressions"),
    ]
    used = [look for verdict, look in VERDICT_LOOK.items() if verdict in set(frame["verdict"])]
    words = [look[0] for look in used]
    colour = alt.Scale(domain=words, range=[look[1] for look in used])
    legend = alt.Legend(title=None, orient="bottom", symbolSize=90, labelLimit=260)
    base = alt.Chart(frame)
    zero = _zero_rule(x=alt.X("zero:Q", scale=scale, axis=axis))
    intervals = (
        base.transform_filter("isValid(datum.shown_lower)")
        .mark_rule(strokeWidth=2)
        .encode(
            x=alt.X("shown_lower:Q", scale=scale, axis=axis),
            x2="shown_upper:Q",
            y=y,
            stroke=alt.Stroke("words:N", scale=colour, legend=legend),
            tooltip=tooltip,
        )
    )
    arrows = [
        base.transform_filter(f"datum.beyond_{side}")
        .mark_point(shape=f"triangle-{side}", size=24, strokeWidth=3, opacity=1)
        .encode(
            x=alt.X(f"shown_{limit}:Q", scale=scale, axis=axis),
            y=y,
            stroke=alt.Stroke("words:N", scale=colour, legend=legend),
        )
        for side, limit in (("left", "lower"), ("right", "upper"))
    ]
    points = (
        base.transform_filter("isValid(datum.rel_lift)")
        .mark_point(size=75, opacity=1, strokeWidth=1.6)
        .encode(
            x=alt.X("rel_lift:Q", scale=scale, axis=axis),
            y=y,
            stroke=alt.Stroke("words:N", scale=colour, legend=legend),
            fill=alt.Fill(
                "words:N",
                scale=alt.Scale(domain=words, range=[look[2] for look in used]),
                legend=legend,
            ),
            shape=alt.Shape(
                "words:N",
                scale=alt.Scale(domain=words, range=[look[3] for look in used]),
                legend=legend,
            ),
            tooltip=tooltip,
        )
    )
    # The figures are labels of a second axis, so that the theme colours them as it does names.
    figures = base.mark_point(opacity=0, size=0).encode(
        y=alt.Y(
            "label:N",
            sort=order,
            title=None,
            axis=_row_axis(
                len(order),
                orient="right",
                labelExpr=_labels_by_position(frame["figures"].to_list()),
            ),
        )
    )
    # Sets the overall row apart, where there is anything to set it apart from.
    line = (
        alt.Chart(pl.DataFrame({"line": [0]}))
        .mark_rule(color=NEUTRAL, opacity=0.6)
        .encode(y=alt.value(ROW_HEIGHT * (frame.height - 1)))
    )
    names_and_marks = alt.layer(zero, line, intervals, *arrows, points)
    chart: LayeredChart = (
        alt.layer(names_and_marks, figures)
        .resolve_axis(y="independent")
        .properties(height=ROW_HEIGHT * frame.height, autosize=FIT_WIDTH)
    )
    return chart


def cumulated(daily: pl.DataFrame) -> LayeredChart:
    """Lift cumulated by day: band, fixed-horizon interval; dashed, the one valid at every look.

    Args:
        daily: Rows of ``lift_daily/1`` of one cell.
    """
    known = daily.filter(pl.col("rel_lift_ci_lower").is_not_null()).sort("day")
    final = known.tail(max(1, known.height // 2))
    reach = axis_reach(final)
    frame = known.select(
        "day",
        "rel_lift",
        pl.col("rel_lift_ci_lower").clip(-reach, reach),
        pl.col("rel_lift_ci_upper").fill_null(reach).clip(-reach, reach),
        "rel_lift_anytime_lower",
        "rel_lift_anytime_upper",
        figures=pl.Series(
            [figures_of(row) for row in known.iter_rows(named=True)], dtype=pl.String
        ),
    )
    base = alt.Chart(frame).encode(
        x=alt.X(
            "day:T",
            title=None,
            scale=alt.Scale(padding=10),
            axis=alt.Axis(format="%-d %b", grid=False, tickCount=_every_few_days(known.height)),
        ),
        tooltip=[
            alt.Tooltip("day:T", title="up to", format="%Y-%m-%d"),
            alt.Tooltip("figures:N", title="lift"),
        ],
    )
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = _percent_axis(reach)
    zero = _zero_rule(y=alt.Y("zero:Q", scale=scale, axis=axis, title=None))
    band = base.mark_area(color=BLUE, opacity=0.22).encode(
        y=alt.Y("rel_lift_ci_lower:Q", scale=scale, axis=axis, title=None), y2="rel_lift_ci_upper:Q"
    )
    line = base.mark_line(
        color=BLUE, strokeWidth=2, clip=True, point=alt.OverlayMarkDef(color=BLUE, size=30)
    ).encode(y=alt.Y("rel_lift:Q", scale=scale, axis=axis, title=None))
    always_valid = [
        base.mark_line(color=BLUE, strokeWidth=1, strokeDash=[4, 4], clip=True).encode(
            y=alt.Y(f"rel_lift_anytime_{limit}:Q", scale=scale, axis=axis, title=None)
        )
        for limit in ("lower", "upper")
    ]
    return alt.layer(zero, band, *always_valid, line).properties(height=230)


def _every_few_days(n_days: int) -> alt.TimeIntervalStep:
    """At most eight ticks, each on a day; a finer tick would repeat its day's name."""
    return alt.TimeIntervalStep(interval="day", step=math.ceil(n_days / 8))


def sample_ratio(ratios: pl.DataFrame) -> LayeredChart:
    """How far each arm's traffic is off the declared split, by category; the overall row last.

    Args:
        ratios: Rows of ``sample_ratio/1`` of one experiment.
    """
    frame = _ratio_frame(ratios)
    order = frame["label"].unique(maintain_order=True).to_list()
    arms = frame["arm"].unique(maintain_order=True).to_list()
    farthest = frame.select(pl.col("shown").abs().max()).item()
    reach = next_round(max(farthest or 0.0, 0.01))
    used = [look for status, look in HEALTH_LOOK.items() if status in set(frame["status"])]
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = _percent_axis(reach, orient="top", title="observed over expected, minus 1")
    y = alt.Y("label:N", sort=order, title=None, axis=_row_axis(len(order)))
    zero = _zero_rule(x=alt.X("zero:Q", scale=scale, axis=axis))
    points = (
        alt.Chart(frame)
        .mark_point(size=60, filled=True, opacity=1)
        .encode(
            x=alt.X("shown:Q", scale=scale, axis=axis),
            y=y,
            color=alt.Color(
                "words:N",
                scale=alt.Scale(domain=[w for w, _ in used], range=[colour for _, colour in used]),
                legend=alt.Legend(title=None, orient="bottom", labelLimit=200, symbolSize=90),
            ),
            shape=alt.Shape(
                "arm:N",
                scale=alt.Scale(
                    domain=arms, range=[ARM_SHAPES[i % len(ARM_SHAPES)] for i in range(len(arms))]
                ),
                legend=alt.Legend(
                    title=None,
                    orient="bottom",
                    labelLimit=200,
                    symbolSize=90,
                    symbolFillColor=NEUTRAL,
                    symbolStrokeColor=NEUTRAL,
                ),
            ),
            tooltip=[
                alt.Tooltip("label:N", title="category"),
                alt.Tooltip("arm:N", title="arm"),
                alt.Tooltip("observed_text:N", title="observed"),
                alt.Tooltip("expected_text:N", title="expected"),
                alt.Tooltip("p_text:N", title="p corrected"),
                alt.Tooltip("words:N", title="state"),
            ],
        )
    )
    return alt.layer(zero, points).properties(height=ROW_HEIGHT * len(order), autosize=FIT_WIDTH)


def _forest_frame(rows: pl.DataFrame, reach: float) -> pl.DataFrame:
    is_overall = pl.col("category") == ALL_CATEGORIES
    ordered = rows.sort(is_overall, maintain_order=True)
    named = list(ordered.iter_rows(named=True))
    upper = pl.col("rel_lift_ci_upper").fill_null(math.inf)
    has_interval = pl.col("rel_lift_ci_lower").is_not_null()
    return ordered.select(
        "verdict",
        "rel_lift",
        label=_labels(ordered),
        words=pl.col("verdict").replace_strict({v: look[0] for v, look in VERDICT_LOOK.items()}),
        shown_lower=pl.col("rel_lift_ci_lower").clip(-reach, reach),
        shown_upper=pl.when(has_interval).then(upper.clip(-reach, reach)),
        beyond_left=has_interval & (pl.col("rel_lift_ci_lower") < -reach),
        beyond_right=has_interval & (upper > reach),
        figures=pl.Series([figures_of(row) for row in named], dtype=pl.String),
        p_corrected=pl.Series([text.p_value(row["p_value_adj"]) for row in named], dtype=pl.String),
        detectable=pl.Series([text.lift(row["rel_lift_mde"]) for row in named], dtype=pl.String),
        impressions=pl.Series(
            [
                text.count(row["impressions_control"] + row["impressions_treatment"])
                for row in named
            ],
            dtype=pl.String,
        ),
    )


def _ratio_frame(ratios: pl.DataFrame) -> pl.DataFrame:
    ordered = ratios.filter(pl.col("expected") > 0).sort(
        pl.col("category") == ALL_CATEGORIES, maintain_order=True
    )
    words = {status: look[0] for status, look in HEALTH_LOOK.items()}
    return ordered.select(
        "arm",
        "status",
        label=_labels(ordered),
        # A change of scale for drawing, so that 1 % shows in small and large categories alike.
        shown=pl.col("observed") / pl.col("expected") - 1,
        words=pl.col("status").replace_strict(words),
        observed_text=pl.col("observed").map_elements(text.count, return_dtype=pl.String),
        expected_text=pl.col("expected").map_elements(text.count, return_dtype=pl.String),
        p_text=pl.Series([text.p_value(p) for p in ordered["p_value_adj"]], dtype=pl.String),
    )


def _labels(rows: pl.DataFrame) -> pl.Expr:
    is_overall = pl.col("category") == ALL_CATEGORIES
    overall = overall_label(rows["category"].to_list())
    return pl.when(is_overall).then(pl.lit(overall)).otherwise("category")


def _zero_rule(**place: Any) -> alt.Chart:
    """A line at zero, to be drawn first: marks must stay within the pointer's reach."""
    frame = pl.DataFrame({"zero": [0.0]})
    rule: alt.Chart = alt.Chart(frame).mark_rule(color=NEUTRAL, strokeWidth=1.2)
    return rule.encode(**place)


def _percent_axis(reach: float, **options: Any) -> alt.Axis:
    """Axis of fractions from ``-reach`` to ``reach``, written in percent."""
    return alt.Axis(
        values=[-reach, -reach / 2, 0, reach / 2, reach],
        labelExpr=ZERO_OR_PERCENT,
        gridColor=NEUTRAL,
        gridOpacity=0.25,
        domain=False,
        ticks=False,
        **options,
    )


def _row_axis(n_rows: int, **options: Any) -> alt.Axis:
    """Axis of a chart by category: every label is drawn, the last one (the overall row) bold."""
    is_last = f"round(datum.index * {max(1, n_rows - 1)}) == {n_rows - 1}"
    return alt.Axis(
        labelFontWeight={"condition": {"test": is_last, "value": 700}, "value": 400},
        labelFontSize=12,
        labelLimit=LABEL_WIDTH,
        labelOverlap=False,
        labelFlush=False,
        labelPadding=8,
        ticks=False,
        domain=False,
        grid=False,
        **options,
    )


def _labels_by_position(labels: Sequence[str]) -> str:
    """A Vega expression for the label at each position of a discrete axis."""
    assert all("'" not in label and "\\" not in label for label in labels), "figures only"
    listed = ", ".join(f"'{label}'" for label in labels)
    return f"[{listed}][round(datum.index * {max(1, len(labels) - 1)})]"
