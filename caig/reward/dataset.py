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

from caig.reward.captions import said_phrases
from caig.reward.config import TrainSection
from caig.reward.mllm_model import MllmRewardConfig
from caig.reward.model import SiameseRewardConfig
from caig.reward.pictures import read_pixels
from caig.reward.titles import TitleReader

Ints = NDArray[np.int64]


class Targets(NamedTuple):
    """What is known of A ads.

    Attributes:
        ctr: (A,) clicks by impressions.
        log_ctr: (A,) its logarithm, standardised; -inf for an ad that was never clicked.
        kind: (A,) index of the product's kind; -1 for one that is not among them.
        said: (A, phrases) whether the caption has each; NaN where there is no caption.
    """

    ctr: Tensor
    log_ctr: Tensor
    kind: Tensor
    said: Tensor

    @classmethod
    def of_ads(
        cls,
        table: pl.DataFrame,
        config: SiameseRewardConfig | MllmRewardConfig,
        *,
        kinds: Sequence[str] = (),
    ) -> "Targets":
        """Read them.

        Args:
            table: Ads as ``ads_of_pairs`` gives them.
            config: The model's: mean and spread of log-CTR, phrases.
            kinds: Names of the kinds.
        """
        ctr = torch.from_numpy(table["n_clicks"].to_numpy() / table["n_impressions"].to_numpy())
        places = {kind: i for i, kind in enumerate(kinds)}
        return cls(
            ctr.float(),
            (ctr.float().log() - config.log_ctr_mean) / config.log_ctr_sd,
            torch.tensor([places.get(kind, -1) for kind in table["category"]]),
            torch.from_numpy(said_phrases(table["caption"].to_list(), config.phrases)),
        )


class Pictures:
    """Decoded pictures, kept in memory as far as there is room.

    Args:
        paths: Files.
        size: Side that they are resampled to (px).
        cache_mb: Room (MB); the others are decoded each time.
    """

    def __init__(self, paths: Sequence[str], size: int, *, cache_mb: int) -> None:
        self._paths = paths
        self._size = size
        self._cached: dict[int, Tensor] = {}
        self._cache_bytes = cache_mb * 2**20

    def __call__(self, rows: Sequence[int] | Ints) -> Tensor:
        """Pictures of some ads, (B, 3, S, S) uint8.

        Raises:
            DataError: A picture cannot be read.
        """
        pictures = [self._picture(int(row)) for row in rows]
        none = torch.zeros(0, 3, self._size, self._size, dtype=torch.uint8)
        return torch.stack(pictures) if pictures else none

    def _picture(self, row: int) -> Tensor:
        picture = self._cached.get(row)
        if picture is None:
            pixels = np.array(read_pixels(self._paths[row], self._size))  # a copy: torch writes
            picture = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
            if len(self._cached) < self._cache_bytes // picture.nbytes:
                self._cached[row] = picture
        return picture


class Ads:
    """Ads as a small net or a vision tower reads them.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        config: The model's: picture size, kinds, words, mean and spread of log-CTR.
        cache_mb: Decoded pictures kept in memory (MB); the others are decoded each time.
    """

    def __init__(self, table: pl.DataFrame, config: SiameseRewardConfig, *, cache_mb: int) -> None:
        self._titles = table["title"].to_list()
        self._read_titles = TitleReader(config.kinds, config.vocabulary)
        self.n_words = len(config.kinds) + len(config.vocabulary)
        self._known_titles: dict[str, Tensor] = {}
        self.pixels = Pictures(table["path"].to_list(), config.image_size, cache_mb=cache_mb)
        known = Targets.of_ads(table, config, kinds=config.kinds)
        self.ctr, self.log_ctr, self.kind, self.said = known
        self._stated_kind: Tensor | None = None
        if config.reads_category:
            self._stated_kind = torch.zeros(table.height, max(len(config.kinds), 1))
            stated = self.kind >= 0
            self._stated_kind[stated, self.kind[stated]] = 1

    def inputs(self, rows: Sequence[int] | Ints) -> dict[str, Tensor]:
        """Some ads as ``forward`` takes them.

        Raises:
            DataError: A picture cannot be read.
        """
        return self._named(self.pixels(rows), self.title_features(rows), rows)

    def altered_inputs(self, part: "Part", *, shift: int) -> dict[str, Tensor]:
        """The ads of a part, mirrored and moved, with words withheld."""
        titles = self.title_features(part.rows) * torch.from_numpy(part.keeps_word)
        pixels = altered(self.pixels(part.rows), part, shift=shift)
        return self._named(pixels, titles, part.rows)

    def _named(
        self, pixels: Tensor, titles: Tensor, rows: Sequence[int] | Ints
    ) -> dict[str, Tensor]:
        named = {"pixel_values": pixels, "title_features": titles}
        if self._stated_kind is not None:
            named["stated_kind"] = self._stated_kind[list(rows)]
        return named

    def title_features(self, rows: Sequence[int] | Ints) -> Tensor:
        """What their titles say, (B, kinds + vocabulary)."""
        features = [self._title(self._titles[row]) for row in rows]
        return torch.stack(features) if features else torch.zeros(0, self.n_words)

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
        keeps_word: (A, n_words) 1 where a number of a title is kept, 0 where withheld; numbers are
            those of ``Ads.title_features``, or words.
        wording: (A,) which way of asking; any number.
        is_swapped: (P,) which pairs are shown right ad first, where both are shown at once.
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
    wording: Ints
    is_swapped: NDArray[np.bool_]
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
    asking = np.random.default_rng([seed, 3, step])
    drawn = [_drawn(products, int(p), config, n_words, rng=rng, asking=asking) for p in chosen]
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
    if not shift or not len(pixels):
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


_Drawn = tuple[
    Ints,
    Ints,
    Ints,
    NDArray[np.float32],
    NDArray[np.bool_],
    Ints,
    NDArray[np.float32],
    Ints,
    NDArray[np.bool_],
]
"""Of a product, the arrays of :class:`Part` in their order."""


def _drawn(
    products: Products,
    product: int,
    config: TrainSection,
    n_words: int,
    *,
    rng: np.random.Generator,
    asking: np.random.Generator,
) -> _Drawn:
    pairs = slice(products.starts[product], products.starts[product + 1])
    left, right = products.left[pairs], products.right[pairs]
    posterior = products.p_left_better[pairs]
    if 0 < config.pairs_per_product < len(left):
        some = np.sort(asking.permutation(len(left))[: config.pairs_per_product])
        left, right, posterior = left[some], right[some], posterior[some]
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
    wording = asking.integers(0, 2**16, n)
    swaps = asking.random(len(left)) < 0.5
    keeps = keeps_word.astype(np.float32)
    return rows, places[0], places[1], posterior, flips, shifts, keeps, wording, swaps


def _joined(drawn: list[_Drawn], n_words: int, n_ads: int, n_pairs: int) -> Part:
    if not drawn:
        none, floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        moves, words = none.reshape(0, 2), np.zeros((0, n_words), np.float32)
        bits = none > 0
        return Part(
            none, none, none, floats, bits, moves, words, none, bits, n_ads=n_ads, n_pairs=n_pairs
        )
    rows, left, right, posterior, flips, shifts, keeps, wording, swaps = zip(*drawn, strict=True)
    first = np.cumsum([0, *(len(r) for r in rows[:-1])])
    return Part(
        np.concatenate(rows),
        np.concatenate([a + f for a, f in zip(left, first, strict=True)]),
        np.concatenate([a + f for a, f in zip(right, first, strict=True)]),
        np.concatenate(posterior),
        np.concatenate(flips),
        np.concatenate(shifts),
        np.concatenate(keeps),
        np.concatenate(wording),
        np.concatenate(swaps),
        n_ads,
        n_pairs,
    )
