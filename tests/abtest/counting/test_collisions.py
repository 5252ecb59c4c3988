"""Collisions of units' hashes, against a search through all pairs of hash and check."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.counting.collisions import CHECK_BITS, has_collision
from abtest.counting.packed_keys import Layout

LAYOUT = Layout(arm=1, category=6, day=4, c=1, first_day=0, last_day=13)


def drawn(n_units: int, n_rows: int, seed: int = 1):
    """Keys and checks of rows, and the number of every row's unit."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 1 << (64 - LAYOUT.payload), n_units, np.uint64)
    checks = rng.integers(0, 1 << CHECK_BITS, n_units, np.int32)
    unit = rng.integers(0, n_units, n_rows)
    payload = rng.integers(0, 1 << LAYOUT.payload, n_rows, np.uint64)
    return (hashes[unit] << np.uint64(LAYOUT.payload)) | payload, checks[unit], unit


@pytest.mark.parametrize(("n_units", "n_rows"), [(1, 1), (1, 500), (6_000, 80_000), (5_000, 5_000)])
def test_units_of_their_own_hash_do_not_collide(n_units, n_rows):
    keys, checks, _ = drawn(n_units, n_rows)
    assert not has_collision(keys, LAYOUT, checks)


@pytest.mark.parametrize("n_rows", [2, 50, 80_000])
def test_one_row_of_another_unit_is_found(n_rows):
    """Wherever it lies, and however many units share places of the table."""
    for seed in range(20):
        keys, checks, unit = drawn(max(1, n_rows // 12), n_rows, seed)
        often = np.flatnonzero(np.bincount(unit) > 1)
        if not often.size:
            continue
        row = np.flatnonzero(unit == often[seed % often.size])[-1]
        changed = checks.copy()
        changed[row] ^= 1 << (seed % CHECK_BITS)
        assert has_collision(keys, LAYOUT, changed)
        assert not has_collision(keys, LAYOUT, checks)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=60),
    st.booleans(),
)
def test_any_rows(rows, is_spread):
    """Hashes that lie in a row share places of the table; spread ones do not."""
    hashes = np.array([unit for unit, _ in rows], np.uint64)
    if is_spread:
        hashes *= np.uint64((1 << (64 - LAYOUT.payload)) // 41)
    checks = np.array([check for _, check in rows], np.int32)
    found = has_collision(hashes << np.uint64(LAYOUT.payload), LAYOUT, checks)
    assert found == (len(set(rows)) > len({unit for unit, _ in rows}))
