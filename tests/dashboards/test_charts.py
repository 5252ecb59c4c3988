"""Charts as specifications: order, axis, colours and shapes, and what stays out of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from caig.runs.store import Run
from dashboards import charts, phrases

Rows = Callable[..., pl.DataFrame]


def _marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All unit layers of a specification, outermost first."""
    if "layer" not in spec:
        return [spec]
    return [mark for layer in spec["layer"] for mark in _marks(layer)]


def _points(spec: dict[str, Any]) -> dict[str, Any]:
    return next(mark for mark in _marks(spec) if "shape" in mark.get("encoding", {}))


def _data(spec: dict[str, Any], column: str) -> list[Any]:
    frames = [rows for rows in spec["datasets"].values() if column in rows[0]]
    assert len(frames) == 1, "one frame a chart"
    return [row[column] for row in frames[0]]


def test_overall_row_is_last_whatever_the_order(make_rows: Rows) -> None:
    rows = make_rows().reverse()
    assert rows["category"][0] == "__all__"
    spec = charts.forest(rows, reach=0.4, confidence="95 %").to_dict()
    order = _points(spec)["encoding"]["y"]["sort"]
    assert len(order) == 45
    assert order[-1] == "Overall"
    assert order[0] == "Musical instruments"
    assert _data(spec, "label") == order


def test_axis_is_symmetric_and_the_one_given(make_rows: Rows) -> None:
    rows = make_rows()
    reach = charts.axis_reach(rows)
    assert reach == 0.3
    few = rows.filter(pl.col("category").is_in(["Lamps", "__all__"]))
    assert charts.axis_reach(few) == 0.08, "filtering alone would rescale"
    spec = charts.forest(few, reach=reach, confidence="95 %").to_dict()
    domains = [
        mark["encoding"]["x"]["scale"]["domain"]
        for mark in _marks(spec)
        if "scale" in mark.get("encoding", {}).get("x", {})
    ]
    assert domains
    assert all(domain == [-0.3, 0.3] for domain in domains)


@pytest.mark.parametrize(
    ("verdict", "colour", "fill", "shape"),
    [
        ("win", "#0072B2", "#0072B2", "triangle-up"),
        ("flat", "#767676", "#767676", "circle"),
        ("loss", "#D55E00", "#D55E00", "triangle-down"),
        ("insufficient", "#767676", "transparent", "circle"),
        ("withheld", "#767676", "transparent", "circle"),
    ],
)
def test_verdict_has_colour_and_shape(
    make_rows: Rows, verdict: str, colour: str, fill: str, shape: str
) -> None:
    rows = make_rows(withheld=verdict == "withheld")
    encoding = _points(charts.forest(rows, reach=0.4, confidence="95 %").to_dict())["encoding"]
    words = charts.VERDICT_LOOK[verdict][0]
    for channel, expected in (("stroke", colour), ("fill", fill), ("shape", shape)):
        scale = encoding[channel]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True))[words] == expected


def test_interval_beyond_the_axis_is_cut_and_marked(make_rows: Rows) -> None:
    rows = make_rows().filter(pl.col("category") == "Sneakers")
    spec = charts.forest(rows, reach=0.25, confidence="95 %").to_dict()
    assert _data(spec, "shown_upper") == [0.25]
    assert _data(spec, "beyond_right") == [True]
    assert _data(spec, "beyond_left") == [False]
    unbounded = rows.with_columns(rel_lift_ci_upper=pl.lit(None, dtype=pl.Float64))
    spec = charts.forest(unbounded, reach=0.5, confidence="95 %").to_dict()
    assert _data(spec, "shown_upper") == [0.5]
    assert _data(spec, "beyond_right") == [True]
    assert _data(spec, "figures") == ["+26.0 % [+22.4, unbounded] %"]


def test_cell_without_estimate_says_why(make_rows: Rows) -> None:
    rows = make_rows().filter(pl.col("category") == "Musical instruments")
    spec = charts.forest(rows, reach=0.4, confidence="95 %").to_dict()
    assert _data(spec, "figures") == ["too few clicking units"]
    assert _data(spec, "shown_lower") == [None]
    assert charts.axis_reach(rows) == 0.1, "no interval: an axis nevertheless"


def test_neutral_rules_show_on_any_paper(make_rows: Rows) -> None:
    spec = charts.forest(make_rows(), reach=0.4, confidence="95 %").to_dict()
    rules = [mark["mark"] for mark in _marks(spec) if mark["mark"]["type"] == "rule"]
    plain = [rule["color"] for rule in rules if "color" in rule]
    assert plain == ["#8a8a8a", "#8a8a8a"]


def test_names_are_data_and_no_part_of_an_expression(
    make_rows: Rows, hostile: tuple[str, ...]
) -> None:
    rows = make_rows(categories=hostile)
    spec = charts.forest(rows, reach=0.4, confidence="95 %").to_dict()
    labels = _data(spec, "label")
    assert labels == [*hostile, "Overall (all traffic)"], "a category may be called Overall"
    del spec["datasets"]
    for name in (hostile[0], hostile[2], "N" * 300):
        places = _strings(spec, name)
        assert places
        assert all(place == "sort" for place in places), places


def _strings(node: Any, wanted: str, under: str = "") -> list[str]:
    if isinstance(node, dict):
        return [hit for key, value in node.items() for hit in _strings(value, wanted, key)]
    if isinstance(node, list):
        return [hit for value in node for hit in _strings(value, wanted, under)]
    return [under] if isinstance(node, str) and wanted in node else []


def test_figures_axis_refuses_untrusted_text() -> None:
    with pytest.raises(AssertionError, match="figures only"):
        charts._labels_by_position(["it's"])


def test_cumulated_lift_ends_at_the_overall_lift(make_run: Callable[..., Path]) -> None:
    run = Run.open(make_run())
    daily = run.table("lift_daily")
    spec = charts.cumulated(daily).to_dict()
    assert len(_data(spec, "day")) == 14
    assert _data(spec, "figures")[-1] == "+6.2 % [+5.2, +7.2] %"
    assert (
        phrases.daily_alt(daily)
        == "Overall lift cumulated over 14 days, ending at +6.2 % [+5.2, +7.2] %."
    )


def test_sample_ratio_shows_distance_from_the_split(make_run: Callable[..., Path]) -> None:
    ratios = Run.open(make_run(mismatch=True)).table("sample_ratio")
    spec = charts.sample_ratio(ratios).to_dict()
    encoding = _points(spec)["encoding"]
    assert encoding["y"]["sort"][-1] == "Overall"
    assert encoding["shape"]["scale"]["domain"] == ["control", "generated"]
    colours = dict(
        zip(encoding["color"]["scale"]["domain"], encoding["color"]["scale"]["range"], strict=True)
    )
    assert colours["unhealthy"] == "#D55E00"
    assert _data(spec, "shown")[-2:] == pytest.approx([0.0525, -0.0525], abs=5e-4)
    assert phrases.ratio_alt(ratios) == (
        "Traffic of each arm against the declared split, in 45 rows: 6 off the split."
    )


def test_specification_is_json(make_rows: Rows) -> None:
    spec = charts.forest(make_rows(), reach=0.4, confidence="95 %").to_dict()
    assert "NaN" not in json.dumps(spec, allow_nan=False)


def test_forest_in_words(make_rows: Rows) -> None:
    rows = make_rows()
    overall = rows.filter(pl.col("category") == "__all__").row(0, named=True)
    assert phrases.forest_alt(rows, overall) == (
        "Relative lift by category with intervals. 44 categories: 17 win, 4 lose, 22 without "
        "significant difference, 1 with too little data. Overall +6.2 % [+5.2, +7.2] %."
    )
