"""Every engine's sums against those of polars on the same log, and what engines are refused."""

import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import Columns, Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.engine_sums import engine_sums
from abtest.counting.engines import is_engine_table, open_engine
from abtest.counting.sums import SCHEMAS, Sums, sums_of
from abtest.lift import analyse_sums
from caig.errors import CaigError, DataError, PrerequisiteError
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
has_ibis = importlib.util.find_spec("ibis") is not None
has_spark = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
IMPRESSIONS = LiftConfig(design=Design(randomisation="impression"))


def sums_in_polars(log: pl.DataFrame, **absent: str) -> Sums:
    rows = log.with_columns(
        pl.lit(None, dtype=pl.Date if name == "day" else pl.String).alias(name) for name in absent
    )
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return sums_of(UnitCounts.from_rows(rows.select(*key, n="n_impressions", c="n_clicks")))


def assert_equal(found: Sums, expected: Sums) -> None:
    for name in SCHEMAS:
        assert_frame_equal(getattr(found, name), getattr(expected, name), rel_tol=1e-9, abs_tol=0)


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    """Two experiments whose units and categories are partly the same; some units cross arms."""
    config = TrafficConfig(n_users=800, n_days=4, faults=Faults(crossover_share=0.05))
    other = config.model_copy(update={"experiment_id": "another", "seed": 2, "n_users": 500})
    return pl.concat([simulate_traffic(each).log for each in (config, other)])


@pytest.fixture(scope="module")
def database(log, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "traffic.db"
    with duckdb.connect(str(path)) as connection:
        rows = log.to_arrow()  # noqa: F841 - DuckDB finds it by its name
        connection.execute("create table log as select * from rows")
        connection.execute("create view bad as select * replace (-1 as n_clicks) from log")
    return path


@pytest.fixture(params=["polars", "polars lazy", "duckdb", "ibis"])
def table(request, log, database):
    if request.param == "polars":
        return log
    if request.param == "polars lazy":
        return log.lazy()
    if request.param == "ibis":
        if not has_ibis:
            pytest.skip("Ibis is not installed")
        return open_engine(f"ibis:duckdb://{database}::log").frame
    return open_engine(f"duckdb:{database}::log").frame


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_sums_are_those_of_polars(table, log):
    found = engine_sums(table, LiftConfig(), source="log")
    assert_equal(found.sums, sums_in_polars(log))
    assert (found.n_rows, found.n_rows_without_impressions) == (log.height, 0)
    things = log.group_by("experiment_id", "arm").agg(
        n_creatives=pl.col("creative_id").n_unique().cast(pl.Int64),
        n_products=pl.col("product_id").n_unique().cast(pl.Int64),
    )
    assert_frame_equal(found.things, things.sort("experiment_id", "arm"))


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@pytest.mark.parametrize(
    "absent", [("category",), ("day",), ("category", "day"), ("experiment_id",)]
)
def test_absent_columns_are_absent_in_the_sums(log, engine, absent):
    log = log.filter(pl.col("experiment_id") == "another")
    rows = log.drop(absent).to_arrow() if engine == "duckdb" else log.drop(absent)
    frame = duckdb.from_arrow(rows) if engine == "duckdb" else rows
    expected = (
        log.with_columns(experiment_id=pl.lit("experiment")) if "experiment_id" in absent else log
    )
    gone = [name for name in absent if name != "experiment_id"]
    found = engine_sums(frame, LiftConfig(), source="log")
    assert_equal(found.sums, sums_in_polars(expected, **dict.fromkeys(gone, "")))


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_rows_that_are_one_impression_each_of_a_design_without_units(engine):
    log = pl.DataFrame(
        {
            "arm": ["a", "a", "b", "b", "b"],
            "day": [datetime(2026, 1, d, 13) for d in (1, 2, 1, 1, 2)],
            "n_clicks": [True, False, False, True, False],
        }
    )
    frame = duckdb.from_arrow(log.to_arrow()) if engine == "duckdb" else log
    found = engine_sums(frame, IMPRESSIONS, source="log")
    sums = found.sums.daily.select("category", "arm", "day", "n", "c").rows()
    days = date(2026, 1, 1), date(2026, 1, 2)
    assert sums == [
        ("__all__", "a", days[0], 1, 1),
        ("__all__", "a", days[1], 1, 0),
        ("__all__", "b", days[0], 2, 1),
        ("__all__", "b", days[1], 1, 0),
    ]
    for name in ("by_category", "by_day", "first_seen", "crossover"):
        assert getattr(found.sums, name).is_empty()
    assert found.things["n_creatives"].to_list() == [None, None]


def test_the_whole_analysis_runs_on_an_engines_sums(log, database):
    config = LiftConfig()
    found = engine_sums(open_engine(f"duckdb:{database}::log").frame, config, source="log")
    result, expected = (analyse_sums(s, config) for s in (found.sums, sums_in_polars(log)))
    assert_frame_equal(result.lift_table, expected.lift_table)
    assert_frame_equal(result.health.checks, expected.health.checks)


BAD = {
    "n_clicks: is negative (1 row)": {"n_clicks": -1},
    "n_clicks: is missing (1 row)": {"n_clicks": None},
    "n_impressions: is missing (1 row)": {"n_impressions": None},
    "n_clicks, n_impressions: more clicks than impressions (1 row)": {"n_clicks": 99},
    "arm: arm is missing (1 row)": {"arm": None},
    "unit_id: unit is missing (1 row)": {"unit_id": " "},
    "unit_id: unit is a null written as text (1 row)": {"unit_id": "NaN"},
    "day: day is missing (1 row)": {"day": None},
    "category: __all__ is reserved for the overall row (1 row)": {"category": "__all__"},
}


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@pytest.mark.parametrize("said", BAD)
def test_rows_that_cannot_be_right_are_counted_and_refused(log, engine, said):
    first = log.head(1).with_columns(
        pl.lit(value, dtype=log.schema[name]).alias(name) for name, value in BAD[said].items()
    )
    rows = pl.concat([first, log.slice(1, 50)])
    frame = duckdb.from_arrow(rows.to_arrow()) if engine == "duckdb" else rows
    with pytest.raises(DataError) as refused:
        engine_sums(frame, LiftConfig(), source="duckdb:x::log")
    assert said in str(refused.value)
    assert str(refused.value).startswith("duckdb:x::log: 1 problem(s)")


def test_all_broken_rules_are_named_at_once(database, log):
    with pytest.raises(DataError, match=rf"is negative \({log.height:,} rows\)"):
        engine_sums(open_engine(f"duckdb:{database}::bad").frame, LiftConfig(), source="bad")


def test_rows_without_impressions_count_for_nothing(log):
    empty = log.head(7).with_columns(
        n_impressions=pl.lit(0, pl.Int64), n_clicks=pl.lit(0, pl.Int64)
    )
    empty = empty.with_columns(unit_id=pl.lit("nobody"))
    found = engine_sums(pl.concat([log, empty]), LiftConfig(), source="log")
    assert found.n_rows_without_impressions == 7
    assert_equal(found.sums, sums_in_polars(log))
    with pytest.raises(DataError, match="none of its 7 rows has an impression"):
        engine_sums(empty, LiftConfig(), source="log")
    with pytest.raises(DataError, match="the table has no rows"):
        engine_sums(log.clear(), LiftConfig(), source="log")


@pytest.mark.parametrize(
    ("columns", "config", "said"),
    [
        ({"arm": "variant"}, LiftConfig(), "'arm': no such column"),
        ({"unit_id": "user"}, LiftConfig(), "'unit_id': no such column"),
        ({}, LiftConfig(columns=Columns(day="dya")), "'dya': no such column; did you mean 'day'"),
        ({}, LiftConfig(columns=Columns(unit="")), "columns.unit is empty"),
        (
            {},
            LiftConfig(columns=Columns(arm="@row"), design=Design(randomisation="impression")),
            "needs a file",
        ),
    ],
)
def test_columns_that_are_needed_are_asked_for(log, columns, config, said):
    with pytest.raises(DataError, match=said):
        engine_sums(log.rename(columns), config, source="log")


@pytest.mark.parametrize(
    ("name", "dtype"), [("n_clicks", pl.Float64), ("unit_id", pl.Binary), ("day", pl.String)]
)
def test_types_that_engines_convert_differently_are_refused(log, name, dtype):
    with pytest.raises(DataError, match=f"column {name}: has type .*; cast it in a view"):
        engine_sums(log.with_columns(pl.col(name).cast(dtype)), LiftConfig(), source="log")


def test_products_of_very_many_categories_are_not_summed(monkeypatch, log):
    monkeypatch.setattr("abtest.counting.engine_sums.MOST_LABELS", 10)
    one = pl.col("experiment_id") == "another"
    names = log["category"].unique().sort().head(10).to_list()
    few = log.filter(~one | pl.col("category").is_in(names))
    sums = engine_sums(few, LiftConfig(), source="log").sums
    assert sums.by_category["experiment_id"].unique().to_list() == ["another"]
    assert_frame_equal(
        sums.by_category,
        sums_in_polars(few).by_category.filter(pl.col("experiment_id") == "another"),
    )


def test_names_of_tables(tmp_path, monkeypatch):
    assert is_engine_table("duckdb:a.db::log")
    assert is_engine_table("spark:s3://bucket/log")
    assert not is_engine_table("logs/a.parquet")
    assert not is_engine_table("duckdb")
    monkeypatch.chdir(tmp_path)
    Path("spark:log").touch()
    assert not is_engine_table("spark:log")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("duckdb:a.db", "write it as duckdb:PATH.db::TABLE"),
        ("duckdb:::log", "write it as duckdb:PATH.db::TABLE"),
        ("ibis:duckdb://a.db", "write it as ibis:URL::TABLE"),
        ("spark:", "write it as spark:PATH_OR_TABLE"),
        ("duckdb:nowhere.db::log", "nowhere.db: no such file"),
    ],
)
def test_names_that_open_nothing(name, said):
    with pytest.raises(CaigError, match=said):
        open_engine(name)


def test_a_table_that_is_not_there_is_told_with_those_that_are(database):
    with pytest.raises(DataError, match=r"no such table; .* has: bad, log"):
        open_engine(f"duckdb:{database}::logs")


def test_a_missing_extra_is_told_with_its_install_line(monkeypatch, database):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'caig-toolkit\[engines\]'$"):
        open_engine(f"duckdb:{database}::log")


SPARK = """
import sys
from pathlib import Path
from abtest.config import LiftConfig
from abtest.counting.engine_sums import engine_sums
from abtest.counting.engines import open_engine
found = engine_sums(open_engine("spark:" + sys.argv[1]).frame, LiftConfig(), source="log")
for name, frame in vars(found.sums).items():
    frame.write_parquet(Path(sys.argv[2], name + ".parquet"))
"""


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.skipif(not has_spark, reason="needs pyspark and Java 17")
def test_spark_sums_are_those_of_polars(log, tmp_path):
    log.write_parquet(tmp_path / "log.parquet")
    submit = "--master local[2] --conf spark.ui.enabled=false"
    submit += " --conf spark.sql.shuffle.partitions=2 pyspark-shell"
    done = subprocess.run(
        [sys.executable, "-c", SPARK, str(tmp_path / "log.parquet"), str(tmp_path)],
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_SUBMIT_ARGS": submit},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in SCHEMAS:
        found = pl.read_parquet(tmp_path / f"{name}.parquet")
        assert_frame_equal(found, getattr(sums_in_polars(log), name), rel_tol=1e-9, abs_tol=0)
