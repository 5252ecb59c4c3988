"""The Python way in: same tables as the command line, sentences, a run; and the example runs."""

import json
import runpy
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.api import analyse_log
from abtest.config import Analysis, LiftConfig
from abtest.reporting.summary import category_sentence
from caig.contracts.records import LiftReport
from caig.errors import ConfigError, DataError
from caig.runs.store import Run
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

REPORT = {"analysis.one_arm_categories": "report"}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    simulate_traffic(TrafficConfig(n_users=8_000, mean_lift=0.4)).log.write_parquet(path)
    return path


@pytest.fixture(scope="module")
def analysis(log):
    return analyse_log(log, settings=REPORT)


def test_tables_are_those_of_the_command(lift, log, analysis):
    made = lift(log, "--set", "analysis.one_arm_categories=report").run
    for identifier, table in analysis.result.tables().items():
        assert_frame_equal(made.table(identifier.partition("/")[0]), table)


def test_a_run_written_from_python_is_sound(analysis, tmp_path):
    made = Run.open(analysis.write_run(tmp_path))
    assert made.problems() == []
    assert made.manifest.verb == "lift"


def test_the_json_report_holds_every_row_and_sentence(analysis, tmp_path):
    made = Run.open(analysis.write_run(tmp_path))
    report = LiftReport.model_validate(json.loads(made.file("report_json").read_text()))
    (contrast,) = report.contrasts
    assert [f"{contrast.contrast}: {contrast.headline}", *contrast.categories] == (
        analysis.sentences()
    )
    assert set(report.tables) == set(analysis.result.tables())
    rows = pl.DataFrame(report.tables["lift_table/1"], schema=analysis.result.lift_table.schema)
    assert_frame_equal(rows, analysis.result.lift_table)


def test_a_configuration_may_be_an_object(log):
    config = LiftConfig(analysis=Analysis(one_arm_categories="report", alpha=0.1))
    assert analyse_log(log, config=config).result.lift_table["alpha"].unique().to_list() == [0.1]


def test_errors_are_those_of_the_command(log, tmp_path):
    with pytest.raises(ConfigError, match="alphaa"):
        analyse_log(log, settings={"analysis.alphaa": 0.1})
    with pytest.raises(DataError, match="no such file"):
        analyse_log(tmp_path / "absent.parquet")


def test_sentences_say_no_more_than_the_verdict(analysis):
    for row in analysis.result.lift_table.iter_rows(named=True):
        said = category_sentence(row)
        assert ("higher" in said) == (row["verdict"] == "win")
        assert ("lower" in said) == (row["verdict"] == "loss")
        assert ("no significant difference" in said) == (row["verdict"] == "flat")
        assert ("cannot be judged" in said) == (row["verdict"] == "insufficient")


def test_an_unhealthy_experiment_gets_no_sentence_with_a_lift(tmp_path):
    faulty = TrafficConfig(n_users=20_000, faults=Faults(srm_lost_share=0.2))
    path = tmp_path / "log.parquet"
    simulate_traffic(faulty).log.write_parquet(path)
    headline, *categories = analyse_log(path, settings=REPORT).sentences()
    assert "No verdict" in headline
    assert all("no verdict" in said for said in categories)


def test_the_example_runs(repository, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lift_from_python.py"])
    runpy.run_path(str(repository / "examples" / "lift_from_python.py"))
    out = capsys.readouterr().out
    assert "lift_table/1" in out
    assert "treatment vs control" in out
