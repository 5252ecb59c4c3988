"""Which split a product belongs to, by a hash that no library version changes.

A split belongs to a product, never to a pair: ads of one product are alike, and a model that has
seen some of them has seen the answer for the others.
"""

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.data.config import SplitConfig

FULL = float(2**64)


def stable_hash(texts: pl.Series) -> NDArray[np.uint64]:
    """64 bits of BLAKE2b of each text, the same on every machine; shape (N,)."""
    digests = b"".join(hashlib.blake2b(t.encode(), digest_size=8).digest() for t in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def split_of(product_ids: pl.Series, config: SplitConfig) -> pl.Series:
    """Split of each product, by its identifier alone: adding products moves no other.

    Args:
        product_ids: Identifiers (String).
        config: Shares and salt.
    """
    place = stable_hash(config.salt + "/" + product_ids) / FULL
    in_test = place < config.test_share
    in_val = ~in_test & (place < config.test_share + config.val_share)
    names = np.where(in_test, "test", np.where(in_val, "val", "train"))
    return pl.Series("split", names, dtype=pl.String)
