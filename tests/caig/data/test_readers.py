"""The kinds of source, sound: every one becomes the same tables."""

import hashlib
import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.runs.images import altered_images


def test_a_folder_with_counts(shop, ingest):
    run = ingest(shop)
    creatives = run.table("creatives")
    assert creatives["creative_id"].to_list() == [
        "p1/a.png",
        "p1/b.jpg",
        "p1/c.png",
        "p2/d.png",
        "p2/e.png",
    ]
    for name, path, sha in creatives.select(
        "creative_id", "image_path", "image_sha256"
    ).iter_rows():
        original = (shop / name.partition("/")[2]).read_bytes()
        assert (run.path / path).read_bytes() == original
        assert sha == hashlib.sha256(original).hexdigest()
        assert path.endswith(name[-4:])
    assert set(creatives["source"]) == {"logged"}
    assert creatives.select("width", "height").unique().row(0) == (10, 12)
    assert run.table("creative_counts").row(1) == ("p1/b.jpg", 3000, 100)
    products = run.table("products")
    assert products.select("product_id", "title", "category", "cutout_path").rows() == [
        ("p1", "Red shoes", "Shoes", None),
        ("p2", "Robot", "Toys", None),
    ]
    assert "creative_days" not in run.manifest.artifacts
    assert "left_out" not in run.manifest.artifacts
    assert run.manifest.metrics["impressions"] == 13_000
    assert [file.path for file in run.manifest.files] == [str(shop / "counts.csv")]


def test_links_instead_of_copies(shop, ingest):
    run = ingest(shop, pictures="link")
    path = run.path / run.table("creatives")["image_path"][0]
    assert path.is_symlink()
    assert path.read_bytes() == (shop / "a.png").read_bytes()
    assert altered_images(run.path) == []
    (shop / "a.png").write_bytes((shop / "c.png").read_bytes())
    (shop / "b.jpg").unlink()
    gone, changed = sorted(altered_images(run.path), key=lambda problem: "changed" in problem)
    assert "the picture it points at is gone" in gone
    assert "content changed" in changed


def test_parquet_shards_are_one_table(shop, ingest, tmp_path):
    whole = ingest(shop)
    table = pl.read_csv(shop / "counts.csv")
    (shop / "counts.csv").unlink()
    table.head(2).write_parquet(shop / "part-0.parquet")
    table.tail(3).write_parquet(shop / "part-1.parquet")
    run = ingest(shop)
    for name in ("creatives", "creative_counts", "products"):
        assert_frame_equal(run.table(name), whole.table(name))
    assert len(run.manifest.files) == 2


def test_columns_of_other_names_and_a_creative_id(shop, ingest):
    table = pl.read_csv(shop / "counts.csv")
    (shop / "counts.csv").unlink()
    renamed = table.rename({"product_id": "item", "impressions": "shown", "category": "kind"})
    renamed.with_columns(ad=pl.col("image").str.head(1)).write_csv(shop / "c.tsv", separator="\t")
    columns = {"product": "item", "impressions": "shown", "creative": "ad", "category": ""}
    run = ingest(shop / "c.tsv", columns=columns)
    assert run.table("creatives")["creative_id"].to_list() == list("abcde")
    assert set(run.table("products")["category"]) == {"uncategorised"}


def test_a_stated_split_is_kept(shop, ingest):
    table = pl.read_csv(shop / "counts.csv")
    table.with_columns(split=pl.when(pl.col("product_id") == "p2").then(pl.lit("val"))).write_csv(
        shop / "counts.csv"
    )
    products = ingest(shop, split={"test_share": 0.85}).table("products")
    assert dict(products.select("product_id", "split").iter_rows()) == {"p1": "test", "p2": "val"}


def test_counts_are_added_up_over_days(shop, ingest):
    table = pl.read_csv(shop / "counts.csv")
    days = [table.with_columns(day=pl.lit(day)) for day in ("2026-03-01", "2026-03-02")]
    pl.concat(days).write_csv(shop / "counts.csv")
    run = ingest(shop)
    assert run.table("creative_counts")["n_clicks"].to_list() == [120, 200, 200, 60, 150]
    by_day = run.table("creative_days")
    assert by_day.height == 10
    assert by_day.row(0) == ("p1/a.png", "2026-03-01", 2000, 60)
    assert by_day["creative_id"].is_sorted()


def test_the_lists_of_creative_ranking(lists, ingest):
    run = ingest(lists)
    products = run.table("products")
    splits = dict(products.select("product_id", "split").iter_rows())
    assert {p for p, split in splits.items() if split == "test"} == {"9", "10", "11"}
    assert {splits[str(p)] for p in range(9)} <= {"train", "val"}
    counts = dict(run.table("creative_counts").select("creative_id", "n_impressions").iter_rows())
    assert counts["3/3_2.jpg"] == 2 * 1002
    assert run.table("creative_days").height == 72
    assert run.manifest.metrics["rows"] == 72
    assert len(run.manifest.files) == 2


def test_one_list_and_a_folder_of_images(lists, ingest):
    run = ingest(lists / "data" / "train_data_list.txt", images=lists / "images")
    assert run.manifest.metrics["products"] == 9


def test_the_json_derivative(derivative, ingest):
    run = ingest(derivative)
    creatives = run.table("creatives")
    assert creatives.select("creative_id", "product_id").rows() == [
        ("710", "71"),
        ("711", "71"),
        ("72_b0", "72"),
        ("72_b1", "72"),
    ]
    assert run.table("creative_counts").row(1) == ("711", 1201, 31)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_json_is_read_however_it_is_cut(derivative, ingest, monkeypatch, chunk):
    content = json.loads(derivative.read_text())
    # Other keys, texts with signs of the syntax, and white space; in UTF-8 with a mark.
    content["73"] = [dict(content["71"][0], creative_id='{"\\u00e9,]é', exp_click_cnt=0)]
    text = json.dumps(content, ensure_ascii=False, indent=2)
    derivative.write_bytes(b"\xef\xbb\xbf" + text.encode())
    settings = {"problems": {"lone_creative": "keep"}}
    whole = ingest(derivative, **settings).table("creative_counts")
    monkeypatch.setattr("caig.data.creative_ranking_json.CHUNK_BYTES", chunk)
    assert_frame_equal(ingest(derivative, **settings).table("creative_counts"), whole)
    assert '{"\\u00e9,]é' in whole["creative_id"].to_list()


def test_the_same_source_gives_the_same_tables(lists, ingest):
    one, other = ingest(lists), ingest(lists)
    assert {n: a.sha256 for n, a in one.manifest.artifacts.items() if n != "log"} == {
        n: a.sha256 for n, a in other.manifest.artifacts.items() if n != "log"
    }


def test_counts_as_other_programs_write_them(shop, ingest):
    whole = ingest(shop)
    text = (shop / "counts.csv").read_bytes()
    # A byte-order mark, as spreadsheets write it, and their ends of lines.
    (shop / "counts.csv").write_bytes(
        b"\xef\xbb\xbf" + text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    )
    marked = ingest(shop)
    table = pl.read_csv(shop / "counts.csv").with_columns(
        pl.col("impressions").cast(pl.Float64), pl.col("clicks").cast(pl.UInt16)
    )
    (shop / "counts.csv").unlink()
    table.write_parquet(shop / "counts.parquet")
    of_parquet = ingest(shop)
    for run in (marked, of_parquet):
        assert_frame_equal(run.table("creative_counts"), whole.table("creative_counts"))
    assert of_parquet.table("products").equals(whole.table("products"))
