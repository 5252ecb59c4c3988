"""``caig cut-out``: folders and tables of pictures, and the catalogue they give."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from caig.cli import run as caig
from caig.generation.compose import alpha_box
from caig.generation.pictures import read_picture
from caig.generation.sheet import CELL, Shown, contact_sheet, thumbnail
from caig.runs.store import Run


def disc(side=80, radius=25, colour=(200, 30, 30)):
    y, x = np.mgrid[:side, :side] - side / 2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = np.clip(255 * (radius - np.hypot(y, x)), 0, 255)
    return rgba


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def photos(tmp_path):
    """Two good pictures, one that runs out of its frame, one that is broken, and a note."""
    folder = tmp_path / "photos"
    save(folder / "cups" / "red_cup.png", disc())
    save(folder / "hat.png", disc(colour=(20, 20, 180)))
    save(folder / "wide.png", disc(radius=44))
    (folder / "broken.png").write_bytes((folder / "hat.png").read_bytes()[:90])
    (folder / "note.txt").write_text("no picture")
    return folder


def cut_out(source, tmp_path, *arguments):
    return caig(["cut-out", str(source), "--runs", str(tmp_path / "runs"), *arguments])


def only_run(tmp_path):
    (path,) = [p for p in (tmp_path / "runs").iterdir() if (p / "manifest.json").is_file()]
    return Run.open(path)


def test_a_folder(photos, tmp_path, capsys):
    assert cut_out(photos, tmp_path) == 0
    run = only_run(tmp_path)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == (
        "4 pictures: 2 ok, 1 doubtful, 1 failed; 2 products in the catalogue"
    )
    assert printed.out.splitlines()[-1] == str(run.path)
    assert "broken.png: broken or truncated" in printed.out
    assert "it runs out of the picture" in printed.out
    assert "--set use_doubtful=true" in printed.err
    products = run.table("products")
    assert products["product_id"].to_list() == ["cups/red_cup", "hat"]
    assert products["title"].to_list() == ["red cup", "hat"]
    assert products["category_path"].to_list() == ["cups", "uncategorised"]
    for path in products["cutout_path"]:
        rgba = read_picture(run.path / path).rgba
        assert alpha_box(rgba) == pytest.approx((15, 65, 15, 65), abs=1)
    cutouts = run.table("cutouts").sort("source_path")
    assert cutouts["status"].to_list() == ["failed", "ok", "ok", "doubtful"]
    assert cutouts["used"].to_list() == [False, True, True, False]
    assert cutouts["method"].to_list() == [None, "alpha", "alpha", "alpha"]
    assert run.manifest.metrics["n_doubtful"] == 1
    with Image.open(run.file("sheet")) as sheet:
        assert sheet.size[0] > 4 * CELL


def test_doubtful_masks_on_request(photos, tmp_path):
    assert cut_out(photos, tmp_path, "--set", "use_doubtful=true") == 0
    assert only_run(tmp_path).table("products").height == 3


def test_a_table_with_several_pictures_a_product(photos, tmp_path):
    table = tmp_path / "products.csv"
    table.write_text(
        "sku,name,group,photo\n"
        "c1,Cup,Kitchen -> Cups,wide.png\n"
        "c1,Cup,Kitchen -> Cups,https://example.org/a/b/cups/../red%5Fcup.png?size=1\n"
        "c1,Cup,Kitchen -> Cups,hat.png\n"
        "h1,,,hat.png\n"
        "x1,Nothing,,\n",
        encoding="utf-8",
    )
    (photos / "cups" / "red_cup.png").rename(photos / "red_cup.png")
    columns = ["product_id=sku", "title=name", "category=group", "image=photo"]
    arguments = [word for c in columns for word in ("--set", f"columns.{c}")]
    assert cut_out(table, tmp_path, *arguments, "--set", "images=photos") == 0
    run = only_run(tmp_path)
    products = run.table("products")
    assert products.select("product_id", "title", "category", "category_path").rows() == [
        ("c1", "Cup", "Cups", "Kitchen > Cups"),
        ("h1", "h1", "uncategorised", "uncategorised"),
    ]
    used = run.table("cutouts").filter(pl.col("used"))
    assert used["source_path"].str.contains("red%5Fcup").to_list() == [True, False]
    assert [f.path for f in run.manifest.files] == [str(table)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("product_id,title,category,image\np,T,C,../../etc/passwd\n", "leads out of"),
        ("product_id,title,category,picture\np,T,C,a.png\n", "'image': no such column"),
        ("product_id,title,category,image\n", "names no picture"),
        ("product_id,title,category,image\np,T,C,none.png\n", "none.png: no such file"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, capsys, rows, message):
    table = tmp_path / "products.csv"
    table.write_text(rows, encoding="utf-8")
    assert cut_out(table, tmp_path) == 2
    assert message in capsys.readouterr().err


def test_sources_that_are_none(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for name, message in (("none", "no such folder or file"), ("empty", "names no picture")):
        assert cut_out(tmp_path / name, tmp_path) == 2
        assert message in capsys.readouterr().err


def test_nothing_but_doubtful_masks(tmp_path, capsys):
    save(tmp_path / "photos" / "wide.png", disc(radius=44))
    assert cut_out(tmp_path / "photos", tmp_path) == 2
    errors = capsys.readouterr().err
    assert "no cut-out can be used" in errors
    assert "1 x doubtful: it runs out of the picture" in errors
    assert "--set use_doubtful=true" in errors
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"look at {folder / 'cutouts.png'};" in errors
    assert (folder / "cutouts.png").is_file()


def test_the_same_pictures_give_the_same_bytes(photos, tmp_path):
    runs = []
    for name in ("one", "two"):
        assert cut_out(photos, tmp_path / name) == 0
        runs.append(only_run(tmp_path / name))
    artifacts = [{n: a.sha256 for n, a in run.manifest.artifacts.items()} for run in runs]
    for name in ("cutouts", "products", "sheet"):
        assert artifacts[0][name] == artifacts[1][name]


def test_sheets_count_what_they_do_not_show():
    shown = [Shown(disc(), ("a \N{RIGHT-TO-LEFT OVERRIDE} very long name " * 9, "ok"), "ok")] * 200
    sheet = contact_sheet(shown, "200 discs")
    assert sheet[:4] == b"\x89PNG"
    assert sheet == contact_sheet(iter(shown), "200 discs")


@pytest.mark.parametrize("shape", [(10, 400), (400, 10), (1, 1), (500, 500)])
@pytest.mark.parametrize("channels", [3, 4])
def test_thumbnails_fit_their_cell(shape, channels):
    small = thumbnail(np.full((*shape, channels), 255, np.uint8))
    assert max(small.shape[:2]) == CELL
    assert small.shape[2] == channels
