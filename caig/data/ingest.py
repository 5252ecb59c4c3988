"""A log of ads becomes a run: read, checked, pictures included, and only then written.

Everything that is wrong is told in one message, and nothing is written. What the configuration
allows to be left out is listed in the table ``left_out``, with the reason.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from caig.contracts.creatives import (
    CREATIVE_COUNTS,
    CREATIVE_DAYS,
    CREATIVES,
    LEFT_OUT,
    PRODUCTS,
    UNCATEGORISED,
)
from caig.contracts.headlines import HEADLINES
from caig.data.config import IngestConfig, SplitConfig
from caig.data.finding import Source, find_source
from caig.data.findings import SHOWN, Findings
from caig.data.pictures import bring_pictures, inspect_pictures
from caig.data.rows import Counted, count_rows
from caig.data.splits import split_of
from caig.data.streaming import write_batches
from caig.runs.store import RunWriter

HINTS = {
    "missing_image": "put the files there, name their folder with --images, or leave those ads out "
    "with --set problems.missing_image=skip",
    "broken_image": "write the pictures again, or leave those ads out with --set "
    "problems.broken_image=skip",
    "same_picture": "add their counts up with --set problems.same_picture=merge, or keep them "
    "apart, where they make no pair, with --set problems.same_picture=keep",
    "lone_creative": "leave those products out with --set problems.lone_creative=skip, or keep "
    "them with --set problems.lone_creative=keep",
    "no_picture": "leave those ads out with --set problems.no_picture=skip",
}
RULES = {
    "missing_image": "image files are missing",
    "broken_image": "image files are broken",
    "same_picture": "ads of one product show the same picture",
    "lone_creative": "products have one ad only, which makes no pair",
    "faulty_week": "readers were not assigned at random",
    "no_picture": "ads name no picture, so that none can be said to share it",
}
COLUMNS = {"lone_creative": "product_id", "no_picture": "picture"}
"""Column a reason is about, where it is not the ad's content."""


@dataclass(frozen=True)
class Ingested:
    """A source that is sound and ready to be written.

    Attributes:
        source: What it was read from.
        counted: Its rows.
        ads: Ads to write: columns of :class:`Counted`'s, and image_sha256, suffix, width, height;
            of a log of headlines, the headline in place of the image, and picture, test_id,
            story_id.
        merged: Ads whose counts went to another: creative_id, into.
        left_out: ``left_out/1``.
    """

    source: Source
    counted: Counted
    ads: pl.DataFrame
    merged: pl.DataFrame
    left_out: pl.DataFrame


@contextmanager
def read_source(
    names: Sequence[Path],
    images: Path | None,
    config: IngestConfig,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Ingested]:
    """Read and check a source; what is yielded can be written as long as the context lasts.

    Args:
        names: One folder, or files of one kind.
        images: Folder of images; None for where the kind has them.
        config: What is read how.
        advance: Told how many more pictures are inspected.

    Raises:
        DataError: Anything is wrong that the configuration does not allow.
    """
    source = find_source(names, images, config)
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="caig-rows-") as folder:
        counted = count_rows(
            source.files,
            Path(folder),
            findings,
            repeats_add=config.problems.repeated_rows == "add",
        )
        if counted is None:
            findings.refuse(source.named())
        assert counted is not None
        if source.headlines is None:
            names_of_images = counted.ads["image"].unique(maintain_order=True)
            pictures = inspect_pictures(names_of_images, source.images, advance=advance)
            chosen = _Choice(source, counted.ads.join(pictures, on="image", how="left"), findings)
            for reason in ("missing_image", "broken_image"):
                chosen.apply(reason, getattr(config.problems, reason), pl.col("problem") == reason)
            chosen.settle_same_picture(config.problems.same_picture)
        else:
            known = counted.ads.join(source.headlines, on="creative_id")
            chosen = _Choice(source, known.with_columns(detail=pl.lit(None, pl.String)), findings)
            chosen.apply("faulty_week", config.problems.faulty_week, pl.col("is_faulty"))
            chosen.apply("no_picture", config.problems.no_picture, pl.col("picture").is_null())
        is_alone = pl.len().over("product_id") == 1
        chosen.apply("lone_creative", config.problems.lone_creative, is_alone)
        if chosen.ads.is_empty():
            findings.add("rows", "no ad is left", [], count=counted.ads.height)
        findings.refuse(source.named())
        yield Ingested(source, counted, chosen.ads, chosen.merged, chosen.left_out())


class _Choice:
    """Ads while it is decided which are kept."""

    def __init__(self, source: Source, ads: pl.DataFrame, findings: Findings) -> None:
        self.ads = ads.sort("product_id", "creative_id")
        self.merged = pl.DataFrame(schema={"creative_id": pl.String, "into": pl.String})
        self._source = source
        self._findings = findings
        self._left_out = [LEFT_OUT.empty()]

    def apply(self, reason: str, what_to_do: str, is_meant: pl.Expr) -> None:
        """Tell of the ads that are meant, leave them out, or keep them."""
        meant = self.ads.filter(is_meant)
        if what_to_do == "keep":
            return
        if what_to_do == "refuse":
            self._tell(reason, meant)
        self._leave_out(reason, meant, pl.coalesce("detail", pl.lit(RULES[reason])))

    def settle_same_picture(self, what_to_do: str) -> None:
        """Tell of ads of one product with one picture, add up their counts, or keep them."""
        of_picture = ("product_id", "image_sha256")
        is_sound = pl.col("image_sha256").is_not_null()
        copies = self.ads.filter(is_sound & (pl.len().over(of_picture) > 1))
        if what_to_do == "keep" or copies.is_empty():
            return
        if what_to_do == "refuse":
            self._tell("same_picture", copies)
            return
        into = pl.col("creative_id").first().over(of_picture)
        copies = copies.with_columns(into=into)
        sums = copies.group_by("into").agg(pl.col("n_impressions", "n_clicks").sum())
        others = copies.filter(pl.col("creative_id") != pl.col("into"))
        self.merged = others.select("creative_id", "into")
        self._leave_out(
            "same_picture", others, pl.format("the picture of {}; counts were added to it", "into")
        )
        self.ads = self.ads.update(sums, left_on="creative_id", right_on="into")

    def left_out(self) -> pl.DataFrame:
        """``left_out/1``."""
        return pl.concat(self._left_out).sort("creative_id")

    def _leave_out(self, reason: str, meant: pl.DataFrame, detail: pl.Expr) -> None:
        paths = [str(file.path) for file in self._source.files]
        self._left_out.append(
            meant.select(
                "creative_id",
                "product_id",
                pl.lit(reason).alias("reason"),
                pl.Series(paths).gather(meant["file"]).alias("file"),
                pl.col("row").alias("file_row"),
                pl.format("{}: {}", "image", detail).alias("detail"),
            )
        )
        self.ads = self.ads.join(meant, on="creative_id", how="anti", maintain_order="left")

    def _tell(self, reason: str, meant: pl.DataFrame) -> None:
        names = self._source.files[0].names
        column = COLUMNS.get(reason, "image")
        shown = (
            f"{self._source.files[row['file']].path} {self._source.files[row['file']].unit} "
            f"{row['row']}: {names.get('product_id', 'product_id')}={row['product_id']!r}, "
            f"{names.get('image', 'image')}={row['image']!r}"
            + (f": {row['detail']}" if row["detail"] else "")
            for row in meant.head(SHOWN).iter_rows(named=True)
        )
        self._findings.add(
            f"'{names.get(column, column)}'",
            RULES[reason],
            shown,
            count=meant.height,
            hint=HINTS[reason],
        )


def write_ingested(ingested: Ingested, config: IngestConfig, runs: Path) -> Path:
    """Write a source as a run: its tables and its pictures.

    Args:
        ingested: The source.
        config: How it was read.
        runs: Folder of all runs.

    Returns:
        Folder of the run.

    Raises:
        DataError: A picture changed since it was inspected; the run is listed as failed.
    """
    source, ads = ingested.source, ingested.ads
    with RunWriter(runs, "ingest", config, files=source.as_inputs()) as run:
        if source.headlines is None:
            pictures = ads.unique("image", maintain_order=True)
            brought = bring_pictures(
                pictures, source.images, run.path, as_links=config.pictures == "link"
            )
            schema = {"image": pl.String, "image_path": pl.String}
            paths = pl.DataFrame(list(brought), schema=schema, orient="row")
            with_paths = ads.join(paths, on="image", maintain_order="left")
            run.write_table(CREATIVES, _creatives(with_paths))
        else:
            headlines = ads.rename({"image": "headline"})
            run.write_table(HEADLINES, headlines.select(HEADLINES.schema.names()))
            run.add_metric("tests", ads["test_id"].n_unique())
            run.add_metric("stories", ads["story_id"].n_unique())
        run.write_table(CREATIVE_COUNTS, ads.select(CREATIVE_COUNTS.schema.names()))
        run.write_table(PRODUCTS, _products(ingested, config.split))
        if ingested.left_out.height:
            run.write_table(LEFT_OUT, ingested.left_out)
        if ingested.counted.has_days:
            days = _days(ingested).collect_batches(maintain_order=True)
            write_batches(run, CREATIVE_DAYS, days)
        run.add_metric("products", ads["product_id"].n_unique())
        run.add_metric("ads", ads.height)
        run.add_metric("impressions", int(ads["n_impressions"].sum()))
        run.add_metric("clicks", int(ads["n_clicks"].sum()))
        run.add_metric("rows", ingested.counted.n_rows)
        run.add_metric("left_out", ingested.left_out.height)
    return run.path


def _creatives(ads: pl.DataFrame) -> pl.DataFrame:
    unknown = {"sample_id": pl.String, "generator": pl.String, "seed": pl.Int64}
    return ads.select(
        "creative_id",
        "product_id",
        "image_path",
        "image_sha256",
        pl.lit("logged").alias("source"),
        *(pl.lit(None, dtype).alias(name) for name, dtype in unknown.items()),
        "width",
        "height",
    )


def _products(ingested: Ingested, split: SplitConfig) -> pl.DataFrame:
    kept = ingested.ads.select("product_id").unique()
    told = ingested.counted.products.join(kept, on="product_id", how="semi", maintain_order="left")
    stated = set(told["split"].drop_nulls())
    # Where the source says what is test, the rest is not.
    shares = {f"{name}_share": 0.0 for name in ("val", "test") if name in stated}
    divided = split_of(told["product_id"], split.model_copy(update=shares))
    category = pl.col("category").fill_null(UNCATEGORISED)
    return told.select(
        "product_id",
        pl.col("title").fill_null(""),
        category,
        category.alias("category_path"),
        pl.lit(None, pl.String).alias("cutout_path"),
        pl.col("split").fill_null(divided),
    )


def _days(ingested: Ingested) -> pl.LazyFrame:
    """``creative_days/1`` of the ads that were kept, the merged ones under their new name."""
    kept = ingested.ads.select("creative_id", into="creative_id")
    names = pl.concat([kept, ingested.merged])
    return (
        ingested.counted.rows.filter(pl.col("day").is_not_null())
        .join(names.lazy(), on="creative_id")
        .group_by(pl.col("into").alias("creative_id"), "day")
        .agg(pl.col("n_impressions", "n_clicks").sum())
        .sort("creative_id", "day")
        .select(CREATIVE_DAYS.schema.names())
    )
