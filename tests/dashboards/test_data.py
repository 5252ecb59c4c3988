"""Reading run folders, and the tables made of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from caig.contracts.experiments import LIFT_TABLE
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run
from caig.text import UNKNOWN
from dashboards import data, frames

MakeRun = Callable[..., Path]


def _writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


def test_catalogue_sorts_runs_by_state(
    make_run: MakeRun, make_broken: dict[str, Callable[[Path], Path]]
) -> None:
    complete = make_run()
    make_broken["corrupt"](complete.parent)
    make_broken["failed"](complete.parent)
    runs = data.lift_runs(complete.parent)
    assert list(runs.complete) == [complete.name]
    assert (runs.n_running, runs.n_failed) == (0, 1)
    assert runs.corrupt == ("20260315T080000-lift-dead",)


def test_missing_folder_holds_no_runs(tmp_path: Path) -> None:
    runs = data.lift_runs(tmp_path / "nowhere")
    assert runs.complete == {}
    assert runs.corrupt == ()


def test_root_is_the_only_argument() -> None:
    assert data.runs_root(["/somewhere/runs"]) == Path("/somewhere/runs")
    assert data.runs_root([]) == Path("runs")


def test_only_the_rows_of_one_experiment_are_read(make_run: MakeRun) -> None:
    run = Run.open(make_run(experiments=("one", "two"), treatments=("a", "b")))
    assert data.experiments(run) == {
        "one": ["a vs control", "b vs control"],
        "two": ["a vs control", "b vs control"],
    }
    selection = data.Selection(run, "two", "b vs control", 2)
    lift = selection.rows("lift_table")
    assert lift.height == 45
    assert lift["experiment_id"].unique().to_list() == ["two"]
    assert lift["contrast"].unique().to_list() == ["b vs control"]
    assert selection.rows("health").height == 4
    assert data.overall_rows(run).height == 4


def test_changed_file_is_read_again(make_run: MakeRun) -> None:
    run = Run.open(make_run())
    file = _writable(run.path / "lift_table.parquet")
    assert data.experiment_rows(run, "lift_table", "banner-test").height == 45
    pl.read_parquet(file).head(3).write_parquet(file)
    assert data.experiment_rows(run, "lift_table", "banner-test").height == 3


def test_errors_name_no_path(make_run: MakeRun) -> None:
    run = Run.open(make_run())
    file = _writable(run.path / "lift_table.parquet")
    good = pl.read_parquet(file)

    good.with_columns(verdict=pl.lit("splendid")).write_parquet(file)
    with pytest.raises(DataError) as broken:
        data.experiment_rows(run, "lift_table", "banner-test")
    assert str(broken.value) == "lift_table.parquet does not keep to lift_table/1"

    file.write_bytes(b"no parquet at all")
    with pytest.raises(ArtifactError) as garbage:
        data.experiment_rows(run, "lift_table", "banner-test")
    assert str(garbage.value) == "lift_table.parquet cannot be read as lift_table/1"

    file.unlink()
    with pytest.raises(ArtifactError) as gone:
        data.experiment_rows(run, "lift_table", "banner-test")
    assert str(gone.value) == "the run's lift_table is missing from its folder"
    assert str(run.path.parent) not in str(gone.value)


def test_format_of_another_major_is_refused(make_run: MakeRun) -> None:
    path = make_run()
    manifest = _writable(path / "manifest.json")
    manifest.write_text(manifest.read_text().replace('"lift_table/1"', '"lift_table/2"'))
    with pytest.raises(ArtifactError, match=r"format lift_table/2; these pages read lift_table/1"):
        data.experiments(Run.open(path))


def test_artifact_outside_the_run_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run()
    shutil.copy(path / "lift_table.parquet", tmp_path / "elsewhere.parquet")
    manifest = _writable(path / "manifest.json")
    manifest.write_text(
        manifest.read_text().replace('"lift_table.parquet"', '"../../elsewhere.parquet"')
    )
    with pytest.raises(ArtifactError, match="missing from its folder"):
        data.experiments(Run.open(path))


def test_report_is_optional(make_run: MakeRun) -> None:
    run = Run.open(make_run(report="<title>seen</title>"))
    selection = data.Selection(run, "banner-test", "generated vs control", 1)
    found = selection.text_file("report_html")
    assert found is not None
    assert found.read_text() == "<title>seen</title>"
    assert selection.text_file("report_pdf") is None


def test_lift_frame_reads_like_the_report(make_rows: Callable[..., pl.DataFrame]) -> None:
    frame = frames.lift_frame(make_rows())
    first, last = frame.row(0, named=True), frame.row(-1, named=True)
    assert first["Category"] == "Women's dresses"
    assert first["Verdict"] == "▲ win"
    assert first["Interval"] == "[+2.3, +7.7] %"
    assert first["Detectable"] is None, "a significant row needs no detectable lift"
    assert last["Category"] == "Overall"
    assert last["p corrected"] is None, "the overall row is no member of the family"
    flat = frame.filter(pl.col("Category") == "Skin care").row(0, named=True)
    assert flat["Verdict"] == "● no significant difference"
    assert flat["Detectable"] == pytest.approx(0.0507, abs=1e-3)
    small = frame.filter(pl.col("Category") == "Musical instruments").row(0, named=True)
    assert small["Note"] == "too few clicking units, or no variation between them"
    assert small["Lift"] is None


def test_table_keeps_numbers_and_writes_them_as_text_does(
    make_rows: Callable[..., pl.DataFrame],
) -> None:
    frame = frames.lift_frame(make_rows())
    styler = frames.displayed(frame, frames.LIFT_FORMATS)
    assert styler.data["Lift"].dtype.kind == "f"
    html = styler.to_html()
    for written in ("+26.0 %", "10,102,879", "< 0.001", "2.27 %"):
        assert written in html, written


def test_csv_holds_fractions_and_no_formula(
    make_rows: Callable[..., pl.DataFrame], hostile: tuple[str, ...]
) -> None:
    rows = make_rows(categories=hostile)
    back = pl.read_csv(frames.as_csv(rows))
    assert back.columns == LIFT_TABLE.schema.names()
    assert back["rel_lift"][0] == pytest.approx(rows["rel_lift"][0])
    assert back["category"][0] == hostile[0], "text that is no formula stays as it is"
    assert back["category"][5] == "'" + hostile[5]
    assert hostile[5].startswith("=")


def test_arms_frame_without_days_and_units(make_run: MakeRun) -> None:
    arms = Run.open(make_run()).table("arm_summary")
    bare = arms.with_columns(
        n_units=pl.lit(None, dtype=pl.Int64), first_day=pl.lit(None, dtype=pl.Date)
    )
    assert frames.arms_frame(arms)["Days"].to_list() == ["2026-03-01 to 2026-03-14"] * 2
    assert frames.arms_frame(bare)["Days"].to_list() == [UNKNOWN, UNKNOWN]
    assert UNKNOWN in frames.displayed(frames.arms_frame(bare), frames.ARM_FORMATS).to_html()
