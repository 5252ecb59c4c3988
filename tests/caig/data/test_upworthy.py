"""Headline tests: what is a product, what is left out, and that no story is in two splits."""

import gzip
import shutil

import polars as pl
import pytest
from headline_world import HEADER, packages, write_archive

from caig.contracts.headlines import HEADLINES
from caig.data.config import IngestConfig, PairsConfig
from caig.data.ingest import read_source
from caig.data.making import make_pairs
from caig.data.sources import data_run
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run

LOOSE = {"repeated_rows": "add", "lone_creative": "keep", "no_picture": "skip"}

ROWS = [  # test, week, headline, picture, impressions, clicks
    ("t1", 201430, "One way", "e1", 3000, 30),
    ("t1", 201430, "Another way", "e1", 3000, 60),
    ("t1", 201430, "One way", "e1", 2000, 30),  # the excerpt differed
    ("t1", 201430, "One way", "e2", 3000, 90),  # another picture
    ("t2", 201350, "A third", "e3", 4000, 40),  # of a faulty week
    ("t2", 201350, "A fourth", "e3", 4000, 80),
    ("t3", 201440, "A fifth", "", 4000, 80),  # no picture is named
    ("t3", 201440, "A sixth", "e4", 4000, 80),
]


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "archive.csv", ROWS)


def test_headlines_of_one_test_beside_one_picture_compete(archive, ingest):
    run = ingest(archive, problems=LOOSE)
    ads = run.table("headlines").join(run.table("creative_counts"), on="creative_id")
    columns = ("product_id", "headline", "n_impressions", "n_clicks")
    assert ads.select(columns).sort(columns).rows() == [
        ("t1/e1", "Another way", 3000, 60),
        ("t1/e1", "One way", 5000, 60),  # both packages that show it
        ("t1/e2", "One way", 3000, 90),
        ("t3/e4", "A sixth", 4000, 80),
    ]
    assert "creatives" not in run.manifest.artifacts
    assert run.manifest.metrics["tests"] == 2


def test_what_is_left_out_is_listed(archive, ingest):
    left_out = ingest(archive, problems=LOOSE).table("left_out").sort("file_row")
    assert left_out.select("reason", "product_id", "file_row").rows() == [
        ("faulty_week", "t2/e3", 5),
        ("faulty_week", "t2/e3", 6),
        ("no_picture", "t3/none", 7),
    ]
    assert "A third" in left_out["detail"][0]


def test_faulty_weeks_are_kept_on_request(archive, ingest):
    run = ingest(archive, problems={**LOOSE, "faulty_week": "keep"})
    assert "t2/e3" in run.table("headlines")["product_id"].to_list()
    assert run.table("left_out")["reason"].to_list() == ["no_picture"]


def test_by_default_what_is_unclear_is_refused(archive):
    config = IngestConfig()
    with (
        pytest.raises(DataError) as refused,
        read_source([archive], None, config),
    ):
        pass
    said = str(refused.value)
    assert "'eyecatcher_id': ads name no picture" in said
    assert "problems.no_picture=skip" in said
    assert "an ad has several rows" in said
    assert "'clickability_test_id': products have one ad only" in said
    assert "archive.csv row 7" in said


def test_pairs_differ_in_the_headline_alone(archive, ingest, tmp_path):
    run = ingest(archive, problems=LOOSE)
    path, tally = make_pairs(run, PairsConfig(), tmp_path / "runs")
    made = Run.open(path)
    assert made.table("creative_pairs")["product_id"].to_list() == ["t1/e1"]
    assert tally.candidates == 1
    assert data_run(made).path == run.path


def test_compressed_and_recognised_by_its_header(archive, ingest):
    whole = ingest(archive, problems=LOOSE).table("headlines")
    packed = archive.with_suffix(".csv.gz")
    with archive.open("rb") as plain, gzip.open(packed, "wb") as file:
        shutil.copyfileobj(plain, file)
    archive.unlink()
    assert ingest(packed, problems=LOOSE).table("headlines").equals(whole)
    assert ingest(packed.parent, problems=LOOSE).table("headlines").equals(whole)


def test_a_story_is_in_one_split(tmp_path, ingest):
    rows = packages(60, seed=1, ads=2)
    # Test 0 shares a headline with 1 but for case and signs, 1 a picture with 2; so 0, 1, 2.
    rows += [
        ("t1-0000", 201430, "The same WORDS, again!", "x", 3000, 30),
        ("t1-0001", 201430, "the same words again", "y", 3000, 30),
        ("t1-0001", 201430, "Other words", "z", 3000, 30),
        ("t1-0002", 201430, "Words that differ", "z", 3000, 30),
    ]
    run = ingest(write_archive(tmp_path / "a.csv", rows), problems=LOOSE)
    ads = run.table("headlines").join(run.table("products"), on="product_id")
    story = ads.filter(pl.col("test_id").is_in(["t1-0000", "t1-0001", "t1-0002"]))
    assert story["story_id"].unique().to_list() == ["t1-0000"]
    assert ads.group_by("story_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert run.manifest.metrics["stories"] == 58
    assert ads["split"].n_unique() == 3


def test_what_is_left_out_moves_no_split(tmp_path, ingest):
    """A story that hangs together through a faulty week hangs together without it too."""
    rows = [*packages(40, seed=2, ads=2), *packages(10, seed=5, ads=2, week=201345)]
    rows += [
        ("t2-0000", 201430, "First words", "x", 3000, 30),
        ("t5-0000", 201345, "First words", "y", 3000, 30),
        ("t5-0000", 201345, "Second words", "y", 3000, 30),
        ("t2-0001", 201430, "Second words", "z", 3000, 30),
    ]
    file = write_archive(tmp_path / "a.csv", rows)
    skipped = ingest(file, problems=LOOSE)
    kept = ingest(file, problems={**LOOSE, "faulty_week": "keep"})
    both = skipped.table("products").join(kept.table("products"), on="product_id")
    assert both.height == 42
    assert both.filter(pl.col("split") != pl.col("split_right")).is_empty()
    linked = skipped.table("headlines").filter(pl.col("test_id").is_in(["t2-0000", "t2-0001"]))
    assert linked["story_id"].n_unique() == 1


def test_stories_reach_over_files(tmp_path, ingest):
    one = write_archive(tmp_path / "1.csv", [("a", 201430, "Same", "p", 3000, 30)])
    other = write_archive(tmp_path / "2.csv", [("b", 201430, "Same", "q", 3000, 30)])
    ads = ingest(one, other, problems=LOOSE).table("headlines")
    assert ads["story_id"].unique().to_list() == ["a"]
    assert ads["product_id"].to_list() == ["a/p", "b/q"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("t9", 201430, "Words", "e", "many", 3), "'impressions': is no whole number"),
        (("t9", 201430, "Words", "e", 30, 40), "'clicks': is above impressions"),
        (("t9", 201430, " ", "e", 3000, 40), "'headline': is empty"),
        (("", 201430, "Words", "e", 3000, 40), "'clickability_test_id' is empty"),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, ingest, row, said):
    file = write_archive(tmp_path / "a.csv", [*packages(2), row])
    with pytest.raises(DataError, match=r"a\.csv row 9") as refused:
        ingest(file, problems=LOOSE)
    assert said in str(refused.value)


def test_a_column_that_is_missing(tmp_path, ingest):
    rows = [row[:3] + row[4:] for row in packages(2)]
    header = [name for name in HEADER if name != "eyecatcher_id"]
    file = write_archive(tmp_path / "a.csv", rows, header)
    with pytest.raises(DataError, match="'eyecatcher_id': no such column"):
        ingest(file)


def test_pictures_are_not_there_for_what_needs_them(archive, ingest, tmp_path):
    run = ingest(archive, problems=LOOSE)
    with pytest.raises(ArtifactError, match="no artifact 'creatives'"):
        run.table("creatives")
    with pytest.raises(DataError, match="near_copies compares pictures"):
        make_pairs(run, PairsConfig(near_copies=True), tmp_path / "runs")


@pytest.mark.real_data
def test_the_archive(real_data_dir, repository, ingest):
    from caig.config import load_config

    recipe = load_config(IngestConfig, repository / "configs" / "data" / "upworthy.toml", ())
    settings = recipe.model_dump()
    run = ingest(real_data_dir / "upworthy" / "upworthy_shared.csv.gz", **settings)
    ads = run.table("headlines")
    assert run.manifest.metrics["rows"] == 11_417
    assert ads.schema == HEADLINES.schema
    assert run.manifest.metrics["tests"] == 1_893  # of 2,471: 575 faulty, 3 without pictures
    assert run.table("left_out")["reason"].value_counts().sort("reason").rows() == [
        ("faulty_week", 1_995),
        ("no_picture", 6),
    ]
    competing = ads.filter(pl.len().over("product_id") > 1)
    assert competing["product_id"].n_unique() == 1_049
    assert competing.height == 4_466
