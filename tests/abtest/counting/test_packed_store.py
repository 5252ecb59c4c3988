"""Keys kept by bucket: all come back, and those on disk take no memory."""

import tracemalloc

import numpy as np
import pytest

from abtest.counting.collisions import CHECK_BITS
from abtest.counting.packed_keys import Layout
from abtest.counting.packed_store import N_BUCKETS, KeyStore

LAYOUT = Layout(arm=1, category=3, first_day=0, last_day=0)


def drawn(n_rows: int):
    rng = np.random.default_rng(n_rows)
    units, others = rng.integers(0, 1 << 64, (2, n_rows), np.uint64)
    return rng.integers(0, 16, n_rows).astype(np.uint32), units, others


@pytest.mark.parametrize("rows_in_memory", [0, 2_000, 10**6])
@pytest.mark.parametrize("batches", [[1], [900, 100, 4_000], [2_500] * 3])
def test_every_row_lies_in_its_bucket_with_its_check(rows_in_memory, batches, monkeypatch):
    monkeypatch.setattr("abtest.counting.packed_store.ROWS_AT_ONCE", 1_000)
    store = KeyStore(rows_in_memory)
    expected: dict[int, list[tuple[int, int]]] = {number: [] for number in range(N_BUCKETS)}
    for size in batches:
        payload, units, others = drawn(size)
        store.add(LAYOUT, payload, units, others)
        keys, checks = LAYOUT.with_units(payload, units), others >> np.uint64(64 - CHECK_BITS)
        for unit, pair in zip(units, zip(keys, checks, strict=True), strict=True):
            expected[int(unit) >> 56].append((int(pair[0]), int(pair[1])))
    store.put_away()
    for number, pairs in expected.items():
        keys, checks = store.bucket(number, LAYOUT)
        assert list(zip(keys.tolist(), checks.tolist(), strict=True)) == pairs
    store.close()


def test_keys_on_disk_take_no_memory():
    rows = drawn(100_000)
    kept = []
    for rows_in_memory in (0, 10**6):
        tracemalloc.start()
        store = KeyStore(rows_in_memory)
        store.add(LAYOUT, *rows)
        store.put_away()
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        store.close()
    on_disk, in_memory = kept
    assert in_memory > 12 * 100_000 > 12 * on_disk
