"""The shop's own data that pre-training learns from: products, their ads, captions and clicks.

Tables come from a run: products/1, creatives/1, captions/1, and creative_counts/1 where there is
one. Tables of truth are never read here. Pictures stay files until a model needs them.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.contracts.creatives import CREATIVE_COUNTS
from caig.errors import DataError, Problem
from caig.runs.store import Run


class Ad(NamedTuple):
    """One ad of a product.

    Attributes:
        product_id: Product shown.
        image: Its picture.
        caption: Its background in words, place first.
        ctr: Clicks per impression, shrunk towards the category's (fraction); None if never shown.
    """

    product_id: str
    image: Path
    caption: str
    ctr: float | None

    @property
    def place(self) -> str:
        """First phrase of the caption."""
        return place_of(self.caption)


class Item(NamedTuple):
    """One product with its ads.

    Attributes:
        product_id: Identifier.
        title: Title; untrusted text.
        category: Leaf category.
        category_path: From root to leaf, joined by " > ".
        split: "train", "val" or "test".
        cutout: Picture of the product alone.
        ads: Its ads that have a caption.
    """

    product_id: str
    title: str
    category: str
    category_path: str
    split: str
    cutout: Path
    ads: tuple[Ad, ...]


@dataclass(frozen=True)
class Corpus:
    """Products with their ads.

    Attributes:
        items: All products, whatever their split.
    """

    items: tuple[Item, ...]

    def of_split(self, split: str) -> "Corpus":
        """The products of one split."""
        return Corpus(tuple(item for item in self.items if item.split == split))

    @property
    def ads(self) -> list[Ad]:
        """Ads of all products."""
        return [ad for item in self.items for ad in item.ads]

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Places that captions begin with, the most frequent first."""
        counted = Counter(ad.place for ad in self.ads)
        return tuple(sorted(counted, key=lambda place: (-counted[place], place)))

    @cached_property
    def phrases(self) -> frozenset[str]:
        """All phrases of all captions."""
        return frozenset(phrase for ad in self.ads for phrase in phrases_of(ad.caption))

    @cached_property
    def idle_words(self) -> tuple[str, ...]:
        """Words of titles that are of no category's name."""
        telling = {
            word
            for item in self.items
            for part in item.category.split()
            for word in category_words(part)
        }
        spoken = {word for item in self.items for word in item.title.split()}
        return tuple(
            w for w in sorted(spoken) if not telling & set(re.findall("[a-z]+", w.lower()))
        )

    @cached_property
    def place_shares(self) -> dict[tuple[str, str], float]:
        """Share of a category's ads that show a place, by (category, place)."""
        ads = [(item.category, ad.place) for item in self.items for ad in item.ads]
        totals, counted = Counter(category for category, _ in ads), Counter(ads)
        return {key: n / totals[key[0]] for key, n in counted.items()}


def phrases_of(text: str) -> list[str]:
    """Phrases of a background, in order: "beach, night." has "beach" and "night"."""
    parts = (part.strip().rstrip(".").strip() for part in text.split(","))
    return [part for part in parts if part]


def place_of(text: str) -> str:
    """First phrase of a background; empty if there is none."""
    return next(iter(phrases_of(text)), "")


def names_category(title: str, category: str) -> bool:
    """True if a title says its category's last word, in the singular or the plural."""
    return bool(category_words(category) & set(re.findall(r"[a-z]+", title.lower())))


def category_words(category: str) -> set[str]:
    """The category's last word, in the singular and the plural, in small letters."""
    word = category.lower().split()[-1]
    hisses = word.endswith(("ches", "shes", "sses", "xes"))
    singular = word.removesuffix("es") if hisses else word.removesuffix("s")
    return {singular, word, f"{singular}s"}


def read_corpus(run: Run) -> Corpus:
    """Read a run's products and ads.

    Raises:
        ArtifactError: A table is missing.
        DataError: No ad has a caption, or no product is for training.
    """
    tables = {name: run.table(name) for name in ("products", "creatives", "captions")}
    counts = run.table("creative_counts") if "creative_counts" in run.manifest.artifacts else None
    return build_corpus(**tables, counts=counts, folder=run.path)


def build_corpus(
    products: pl.DataFrame,
    creatives: pl.DataFrame,
    captions: pl.DataFrame,
    counts: pl.DataFrame | None,
    folder: Path,
) -> Corpus:
    """Put the tables together.

    Args:
        products: ``products/1``.
        creatives: ``creatives/1``.
        captions: ``captions/1``.
        counts: ``creative_counts/1``, or None.
        folder: Folder that the tables' paths are relative to.

    Raises:
        DataError: No ad has a caption, or no product is for training.
    """
    counts = CREATIVE_COUNTS.empty() if counts is None else counts
    ads = creatives.join(captions, on="creative_id").join(counts, on="creative_id", how="left")
    ads = ads.join(products.select("product_id", "category"), on="product_id")
    ads = ads.with_columns(_shrunken_ctr().alias("ctr"))
    of_product: dict[str, list[Ad]] = {}
    for row in ads.sort("creative_id").iter_rows(named=True):
        ad = Ad(row["product_id"], folder / row["image_path"], row["caption"], row["ctr"])
        of_product.setdefault(ad.product_id, []).append(ad)
    items = tuple(
        Item(
            row["product_id"],
            row["title"],
            row["category"],
            row["category_path"],
            row["split"],
            folder / row["cutout_path"],
            tuple(of_product.get(row["product_id"], ())),
        )
        for row in products.sort("product_id").iter_rows(named=True)
    )
    corpus = Corpus(items)
    _require(corpus, products, captions, source=str(folder))
    return corpus


def _shrunken_ctr() -> pl.Expr:
    """CTR with a thousand impressions' worth of the category's own, null where never shown."""
    clicks, shown = pl.col("n_clicks"), pl.col("n_impressions")
    usual = clicks.sum().over("category") / shown.sum().over("category")
    return pl.when(shown > 0).then((clicks + 1000 * usual) / (shown + 1000))


def _require(corpus: Corpus, products: pl.DataFrame, captions: pl.DataFrame, source: str) -> None:
    problems: list[Problem] = []
    if not corpus.of_split("train").items:
        found = ", ".join(products["split"].unique().sort()) or "none"
        problems.append(Problem("products.split", f"no product is 'train'; splits: {found}"))
    elif not corpus.of_split("train").ads:
        said = f"none of the {captions.height:,} captions is of an ad of a training product"
        problems.append(Problem("captions", said, hint="captions.creative_id must name creatives"))
    if problems:
        raise DataError.from_problems(source, problems)
