"""Numbers of names: the same in every batch, and never those of another name."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.counting.name_codes import FEW, MOST_IN_TABLE, NameCodes, RowNames


def assert_named(codes: NameCodes, names: list[str]):
    found = codes.codes(pl.Series(names, dtype=pl.String))
    assert codes.names.gather(pl.Series(found)).to_list() == names


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(max_size=20), min_size=1, max_size=30), min_size=1, max_size=6))
def test_every_row_gets_the_number_of_its_name(batches):
    codes = NameCodes()
    for batch in batches:
        assert_named(codes, batch)
    assert codes.names.to_list() == list(dict.fromkeys(name for batch in batches for name in batch))


@pytest.mark.parametrize("number", [1, FEW, FEW + 1, 44, MOST_IN_TABLE, MOST_IN_TABLE + 1, 5_000])
def test_any_number_of_names(number):
    names = [f"a category of some length, number {i}" for i in range(number)]
    codes = NameCodes()
    for _ in range(2):
        assert_named(codes, names)
    assert codes.names.to_list() == names


def test_names_that_fall_on_the_place_of_a_known_name_are_new_names():
    """A table of 4,096 places has none left for 20,000 names that come one by one."""
    codes = NameCodes()
    assert_named(codes, [f"known {i}" for i in range(FEW + 1)])
    for first in range(0, 20_000, 500):
        names = [f"name {i}" for i in range(first, first + 500)]
        assert_named(codes, names)
        codes.forget(FEW + 1)
    assert codes.names.len() == FEW + 1


def test_forgotten_names_get_numbers_anew():
    codes = NameCodes()
    assert codes.codes(pl.Series(["a", "b"])).tolist() == [0, 1]
    assert codes.codes(pl.Series(["x", "b", "y", "z", "x"])).tolist() == [2, 1, 3, 4, 2]
    codes.forget(2)
    assert codes.codes(pl.Series(["z", "a", "x"])).tolist() == [2, 0, 3]


def rows(**columns):
    filled = {name: ["a", "b"] for name in ("experiment_id", "arm", "category")} | columns
    return pl.DataFrame(filled, dict.fromkeys(filled, pl.String))


def test_columns_of_nulls_and_half_of_nulls():
    names = RowNames()
    found = names.codes(rows(category=[None, None]))
    assert found["category"].tolist() == [0, 0]
    assert found["arm"].tolist() == [0, 1]
    assert names.of["category"].names.is_empty()
    assert names.codes(rows(category=["a", None])) is None


def test_the_latest_names_are_forgotten_in_all_columns():
    names = RowNames()
    names.codes(rows())
    names.codes(rows(arm=["c", "NULL"], category=["d", "a"]))
    names.forget_latest()
    assert {column: of.names.to_list() for column, of in names.of.items()} == {
        "experiment_id": ["a", "b"],
        "arm": ["a", "b"],
        "category": ["a", "b"],
    }
    assert np.array_equal(names.codes(rows())["arm"], [0, 1])
