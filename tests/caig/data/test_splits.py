"""Splits: stable for ever, by product alone, in the shares asked for."""

import polars as pl
import pytest
from pydantic import ValidationError

from caig.data.config import SplitConfig
from caig.data.splits import split_of, stable_hash

PRODUCTS = pl.Series([f"product {n}" for n in range(20_000)])


def test_the_hash_is_the_one_of_the_standard_for_ever():
    # BLAKE2b with a digest of 8 bytes; b2sum -l 64 prints the same.
    assert [f"{h:016x}" for h in stable_hash(pl.Series(["", "abc"]))] == [
        "e4a6a0577479b2b4",
        "d8bb14d833d59559",
    ]


def test_shares():
    shares = split_of(PRODUCTS, SplitConfig(val_share=0.05, test_share=0.2)).value_counts()
    found = {split: n / PRODUCTS.len() for split, n in shares.iter_rows()}
    assert found == pytest.approx({"train": 0.75, "val": 0.05, "test": 0.2}, abs=0.01)


def test_a_product_stays_where_it_is_whatever_comes_beside_it():
    config = SplitConfig()
    few = PRODUCTS.gather_every(7)
    assert split_of(few, config).equals(split_of(PRODUCTS, config).gather_every(7))
    # A larger test split keeps what was in it.
    larger = split_of(PRODUCTS, SplitConfig(test_share=0.3))
    assert set(larger.filter(split_of(PRODUCTS, config) == "test")) == {"test"}


def test_another_salt_divides_anew():
    one, other = (split_of(PRODUCTS, SplitConfig(salt=s)) for s in ("a", "b"))
    assert 0.25 < (one != other).mean() < 0.42


def test_nothing_left_to_train_on():
    with pytest.raises(ValidationError, match="must leave products to train on"):
        SplitConfig(val_share=0.5, test_share=0.5)
