"""Sources that are wrong: one message with file, row, column, value and what to do; no run."""

import json

import polars as pl
import pytest
from PIL import Image

from caig.errors import DataError


@pytest.fixture
def refusal(ingest, tmp_path):
    """The message that refuses a source; checks that nothing was written."""

    def refused(*names, **settings):
        with pytest.raises(DataError) as caught:
            ingest(*names, **settings)
        assert not (tmp_path / "runs").exists()
        return str(caught.value)

    return refused


def edit(shop, **changes):
    """Sets cells of counts.csv: image=(row, column, value)."""
    table = pl.read_csv(shop / "counts.csv", infer_schema=False)
    for row, column, value in changes.values():
        cells = table[column].to_list()
        cells[row] = value
        table = table.with_columns(pl.Series(column, cells, dtype=pl.String))
    table.write_csv(shop / "counts.csv")


def test_clicks_above_impressions(shop, refusal):
    edit(shop, a=(1, "clicks", "3001"))
    assert refusal(shop) == (
        f"{shop}/counts.csv: 1 problem(s)\n"
        "  'clicks': is above impressions (1 row)\n"
        f"      {shop}/counts.csv line 3: product_id='p1', clicks='3001', impressions='3000'\n"
        "      correct or delete the row, then read the file again\n"
        "nothing was written"
    )


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("clicks", "many", "'clicks': is no whole number (1 row)"),
        ("clicks", "1.5", "'clicks': is no whole number (1 row)"),
        ("clicks", None, "'clicks': is no whole number (1 row)"),
        ("clicks", "-1", "'clicks': is negative (1 row)"),
        ("impressions", "", "'impressions': is no whole number (1 row)"),
        ("impressions", "99999999999999999999", "'impressions': is no whole number (1 row)"),
        ("product_id", " ", "'product_id': is empty (1 row)"),
        ("image", None, "'image': is empty (1 row)"),
    ],
)
def test_cells_that_are_no_value(shop, refusal, column, value, rule):
    edit(shop, a=(3, column, value))
    message = refusal(shop)
    assert rule in message
    assert f"{shop}/counts.csv line 5: " in message


def test_parquet_counts_that_are_none(shop, refusal):
    table = pl.read_csv(shop / "counts.csv").with_columns(
        clicks=pl.Series([60.0, 1.5, float("nan"), float("inf"), None]),
        impressions=pl.Series([2**63, 2000, 2000, 2000, 2000], dtype=pl.UInt64),
    )
    (shop / "counts.csv").unlink()
    table.write_parquet(shop / "counts.parquet")
    message = refusal(shop)
    assert "'clicks': is no whole number (4 rows)" in message
    assert "row 2: product_id='p1', clicks=1.5" in message
    assert "'impressions': is no whole number (1 row)" in message


def test_everything_wrong_with_the_rows_is_told_at_once(shop, refusal):
    edit(shop, a=(0, "clicks", "x"), b=(1, "clicks", "y"), c=(2, "impressions", "5"))
    message = refusal(shop)
    assert ": 2 problem(s)\n" in message
    assert "is no whole number (2 rows)" in message
    assert "is above impressions (1 row)" in message


def test_missing_and_broken_images(shop, refusal):
    (shop / "a.png").unlink()
    whole = (shop / "b.jpg").read_bytes()
    (shop / "b.jpg").write_bytes(whole[: len(whole) // 2])
    (shop / "c.png").write_text("no picture")
    (shop / "d.png").write_bytes(b"")
    message = refusal(shop)
    assert (
        "  'image': image files are missing (1 row)\n"
        f"      {shop}/counts.csv line 2: product_id='p1', image='a.png': no such file in {shop}\n"
        "      put the files there, name their folder with --images, or leave those ads out with "
        "--set problems.missing_image=skip\n"
    ) in message
    assert "'image': image files are broken (3 rows)" in message
    assert "line 3: product_id='p1', image='b.jpg': cannot be decoded: " in message
    assert "line 4: product_id='p1', image='c.png': is none of PNG, JPEG" in message
    assert "line 5: product_id='p2', image='d.png': is an empty file" in message
    # What makes pairs impossible afterwards is told in the same message.
    assert "'product_id': products have one ad only" in message


def test_a_picture_cut_off_in_any_format(shop, refusal, tmp_path):
    for suffix in ("png", "webp", "gif", "bmp", "jpg"):
        file = shop / f"cut.{suffix}"
        Image.open(shop / "a.png").convert("RGB").resize((64, 64)).save(file)
        file.write_bytes(file.read_bytes()[:-300])
        edit(shop, a=(0, "image", file.name))
        assert "image files are broken (1 row)" in refusal(shop), suffix


def test_a_name_that_leads_out_of_the_folder(shop, refusal):
    (shop.parent / "secret.png").write_bytes((shop / "a.png").read_bytes())
    edit(shop, a=(0, "image", "../secret.png"))
    assert "image='../secret.png': leads out of the folder of images" in refusal(shop)


def test_skipped_pictures_are_listed(shop, ingest):
    (shop / "a.png").unlink()
    (shop / "e.png").write_bytes(b"GIF89a")
    problems = {"missing_image": "skip", "broken_image": "skip", "lone_creative": "skip"}
    run = ingest(shop, problems=problems)
    assert run.table("creatives")["creative_id"].to_list() == ["p1/b.jpg", "p1/c.png"]
    left_out = run.table("left_out")
    assert left_out.select("creative_id", "reason", "file_row").rows() == [
        ("p1/a.png", "missing_image", 2),
        ("p2/d.png", "lone_creative", 5),
        ("p2/e.png", "broken_image", 6),
    ]
    assert left_out["detail"][0] == f"a.png: no such file in {shop}"
    assert run.table("products")["product_id"].to_list() == ["p1"]
    assert run.manifest.metrics["left_out"] == 3


def test_nothing_left(shop, refusal):
    for name in ("a.png", "b.jpg", "c.png", "d.png", "e.png"):
        (shop / name).unlink()
    assert "rows: no ad is left (5 rows)" in refusal(shop, problems={"missing_image": "skip"})


def test_products_of_one_ad(shop, refusal, ingest):
    table = pl.read_csv(shop / "counts.csv").head(4)
    table.write_csv(shop / "counts.csv")
    message = refusal(shop)
    assert "'product_id': products have one ad only, which makes no pair (1 row)" in message
    assert "line 5: product_id='p2', image='d.png'" in message
    assert "--set problems.lone_creative=skip" in message
    kept = ingest(shop, problems={"lone_creative": "keep"})
    assert kept.table("creatives").height == 4


def test_repeated_rows(shop, refusal, ingest):
    table = pl.read_csv(shop / "counts.csv")
    pl.concat([table, table.head(2)]).write_csv(shop / "counts.csv")
    message = refusal(shop)
    assert "row: an ad has several rows (4 rows)" in message
    assert f"'p1/a.png': {shop}/counts.csv line 2, {shop}/counts.csv line 7" in message
    assert "--set problems.repeated_rows=add" in message
    run = ingest(shop, problems={"repeated_rows": "add"})
    assert run.table("creative_counts").row(0) == ("p1/a.png", 4000, 120)


def test_repeated_rows_of_a_day(lists, refusal):
    file = lists / "data" / "test_data_list.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[0]]) + "\n")
    message = refusal(lists)
    assert "row: an ad has several rows for one day (2 rows)" in message
    assert f"'9/9_0.jpg' on '20200901': {file} line 1, {file} line 19" in message


def test_the_same_picture_twice(shop, refusal, ingest):
    (shop / "c.png").write_bytes((shop / "a.png").read_bytes())
    message = refusal(shop)
    assert "'image': ads of one product show the same picture (2 rows)" in message
    assert "--set problems.same_picture=merge" in message
    kept = ingest(shop, problems={"same_picture": "keep"})
    assert kept.table("creatives").height == 5
    merged = ingest(shop, problems={"same_picture": "merge"})
    assert merged.table("creative_counts").row(0) == ("p1/a.png", 6000, 160)
    (left_out,) = merged.table("left_out").rows(named=True)
    assert (left_out["creative_id"], left_out["reason"]) == ("p1/c.png", "same_picture")
    assert left_out["detail"] == "c.png: the picture of p1/a.png; counts were added to it"


def test_merged_days_are_added_too(lists, ingest):
    (lists / "images" / "9_1.jpg").write_bytes((lists / "images" / "9_0.jpg").read_bytes())
    days = ingest(lists, problems={"same_picture": "merge"}).table("creative_days")
    of_one = days.filter(pl.col("creative_id") == "9/9_0.jpg")
    assert of_one["n_impressions"].to_list() == [2001, 2001]


def test_identifiers_and_products_that_disagree(shop, refusal):
    table = pl.read_csv(shop / "counts.csv").with_columns(
        creative_id=pl.Series(["x", "b", "c", "x", "e"]), title=pl.Series(list("ttuvv"))
    )
    table.write_csv(shop / "counts.csv")
    message = refusal(shop)
    assert "'creative_id': one identifier stands for several values of 'product_id'" in message
    assert f"'x': first in {shop}/counts.csv line 2" in message
    assert "'title': differs between rows of one product (1 row)" in message
    assert "product 'p1'" in message


def test_a_split_that_is_none(shop, refusal):
    pl.read_csv(shop / "counts.csv").with_columns(split=pl.lit("dev")).write_csv(
        shop / "counts.csv"
    )
    assert "'split': is none of train, val, test (5 rows)" in refusal(shop)


def test_columns_that_are_not_there(shop, refusal):
    message = refusal(shop, columns={"clicks": "click", "day": "ds"})
    assert "'click': no such column; did you mean 'clicks'?" in message
    assert "'ds': no such column" in message
    assert "columns found: product_id, image, impressions, clicks, category, title" in message


def test_lists_with_other_columns(lists, refusal):
    file = lists / "data" / "train_data_list.txt"
    file.write_text("1\ta.jpg\t20200901\t5\t1\t9\n")
    assert f"{file}: not readable as tab-separated text of 5 columns" in refusal(lists)
    file.write_text("1\ta.jpg\t20200901\n")
    message = refusal(lists)
    assert "5 columns (item_id, image_file, ds, impressions, clicks)" in message
    file.write_text("")
    assert f"{file}: the file is empty" in refusal(lists)
    file.write_text("item\timage\tds\timpressions\tclicks\n1\ta.jpg\td\t5\t1\n")
    assert f"{file} line 1: item_id='item', impressions='impressions'" in refusal(lists)


def test_latin_1(lists, refusal):
    file = lists / "data" / "train_data_list.txt"
    file.write_bytes("1\tcaf\xe9.jpg\t20200901\t5\t1\n".encode("latin-1"))
    assert str(file) in refusal(lists)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "expected '{', found '['"),
        ('{"1": [}', "Expecting value near '}'"),
        ('{"1": []', "the file ends within the object: it was cut off"),
        ('{"1": [{"creative_id": "a", "creative_ima', "Unterminated string"),
        ("", "the file ends within the object"),
        ('{"1": 5}', "'1': is no list of creatives (got 5)"),
        ('{"1": [5]}', "'1': a creative is no object (got 5)"),
        ('{"1": [{"creative_id": "a"}]}', "'1': a creative has no 'creative_image_hash'"),
        ("{1: []}", "a key of the object is no text (got 1)"),
        ("{}", "rows: there are none"),
    ],
)
def test_json_that_is_none(derivative, refusal, content, said):
    derivative.write_text(content)
    message = refusal(derivative)
    assert str(derivative) in message
    assert said in message


def test_json_counts(derivative, refusal):
    content = json.loads(derivative.read_text())
    content["71"][1]["exp_click_cnt"] = 5000
    content["72_b"][0]["exp_impression_cnt"] = None
    derivative.write_text(json.dumps(content))
    message = refusal(derivative)
    assert "'exp_click_cnt': is above impressions (1 row)" in message
    assert (
        f"{derivative} entry 2: item_id='71', exp_click_cnt='5000', exp_impression_cnt='1201'"
        in (message)
    )
    assert "'exp_impression_cnt': is no whole number (1 row)" in message


def test_sources_that_are_not_there(shop, derivative, refusal, tmp_path):
    assert refusal(tmp_path / "gone") == f"{tmp_path}/gone: no such file or folder"
    (tmp_path / "empty").mkdir()
    assert "holds no counts; known: CreativeRanking lists" in refusal(tmp_path / "empty")
    (tmp_path / "a.doc").write_text("x")
    assert "unknown kind of log" in refusal(tmp_path / "a.doc")
    assert "files of several kinds" in refusal(shop / "counts.csv", derivative)
    assert "is named twice" in refusal(shop / "counts.csv", shop / "counts.csv")
    assert "no such folder of images" in refusal(shop, images=tmp_path / "gone")
    assert "a table of counts is one of" in refusal(tmp_path / "a.doc", kind="table")
