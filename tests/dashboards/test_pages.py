"""Every page, run from the entry point without a browser."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

MakeRun = Callable[..., Path]
Open = Callable[..., AppTest]
PAGES = ("views/overview.py", "views/lift.py", "views/health.py")


@pytest.fixture
def open_app(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Run the application on a runs folder, at a page and with query parameters."""

    def run(root: Path, page: str = "", **parameters: str) -> AppTest:
        app = repository / "dashboards" / "app.py"
        monkeypatch.setattr(sys, "argv", [str(app), str(root)])
        at = AppTest.from_file(app, default_timeout=60)
        for name, value in parameters.items():
            at.query_params[name] = value
        at.run()
        return at.switch_page(page).run() if page else at

    return run


def _texts(at: AppTest) -> str:
    return "\n".join(str(element.value) for element in at.text)


def _metrics(at: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (str(metric.value), str(metric.delta)) for metric in at.metric}


def test_overview_of_a_healthy_run(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run().parent)
    assert not at.exception
    assert at.header[0].value == "▲ Treatment wins overall: +6.2 % [+5.2, +7.2] %"
    assert _metrics(at) == {
        "Overall lift": ("+6.2 %", "[+5.2, +7.2] %"),
        "p, two-sided": ("< 0.001", "tested at 0.05"),
        "CTR control": ("2.27 %", "2.26 % to 2.29 %"),
        "CTR treatment": ("2.41 %", "2.40 % to 2.43 %"),
        "Units": ("1,122,541", "both arms"),
        "Impressions": ("10,102,879", "236,501 clicks"),
        "Days": ("14", "01 Mar to 14 Mar 2026"),
        "Categories": ("44", "17 win, 4 lose"),
    }
    said = _texts(at)
    assert "44 categories: 17 win, 4 lose, 22 without significant difference, 1 with" in said
    assert "logs/impressions.parquet (48,211,904 bytes, sha256 abababababababab)" in said
    assert [button.label for button in at.download_button] == [
        "Download CSV",
        "Download report (HTML)",
        "Download report (Markdown)",
    ]
    assert any("Sample ratio: healthy" in element.value for element in at.markdown)
    charts = at.get("vega_lite_chart")
    assert [chart.proto.alt for chart in charts] == [
        "Overall lift cumulated over 14 days, ending at +6.2 % [+5.2, +7.2] %."
    ]


def test_overview_of_a_mismatch_says_so_first(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run(mismatch=True).parent)
    assert not at.exception
    assert at.header[0].value == "○ No verdict: the experiment is not healthy"
    said = [str(element.value) for element in at.text]
    assert said[0] == "banner-test  ·  generated vs control"
    assert said[1].startswith("Sample ratio is unhealthy: units by arm: control: 61,204 of 58,112")
    assert _metrics(at)["Categories"] == ("44", "withheld")
    assert "wins" not in "".join(header.value for header in at.header)


def test_lift_page_of_a_healthy_run(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run().parent, "views/lift.py")
    assert not at.exception
    assert at.title[0].value == "Lift by category"
    table = at.dataframe[0].value
    assert len(table) == 45
    assert table["Category"].iloc[0] == "Women's dresses", "most traffic first"
    assert table["Category"].iloc[-1] == "Overall"
    (chart,) = at.get("vega_lite_chart")
    assert chart.proto.alt.startswith("Relative lift by category with intervals. 44 categories")
    said = _texts(at)
    assert "Two-sided tests at 0.05; intervals at 95 %" in said
    assert "delta method on log CTR, clustered by unit" in said
    assert "Benjamini-Hochberg over 44 tests" in said


def test_lift_page_sorts_and_filters(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run().parent, "views/lift.py")
    at.segmented_control(key="sort").set_value("Lift").run()
    assert at.dataframe[0].value["Category"].iloc[0] == "Sneakers"
    at.segmented_control(key="sort").set_value("p-value").run()
    assert at.dataframe[0].value["p"].iloc[:44].dropna().is_monotonic_increasing
    at.pills(key="verdict").set_value(["loss"]).run()
    assert sorted(at.dataframe[0].value["Category"]) == [
        "Bedding",
        "Men's shirts",
        "Overall",
        "Phone cases",
        "Yoga",
    ]
    at.text_input(key="search").set_value("PHONE").run()
    assert list(at.dataframe[0].value["Category"]) == ["Phone cases", "Overall"]
    at.text_input(key="search").set_value("nothing like it").run()
    assert list(at.dataframe[0].value["Category"]) == ["Overall"]
    assert "No category fits" in at.info[0].value
    assert not at.exception


def test_lift_page_of_a_mismatch_warns(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run(mismatch=True).parent, "views/lift.py")
    assert not at.exception
    assert at.warning[0].value.startswith("Verdicts are withheld")
    assert set(at.dataframe[0].value["Verdict"]) == {"○ withheld"}


def test_health_page_of_a_healthy_run(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run().parent, "views/health.py")
    assert not at.exception
    assert at.info[0].value == "No check of 4 is unhealthy."
    assert [sub.value for sub in at.subheader][:4] == [
        "Sample ratio",
        "Sample ratio by category",
        "Units in two arms",
        "Missing days",
    ]
    assert not any("Likely causes" in element.value for element in at.markdown)
    captions = [caption.value for caption in at.caption]
    assert "Chi-square 0.01 · p 0.96 · unhealthy below p 0.001" in captions


def test_health_page_of_a_mismatch_names_causes(make_run: MakeRun, open_app: Open) -> None:
    at = open_app(make_run(mismatch=True).parent, "views/health.py")
    assert not at.exception
    assert at.warning[0].value.startswith("2 checks of 4 unhealthy.")
    causes = [element.value for element in at.markdown if "Likely causes" in element.value]
    assert len(causes) == 2, "for the unhealthy checks only"
    table = at.dataframe[0].value
    assert list(table["Category"].iloc[:2]) == ["Overall", "Overall"]
    assert set(table["State"].iloc[:2]) == {"unhealthy"}
    assert len(table) == 90


def test_empty_folder_says_what_to_do(tmp_path: Path, open_app: Open) -> None:
    at = open_app(tmp_path)
    assert not at.exception
    assert at.title[0].value == "No lift run in this folder"
    assert "caig lift" in at.code[0].value
    assert len(at.selectbox) == 0


def test_corrupt_and_failed_runs_are_notices(
    make_run: MakeRun, make_broken: dict[str, Callable[[Path], Path]], open_app: Open
) -> None:
    root = make_run().parent
    make_broken["corrupt"](root)
    make_broken["failed"](root)
    at = open_app(root)
    assert not at.exception
    assert at.sidebar.warning[0].value == "1 run cannot be read and is left out:"
    assert at.sidebar.text[0].value == "20260315T080000-lift-dead"
    assert at.sidebar.caption[0].value == "Lift runs not shown: 1 failed."
    assert len(at.selectbox(key="run").options) == 1
    shown = _texts(at) + at.sidebar.warning[0].value
    assert str(root) not in shown


def test_only_a_corrupt_run(
    tmp_path: Path, make_broken: dict[str, Callable[[Path], Path]], open_app: Open
) -> None:
    make_broken["corrupt"](tmp_path)
    at = open_app(tmp_path)
    assert not at.exception
    assert at.title[0].value == "No lift run in this folder"
    assert at.sidebar.warning[0].value.startswith("1 run cannot be read")


@pytest.mark.parametrize("table", ["lift_table", "health"])
def test_damaged_table_is_an_error_without_paths(
    make_run: MakeRun, open_app: Open, table: str
) -> None:
    path = make_run()
    file = path / f"{table}.parquet"
    file.chmod(0o644)
    file.write_bytes(b"no parquet")
    at = open_app(path.parent)
    assert not at.exception
    assert at.error[0].value.startswith("This run cannot be shown.")
    assert f"{table}.parquet cannot be read as {table}/1" in _texts(at)
    assert str(path.parent) not in _texts(at)


@pytest.mark.parametrize("page", PAGES)
def test_hostile_names_reach_no_markup(
    make_run: MakeRun, open_app: Open, hostile: tuple[str, ...], page: str
) -> None:
    root = make_run(
        experiments=hostile, treatments=(hostile[2], hostile[1]), categories=hostile
    ).parent
    for experiment in (hostile[1], hostile[3], hostile[7]):
        at = open_app(root, page, experiment=experiment)
        assert not at.exception
        assert at.selectbox(key="experiment").value == experiment
        assert experiment in _texts(at), "shown, as plain text"
        kinds = (
            "markdown", "caption", "title", "header", "subheader", "html", "metric", "info",
            "warning", "error", "success",
        )  # fmt: skip
        marked_up = [
            str(getattr(element, attribute, ""))
            for kind in kinds
            for element in getattr(at, kind)
            for attribute in ("value", "label", "delta", "help")
        ]
        labels = [widget.label for kind in ("selectbox", "pills") for widget in getattr(at, kind)]
        for text in (*marked_up, *labels):
            assert not any(name in text for name in hostile if name != "Overall"), (page, text)


def test_many_experiments(make_run: MakeRun, open_app: Open) -> None:
    names = [f"headline-{number:03d}" for number in range(300)]
    root = make_run(experiments=names, treatments=("a", "b"), categories=("only",)).parent
    at = open_app(root, experiment="headline-007", contrast="b vs control")
    assert not at.exception
    assert len(at.selectbox(key="experiment").options) == 300
    assert at.text[0].value == "headline-007  ·  b vs control"
    everything = at.dataframe[-1].value
    assert len(everything) == 600
    assert any(c.value.startswith("600 contrasts: ") for c in at.caption)
    at.selectbox(key="experiment").set_value("headline-000").run()
    assert at.text[0].value.startswith("headline-000")
    assert not at.exception


def test_switching_runs_drops_what_the_new_run_lacks(make_run: MakeRun, open_app: Open) -> None:
    from datetime import UTC, datetime

    newer = make_run(experiments=("one", "two"))
    older = make_run(experiments=("three",), started_at=datetime(2025, 1, 1, tzinfo=UTC))
    at = open_app(newer.parent, experiment="two")
    assert at.selectbox(key="run").value == newer.name, "the newest by default"
    assert at.text[0].value.startswith("two")
    at.selectbox(key="run").set_value(older.name).run()
    assert not at.exception
    assert at.text[0].value.startswith("three")


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "nonsense"])
def test_url_cannot_name_a_path(make_run: MakeRun, open_app: Open, name: str) -> None:
    path = make_run()
    at = open_app(path.parent, run=name, experiment=name)
    assert not at.exception
    assert at.selectbox(key="run").value == path.name
    assert at.selectbox(key="experiment").value == "banner-test"
