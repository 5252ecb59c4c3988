"""Ads as tensors, and steps of training: which products, their ads, the pairs among them.

A step is a set of products with their ads, and every pair among those ads that the pair table
holds: an ad is read once however many pairs it is in. All that is random about a step is drawn from
its number, for the whole step, before it is cut into parts for micro-batches and processes; so the
parts add up to the same whole, and a resumed run needs no state of a random generator.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from caig.reward.config import TrainSection
from caig.reward.model import SiameseRewardConfig, SiameseRewardModel
from caig.reward.pictures import read_pixels
from caig.reward.titles import TitleReader

Ints = NDArray[np.int64]
Flips = NDArray[np.bool_] | Sequence[bool]


class Ads:
    """Ads as a model reads them.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        config: The model's: picture size, kinds, words, mean and spread of log-CTR.
        cache_mb: Decoded pictures kept in memory (MB); the others are decoded each time.
    """

    def __init__(self, table: pl.DataFrame, config: SiameseRewardConfig, *, cache_mb: int) -> None:
        self._paths = table["path"].to_list()
        text = pl.format("{} {}", "title", "category") if config.reads_category else pl.col("title")
        self._titles = table.select(text.alias("text"))["text"].to_list()
        self._size = config.image_size
        self._read_titles = TitleReader(config.kinds, config.vocabulary)
        self.n_words = len(config.kinds) + len(config.vocabulary)
        self._known_titles: dict[str, Tensor] = {}
        self._cached: dict[int, Tensor] = {}
        self._cache_bytes = cache_mb * 2**20
        self._seen: dict[tuple[int, bool], Tensor] = {}
        ctr = table["n_clicks"].to_numpy() / table["n_impressions"].to_numpy()
        self.ctr = torch.from_numpy(ctr).float()
        self.log_ctr = (self.ctr.log() - config.log_ctr_mean) / config.log_ctr_sd
        places = {kind: i for i, kind in enumerate(config.kinds)}
        self.kind = torch.tensor([places.get(kind, -1) for kind in table["category"]])

    def pixels(self, rows: Sequence[int] | Ints) -> Tensor:
        """Pictures of some ads, (B, 3, S, S) uint8.

        Raises:
            DataError: A picture cannot be read.
        """
        pictures = [self._picture(int(row)) for row in rows]
        none = torch.zeros(0, 3, self._size, self._size, dtype=torch.uint8)
        return torch.stack(pictures) if pictures else none

    def seen(self, model: SiameseRewardModel, rows: Sequence[int] | Ints, flips: Flips) -> Tensor:
        """What a model that ``sees_once`` sees of some ads, mirrored or not; kept in memory.

        Args:
            model: The model; it must be the same in every call.
            rows: (B,) ads.
            flips: (B,) whether each is mirrored.
        """
        keys = list(zip((int(row) for row in rows), (bool(flip) for flip in flips), strict=True))
        unknown = sorted({key for key in keys if key not in self._seen})
        fresh: dict[tuple[int, bool], Tensor] = {}
        if unknown:
            pixels = self.pixels([row for row, _ in unknown])
            pixels = _mirrored(pixels, torch.tensor([flip for _, flip in unknown]))
            fresh = dict(zip(unknown, model.see(pixels.to(model.device)).cpu(), strict=True))
            room = self._cache_bytes // (next(iter(fresh.values())).nbytes or 1) - len(self._seen)
            self._seen |= {key: found.clone() for key, found in list(fresh.items())[: max(room, 0)]}
        return torch.stack([self._seen[key] if key in self._seen else fresh[key] for key in keys])

    def title_features(self, rows: Sequence[int] | Ints) -> Tensor:
        """What their titles say, (B, kinds + vocabulary)."""
        features = [self._title(self._titles[row]) for row in rows]
        return torch.stack(features) if features else torch.zeros(0, self.n_words)

    def _picture(self, row: int) -> Tensor:
        picture = self._cached.get(row)
        if picture is None:
            pixels = np.array(read_pixels(self._paths[row], self._size))  # a copy: torch writes
            picture = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
            if len(self._cached) < self._cache_bytes // picture.nbytes:
                self._cached[row] = picture
        return picture

    def _title(self, title: str) -> Tensor:
        if title not in self._known_titles:
            self._known_titles[title] = torch.from_numpy(self._read_titles([title])[0])
        return self._known_titles[title]


class Products:
    """Pairs by product.

    Args:
        pairs: ``creative_pairs/1``.
        table: Ads as ``ads_of_pairs`` gives them.
    """

    def __init__(self, pairs: pl.DataFrame, table: pl.DataFrame) -> None:
        rows = table.select("creative_id").with_row_index("row")
        placed = pairs.select(
            "product_id",
            pl.col("p_left_better").cast(pl.Float32),
            *(
                pl.col(f"{side}_id").replace_strict(rows["creative_id"], rows["row"]).alias(side)
                for side in ("left", "right")
            ),
        ).sort("product_id", "left", "right")
        self.left = placed["left"].to_numpy().astype(np.int64)
        self.right = placed["right"].to_numpy().astype(np.int64)
        self.p_left_better = placed["p_left_better"].to_numpy()
        lengths = placed.group_by("product_id", maintain_order=True).len()["len"].to_numpy()
        self.starts: Ints = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def fingerprint(self) -> str:
        """SHA-256 of all pairs: what a saved state was trained on."""
        digest = hashlib.sha256()
        for column in (self.left, self.right, self.p_left_better):
            digest.update(column.tobytes())
        return digest.hexdigest()


class Part(NamedTuple):
    """A part of a step, as indices: A ads and the pairs among them.

    Attributes:
        rows: (A,) rows of the ads.
        left: (P,) place in ``rows`` of each pair's left ad.
        right: (P,) likewise of the right.
        p_left_better: (P,) posterior.
        is_flipped: (A,) which pictures are mirrored.
        shift: (A, 2) by how far they are moved down and right (px).
        keeps_word: (A, kinds + vocabulary) 1 where a title's number is kept, 0 where withheld.
        n_ads: Ads of the whole step, over all parts.
        n_pairs: Pairs of the whole step, over all parts.
    """

    rows: Ints
    left: Ints
    right: Ints
    p_left_better: NDArray[np.float32]
    is_flipped: NDArray[np.bool_]
    shift: Ints
    keeps_word: NDArray[np.float32]
    n_ads: int
    n_pairs: int


def steps_an_epoch(n_products: int, config: TrainSection) -> int:
    """Steps of a pass over the products; the last one may be smaller."""
    return -(-n_products // config.products_per_step)


def parts_of_step(
    products: Products, config: TrainSection, *, n_words: int, seed: int, step: int, parts: int
) -> list[Part]:
    """One step, cut into parts by product.

    Args:
        products: Training products.
        config: How many of them a step has, and how ads are altered.
        n_words: Length of a title's vector.
        seed: The run's seed.
        step: Number of the step, from 0, over all epochs.
        parts: Parts wanted: micro-batches times processes. Some may be empty in the last step.
    """
    per_epoch = steps_an_epoch(len(products), config)
    epoch, at = divmod(step, per_epoch)
    order = np.random.default_rng([seed, 0, epoch]).permutation(len(products))
    chosen = order[at * config.products_per_step : (at + 1) * config.products_per_step]
    rng = np.random.default_rng([seed, 1, step])
    drawn = [_drawn(products, int(p), config, n_words, rng) for p in chosen]
    n_ads, n_pairs = (sum(len(x) for x in column) for column in list(zip(*drawn, strict=True))[:2])
    return [_joined(drawn[part::parts], n_words, n_ads, n_pairs) for part in range(parts)]


def altered(pixels: Tensor, part: Part, *, shift: int) -> Tensor:
    """Pictures mirrored and moved; what moves in repeats the edge.

    Args:
        pixels: (A, 3, S, S) uint8.
        part: What to do with each.
        shift: Largest move (px).
    """
    pixels = _mirrored(pixels, torch.from_numpy(part.is_flipped))
    if not shift:
        return pixels
    side = pixels.shape[-1]
    # Padding by repetition is not made for bytes.
    wide = functional.pad(pixels.float(), (shift,) * 4, mode="replicate").to(torch.uint8)
    return torch.stack(
        [
            picture[:, shift - down : shift - down + side, shift - right : shift - right + side]
            for picture, (down, right) in zip(wide, part.shift.tolist(), strict=True)
        ]
    )


def _mirrored(pixels: Tensor, is_flipped: Tensor) -> Tensor:
    return torch.where(is_flipped[:, None, None, None], pixels.flip(3), pixels)


_Drawn = tuple[Ints, Ints, Ints, NDArray[np.float32], NDArray[np.bool_], Ints, NDArray[np.float32]]
"""A product's ads; its pairs as indices and places; its posteriors; flips, shifts, kept words."""


def _drawn(
    products: Products, product: int, config: TrainSection, n_words: int, rng: np.random.Generator
) -> _Drawn:
    pairs = slice(products.starts[product], products.starts[product + 1])
    left, right = products.left[pairs], products.right[pairs]
    posterior = products.p_left_better[pairs]
    rows = np.unique(np.concatenate([left, right]))
    if len(rows) > config.ads_per_product:
        # Whole pairs first, or a product of few pairs among many ads might give none at all.
        order = rng.permutation(len(left))
        both = np.stack([left, right], axis=1)[order].ravel()
        first_seen = np.sort(np.unique(both, return_index=True)[1])[: config.ads_per_product]
        rows = np.sort(both[first_seen])
        kept = np.isin(left, rows) & np.isin(right, rows)
        left, right, posterior = left[kept], right[kept], posterior[kept]
    n = len(rows)
    flips = (rng.random(n) < 0.5) & config.flip
    shifts = rng.integers(-config.shift, config.shift + 1, (n, 2))
    keeps_title = rng.random((n, 1)) >= config.title_drop
    keeps_word = (rng.random((n, n_words)) >= config.word_drop) & keeps_title
    places = np.stack([np.searchsorted(rows, left), np.searchsorted(rows, right)])
    return rows, places[0], places[1], posterior, flips, shifts, keeps_word.astype(np.float32)


def _joined(drawn: list[_Drawn], n_words: int, n_ads: int, n_pairs: int) -> Part:
    if not drawn:
        none, floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        moves, words = none.reshape(0, 2), np.zeros((0, n_words), np.float32)
        return Part(none, none, none, floats, none > 0, moves, words, n_ads, n_pairs)
    rows, left, right, posterior, flips, shifts, keeps = zip(*drawn, strict=True)
    first = np.cumsum([0, *(len(r) for r in rows[:-1])])
    return Part(
        np.concatenate(rows),
        np.concatenate([a + f for a, f in zip(left, first, strict=True)]),
        np.concatenate([a + f for a, f in zip(right, first, strict=True)]),
        np.concatenate(posterior),
        np.concatenate(flips),
        np.concatenate(shifts),
        np.concatenate(keeps),
        n_ads,
        n_pairs,
    )
