"""The Upworthy Research Archive: randomised headline tests with their impressions and clicks.

Matias, Munger, Aubin Le Quere and Ebersole, Scientific Data 8, 195 (2021), OSF jd64p, CC BY 4.0. A
row is a package of a test: a headline beside a picture, each known by its identifier. One file or
several (exploratory, confirmatory, holdout); they are small and read whole.

What competes on equal terms are the headlines of one test beside *one picture*: such a set is a
product here, and a headline in it an ad. Packages of one test that differ in the picture never make
a pair, because which of both was clicked would be the picture's doing too. Packages that repeat a
headline and a picture of their test differ in what the reduced files do not hold (excerpt, lede);
their counts are one ad's.

The same story was tested again and again, so a split belongs to all tests that share a headline
(but for case and punctuation) or a picture, through others too. Its authors found in 2024 that
readers were not assigned at random from 25 June 2013 to 10 January 2014.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from caig.data.config import SplitConfig
from caig.data.rows import RowsFile
from caig.data.splits import split_of
from caig.data.textfiles import named_errors
from caig.errors import DataError

COLUMNS = (
    "clickability_test_id",
    "headline",
    "eyecatcher_id",
    "test_week",
    "impressions",
    "clicks",
)
NAMES = {"product_id": "clickability_test_id", "image": "headline", "picture": "eyecatcher_id"}
SUFFIXES = (".csv", ".csv.gz")

FAULTY_WEEKS = (201325, 201402)
"""First and last week, year and ISO week, that readers were not assigned at random in."""

UNNAMED = "none"
"""Stands in the identifier of a product whose picture has none."""


def is_archive(path: Path) -> bool:
    """Whether a file is named and headed like one of the archive's."""
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return False
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError):
        return False
    return {"clickability_test_id", "headline"} <= set(header)


def read_packages(paths: Sequence[Path], split: SplitConfig) -> pl.DataFrame:
    """All packages of all files.

    Args:
        paths: Files of the archive, in order.
        split: How stories are divided.

    Returns:
        A row a package: file (number), row (from 1), headline, test_id, picture (null where it has
        none), week (null where it is no number), impressions, clicks (texts), product_id,
        creative_id, story_id, split.

    Raises:
        DataError: A file cannot be read, a column is missing, or a test has no identifier.
    """
    packages = pl.concat([_packages(path, number) for number, path in enumerate(paths)])
    if (unnamed := packages.filter(pl.col("test_id").is_null())).height:
        file, row = unnamed.select("file", "row").row(0)
        raise DataError(
            f"{paths[file]} row {row}: '{NAMES['product_id']}' is empty ({unnamed.height:,} in "
            "all); what is of no test has nothing to compare with: delete the row"
        )
    packages = packages.join(_stories(packages), on="test_id", maintain_order="left")
    stories = packages["story_id"].unique(maintain_order=True)
    divided = pl.DataFrame({"story_id": stories, "split": split_of(stories, split)})
    product = pl.concat_str("test_id", pl.col("picture").fill_null(UNNAMED), separator="/")
    return (
        packages.join(divided, on="story_id", maintain_order="left")
        .with_columns(product_id=product)
        .with_columns(
            creative_id=pl.concat_str(
                "product_id",
                pl.col("headline").fill_null("").map_elements(_digest, return_dtype=pl.String),
                separator="/",
            )
        )
    )


def archive_files(paths: Sequence[Path], packages: pl.DataFrame) -> tuple[RowsFile, ...]:
    """The files as rows of counts: what an ad shows is its headline.

    Args:
        paths: Files of the archive.
        packages: What :func:`read_packages` gave for them.
    """
    rows = packages.rename({"headline": "image"})

    def batches(number: int) -> Iterator[pl.DataFrame]:
        yield rows.filter(pl.col("file") == number).drop("file")

    return tuple(
        RowsFile(path, "row", partial(batches, number), NAMES) for number, path in enumerate(paths)
    )


def headline_ads(packages: pl.DataFrame) -> pl.DataFrame:
    """What is known of each ad besides its counts.

    Returns:
        A row an ad: creative_id, picture, test_id, story_id, is_faulty (its test is of a week that
        readers were not assigned at random in).
    """
    is_faulty = pl.col("week").is_between(*FAULTY_WEEKS).fill_null(value=False)
    return packages.group_by("creative_id", maintain_order=True).agg(
        pl.col("picture", "test_id", "story_id").first(), is_faulty=is_faulty.any()
    )


def _packages(path: Path, number: int) -> pl.DataFrame:
    with named_errors(path, "CSV", COLUMNS):
        lines = pl.read_csv(path, infer_schema=False)
    missing = [name for name in COLUMNS if name not in lines.columns]
    if missing:
        raise DataError.from_missing_columns(
            str(path), missing, lines.columns, "an archive file has a row a package"
        )

    def text(name: str) -> pl.Expr:
        stripped = pl.col(name).str.strip_chars()
        return pl.when(stripped != "").then(stripped)

    return lines.with_row_index("row", offset=1).select(
        "row",
        pl.lit(number, pl.UInt32).alias("file"),
        text("headline").alias("headline"),
        text("clickability_test_id").alias("test_id"),
        text("eyecatcher_id").alias("picture"),
        pl.col("test_week").cast(pl.Int64, strict=False).alias("week"),
        "impressions",
        "clicks",
    )


def _stories(packages: pl.DataFrame) -> pl.DataFrame:
    """Which tests hang together: test_id, story_id (that of the first of them)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    words = pl.col("headline").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ")
    shared = pl.concat(
        [
            packages.select("test_id", key="h/" + words.str.strip_chars()),
            packages.select("test_id", key="p/" + pl.col("picture")),
        ]
    ).drop_nulls()
    tests = packages["test_id"].unique(maintain_order=True)
    place = {test: code for code, test in enumerate(tests)}
    test = shared["test_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    key = shared["key"].rank("dense").to_numpy().astype(int) - 1 + tests.len()
    size = tests.len() + len(shared["key"].unique())
    graph = coo_array(([True] * test.size, (test, key)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return pl.DataFrame({"test_id": tests, "component": component[: tests.len()]}).select(
        "test_id", pl.col("test_id").first().over("component").alias("story_id")
    )


def _digest(headline: str) -> str:
    return hashlib.blake2b(headline.encode(), digest_size=6).hexdigest()
