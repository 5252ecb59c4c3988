"""``caig lift`` on a table of Ibis and of Spark, as a user names it: the figures of the log's file.

DuckDB's is in ``test_without_the_log.py``; every engine's sums in ``counting/test_engines.py``.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from abtest.counting.engines import without_password
from caig import cli
from caig.runs.store import Run
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

REPORT = ("--set", "analysis.one_arm_categories=report")
TABLES = ("lift_table", "lift_daily", "heterogeneity", "joint_heterogeneity", "unit_metrics")


def installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


needs_ibis = pytest.mark.skipif(
    not installed("ibis", "narwhals", "duckdb"), reason="Ibis, narwhals or DuckDB is not installed"
)
needs_spark = pytest.mark.skipif(
    not installed("pyspark", "narwhals") or shutil.which("java") is None,
    reason="pyspark, narwhals or Java is not installed",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The log as a file."""
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    simulate_traffic(TrafficConfig(n_users=3_000, n_days=3, mean_lift=0.3)).log.write_parquet(path)
    return path


@pytest.fixture
def exact(lift, file) -> Run:
    """The analysis of the file."""
    return lift(file, *REPORT, runs="exact").run


def assert_same_figures(found: Run, exact: Run) -> None:
    for name in TABLES:
        assert_frame_equal(found.table(name), exact.table(name), rel_tol=1e-9, abs_tol=1e-12)


@needs_ibis
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_ibis_url_is_named_in_place_of_the_log(lift, file, exact, tmp_path):
    import duckdb

    database = tmp_path / "traffic.db"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"create table impressions as select * from '{file}'")
    name = f"ibis:duckdb://{database}::impressions"
    outcome = lift(name, *REPORT)
    assert_same_figures(outcome.run, exact)
    assert name in outcome.run.file("report_html").read_text()
    assert outcome.run.manifest.files == ()
    lift(f"{name}x", runs="other").assert_refused("impressionsx")
    lift("ibis:nothing://host::log", runs="other").assert_refused("ibis:nothing://host::log")
    lift(f"ibis:duckdb://{database}", runs="other").assert_refused("write it as ibis:URL::TABLE")
    lift(name, "--cube", runs="other").assert_refused("counts by unit")


@needs_ibis
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_table_that_cannot_be_right_is_refused_in_its_name(lift, file, tmp_path):
    import duckdb

    database = tmp_path / "traffic.db"
    with duckdb.connect(str(database)) as connection:
        rows = f"select * replace (n_impressions + 1 as n_clicks) from '{file}'"
        connection.execute(f"create table bad as {rows}")
    lift(f"ibis:duckdb://{database}::bad").assert_refused("::bad", "n_clicks")


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        (
            "ibis:postgres://ann:s3cret@host:5432/db::log",
            "ibis:postgres://ann:***@host:5432/db::log",
        ),
        ("ibis:postgres://:s3cret@host/db::log", "ibis:postgres://:***@host/db::log"),
        ("ibis:postgres://ann@host:5432/db::log", "ibis:postgres://ann@host:5432/db::log"),
        ("ibis:duckdb:///data/a@b:c.db::log", "ibis:duckdb:///data/a@b:c.db::log"),
        ("duckdb:a.db::log", "duckdb:a.db::log"),
    ],
)
def test_a_password_is_not_recorded(name, recorded):
    assert without_password(name) == recorded


def test_a_password_is_not_shown_in_an_error(capsys, tmp_path):
    pytest.importorskip("ibis")
    name = "ibis:postgres://ann:s3cret@127.0.0.1:9/db::log"
    assert cli.run(["lift", name, "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "ann:***@127.0.0.1" in said
    assert "s3cret" not in said


@pytest.mark.spark
@pytest.mark.slow
@needs_spark
def test_a_spark_path_is_named_in_place_of_the_log(file, exact, tmp_path):
    submit = "--master local[2] --conf spark.ui.enabled=false"
    submit += " --conf spark.sql.shuffle.partitions=2 pyspark-shell"

    def in_spark(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "caig", "lift", *words, "--runs", str(tmp_path / "spark")],
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_SUBMIT_ARGS": submit},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            cwd=tmp_path,
        )

    done = in_spark(f"spark:{file}", *REPORT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = Run.open(tmp_path / done.stdout.splitlines()[-1])
    assert_same_figures(found, exact)
    assert f"spark:{file}" in found.file("report_md").read_text().replace("\\", "")
    missing = in_spark("spark:/nowhere/log.parquet")
    assert missing.returncode == 2
    assert "spark:/nowhere/log.parquet: " in missing.stderr
    assert "Traceback" not in missing.stderr
    assert len(list((tmp_path / "spark").iterdir())) == 1
