"""Sums of a log, read once or, where it turns out not to fit, again: those of counts by unit."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import LiftConfig
from abtest.counting.packed import HASHES
from abtest.counting.sums import sums_of
from abtest.reading.ingest import ingest
from abtest.reading.sources import find_log


def read(*paths, on_batch=lambda _file, _rows: None, **sections):
    config = LiftConfig.model_validate(sections)
    return ingest(find_log([str(path) for path in paths]).files, config, on_batch)


def assert_sums_are_those_of_counts(found):
    expected = sums_of(found.counts)
    for name in ("daily", "by_category", "by_day", "first_seen", "crossover"):
        assert_frame_equal(getattr(found.sums, name), getattr(expected, name), check_exact=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_sums_are_those_of_the_counts_by_unit(good_log, write_log, kind):
    found = read(write_log(good_log, f"log.{kind}"), ingest={"batch_rows": 7})
    assert_sums_are_those_of_counts(found)
    assert found.things.sort("arm").rows() == [
        ("experiment", "control", None, None),
        ("experiment", "treatment", None, None),
    ]


def one_hash(units):
    return np.zeros(units.len(), np.uint64), units.hash(0).to_numpy()


def test_a_log_that_cannot_be_packed_is_read_again(good_log, write_log, monkeypatch):
    monkeypatch.setattr("abtest.reading.ingest.HASHES", (one_hash, one_hash))
    seen = []
    path = write_log(good_log, "log.csv")
    found = read(path, on_batch=lambda _file, rows: seen.append(rows), ingest={"batch_rows": 9})
    assert sum(seen) == 40
    assert (found.n_rows, found.n_rows_quarantined) == (40, 0)
    assert_sums_are_those_of_counts(found)


def test_a_log_whose_units_collide_is_packed_again_with_other_hashes(
    good_log, write_log, monkeypatch
):
    monkeypatch.setattr("abtest.reading.ingest.HASHES", (one_hash, HASHES[0]))
    monkeypatch.setattr("abtest.reading.ingest.UnitCounter", None)  # not to be called
    seen = []
    path = write_log(good_log, "log.parquet")
    found = read(path, on_batch=lambda _file, rows: seen.append(rows), ingest={"batch_rows": 9})
    assert sum(seen) == found.n_rows == 40
    monkeypatch.undo()
    assert_sums_are_those_of_counts(found)


def test_names_of_rows_that_are_not_counted_are_in_no_sum(good_log, write_log):
    """Rows set aside, and rows of no impressions, have experiments and categories of their own."""
    log = good_log.with_columns(experiment=pl.lit("e"))
    aside = log[:3].with_columns(
        experiment=pl.lit("x"), category=pl.lit("x"), arm=pl.lit("x"), n_clicks=pl.lit(-1, pl.Int64)
    )
    empty = log[3:5].with_columns(
        experiment=pl.lit("y"),
        category=pl.lit("y"),
        n_clicks=pl.lit(0, pl.Int64),
        n_impressions=pl.lit(0, pl.Int64),
    )
    path = write_log(pl.concat([log[:9], aside, log[9:20], empty, log[20:]]), "log.parquet")
    found = read(
        path,
        columns={"experiment": "experiment"},
        ingest={"batch_rows": 7, "bad_rows": "quarantine"},
    )
    assert (found.n_rows_quarantined, found.n_rows_without_impressions) == (3, 2)
    assert found.sums.crossover["experiment_id"].to_list() == ["e"]
    assert_sums_are_those_of_counts(found)


def test_rows_found_not_to_fit_half_way_are_read_again(good_log, write_log):
    many = good_log.with_columns(n_impressions=pl.lit(2**40))
    path = write_log(pl.concat([good_log, many]), "log.parquet")
    seen = []
    found = read(path, on_batch=lambda _file, rows: seen.append(rows), ingest={"batch_rows": 9})
    assert sum(seen) == 80
    assert_sums_are_those_of_counts(found)
