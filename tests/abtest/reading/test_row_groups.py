"""Row groups of Parquet files as their footer names them, and reading along them."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.reading import sources
from abtest.reading.row_groups import MOST_BYTES, row_group_sizes
from abtest.reading.sources import ROW, LogFile, batches


@pytest.fixture
def rows():
    """Columns of many kinds, so that the footer has fields of many kinds."""
    n = 1_000
    return pl.DataFrame(
        {
            "name": [f"u{i}" if i % 7 else None for i in range(n)],
            "number": np.arange(n),
            "share": np.linspace(0, 1, n),
            "flag": np.arange(n) % 3 == 0,
            "day": [dt.date(2026, 3, 1) + dt.timedelta(i % 20) for i in range(n)],
            "time": [dt.datetime(2026, 3, 1, tzinfo=dt.UTC)] * n,
            "list": [[i, i + 1] for i in range(n)],
            "struct": [{"a": i, "b": {"c": "x"}} for i in range(n)],
        }
    )


@pytest.mark.parametrize("size", [1, 15, 16, 300, 1_000, 5_000])
@pytest.mark.parametrize("statistics", [True, False, "full"])
def test_sizes_that_polars_wrote(rows, tmp_path, size, statistics):
    path = tmp_path / "log.parquet"
    rows.write_parquet(path, row_group_size=size, statistics=statistics)
    sizes = row_group_sizes(path)
    assert sum(sizes) == 1_000
    # The writer may make groups a little more equal than asked.
    assert max(sizes) <= size
    assert len(sizes) == -(-1_000 // size)


def test_sizes_that_another_program_wrote(rows, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.sql(
            "copy (select i, 'u' || i as name, i % 3 = 0 as flag from range(10000) t(i)) "
            f"to '{path}' (format parquet, row_group_size 2048)"
        )
    assert row_group_sizes(path) == [2048, 2048, 2048, 2048, 1808]


def test_a_file_without_rows(rows, tmp_path):
    path = tmp_path / "log.parquet"
    rows.clear().write_parquet(path)
    assert sum(row_group_sizes(path)) == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + bytes(20) + b"PARE"])
def test_other_files_have_none(tmp_path, content):
    path = tmp_path / "log.parquet"
    path.write_bytes(content)
    assert row_group_sizes(path) is None


def test_a_footer_that_says_it_is_longer_than_the_file(tmp_path):
    path = tmp_path / "log.parquet"
    for length in (100, MOST_BYTES + 1, 2**32 - 1):
        path.write_bytes(b"PAR1" + bytes(20) + length.to_bytes(4, "little") + b"PAR1")
        assert row_group_sizes(path) is None


def test_damaged_footers_end_and_never_raise(rows, tmp_path):
    """Bytes changed at random: sizes may be wrong, but there is an answer, and soon."""
    rng = np.random.default_rng(7)
    path = tmp_path / "log.parquet"
    rows.write_parquet(path, row_group_size=100)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = np.frombuffer(content, np.uint8)[-8 - length : -8]
    unreadable = 0
    for _ in range(300):
        damaged = footer.copy()
        damaged[rng.integers(0, length, 4)] = rng.integers(0, 256, 4)
        path.write_bytes(b"PAR1" + damaged.tobytes() + content[-8:])
        unreadable += row_group_sizes(path) is None
    assert 0 < unreadable < 300


@pytest.mark.parametrize("group_rows", [1, 7, 100, 1_000])
@pytest.mark.parametrize("batch_rows", [1, 30, 100, 250, 2_000])
def test_batches_are_even_parts_of_row_groups(rows, tmp_path, group_rows, batch_rows):
    path = tmp_path / "log.parquet"
    rows.write_parquet(path, row_group_size=group_rows)
    found = list(batches(LogFile(path, "parquet", "", 1), ["number", "name"], batch_rows))
    assert max(batch.height for batch in found) <= batch_rows
    together = pl.concat(found)
    assert together[ROW].to_list() == list(range(1, 1_001))
    assert_frame_equal(together.drop(ROW), rows.select("number", "name"))


def test_large_row_groups_are_left_to_the_reader(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_ROWS_IN_GROUP", 99)
    path = tmp_path / "log.parquet"
    rows.write_parquet(path, row_group_size=100)
    found = list(batches(LogFile(path, "parquet", "", 1), ["number"], 40))
    assert max(batch.height for batch in found) <= 40
    assert pl.concat(found)["number"].to_list() == list(range(1_000))
