"""Whether two units were taken for one: had they the same first hash, their second would differ."""

import numpy as np
import numpy.typing as npt
import polars as pl

from abtest.counting.packed_keys import Keys, Layout

Checks = npt.NDArray[np.int32]
CHECK_BITS = 30
MIXER = np.uint64(0x9E3779B97F4A7C15)


def has_collision(keys: Keys, layout: Layout, checks: Checks) -> bool:
    """Whether keys of one unit differ in their checks.

    Nearly all rows are settled by a table with places for more units than there are: every row
    writes its check where its unit belongs, and reads what is there. Where all rows read what they
    wrote is one unit, or several with one check. Other places are looked at more closely.

    Args:
        keys: Of the rows of a bucket.
        layout: Of the keys.
        checks: Of every row's unit, from a hash that has nothing to do with that in the key.
    """
    bits = min(keys.size.bit_length(), 64 - layout.payload)
    place = (keys >> np.uint64(64 - bits)).view(np.int64)
    written = np.empty(1 << bits, np.int32)
    written[place] = checks
    differs = np.flatnonzero(written[place] != checks)
    if not differs.size:
        return False
    is_shared = np.zeros(1 << bits, np.bool_)
    is_shared[place[differs]] = True
    rows = np.flatnonzero(is_shared[place])
    units = keys[rows] >> np.uint64(layout.payload)
    return _n_distinct(units) != _n_distinct(units + checks[rows].astype(np.uint64) * MIXER)


def _n_distinct(values: Keys) -> int:
    ordered = pl.Series(values).sort(multithreaded=False).to_numpy()
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
