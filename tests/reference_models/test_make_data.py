"""``caig make-data``: the whole world as a run, the same for the same seed."""

import builtins
import subprocess
import sys

import cv2
import polars as pl
import pytest

from caig import cli
from caig.runs.catalog import list_runs
from caig.runs.images import altered_images
from caig.runs.store import Run
from reference_models.shop.vocabulary import SCENES

FEW = ["--set", "n_users=500", "--processes", "1"]
SMALL = [*FEW, "--set", "ads.per_product=1", "--set", "ads.size=32"]


def made(runs, *words) -> Run:
    assert cli.run(["make-data", *words, "--runs", str(runs)]) == 0
    return Run.open(list_runs(runs, verb="make-data")[0].path)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Run:
    return made(tmp_path_factory.mktemp("runs"), *SMALL)


def test_everything_is_there_and_belongs_together(world):
    products, creatives = world.table("products"), world.table("creatives")
    truth, counts = world.table("creative_truth"), world.table("creative_counts")
    log = world.table("impression_log")
    assert products.height == 176
    assert creatives.height == truth.height == 3 * 176  # an earlier ad, and one of either arm
    assert set(log["creative_id"]) <= set(creatives["creative_id"])
    assert set(counts["creative_id"]) <= set(creatives["creative_id"])
    assert set(creatives["product_id"]) == set(products["product_id"])
    assert world.table("scene_suitability").height == 44 * len(SCENES)
    assert world.table("label_ceiling").height == 3
    assert world.table("traffic_truth").height == 45


def test_pictures_are_what_the_tables_say(world):
    for row in world.table("creatives").head(5).iter_rows(named=True):
        picture = cv2.imread(str(world.path / row["image_path"]), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (row["height"], row["width"], 3) == (32, 32, 3)
        assert row["image_sha256"] in row["image_path"]
        assert "procedural" in row["generator"]
    cutout = cv2.imread(str(world.path / world.table("products")["cutout_path"][0]), -1)
    assert cutout.shape == (256, 256, 4)
    assert altered_images(world.path) == []
    assert world.problems() == []


def test_an_altered_picture_is_found(world, tmp_path):
    copy = tmp_path / "images" / "ab"
    copy.mkdir(parents=True)
    (copy / f"{'ab' * 32}.png").write_bytes(b"something else")
    assert len(altered_images(tmp_path)) == 1


def test_sheets_can_be_looked_at(world):
    for name in ("products_sheet", "scenes_sheet", "ads_sheet"):
        picture = cv2.imread(str(world.file(name)))
        assert min(picture.shape[:2]) > 500
        assert picture.std() > 30


def test_the_same_seed_gives_the_same_bytes_however_many_processes(world, tmp_path):
    words = [*SMALL[:2], "--processes", "2", *SMALL[4:], "--runs", str(tmp_path / "again")]
    # From the shell, as a pool's processes begin by importing the program that started them.
    subprocess.run([sys.executable, "-m", "caig", "make-data", *words], check=True)
    again = Run.open(list_runs(tmp_path / "again")[0].path)
    other = made(tmp_path / "other", *SMALL, "--set", "seed=7")
    for name in ("creatives", "creative_counts", "creative_truth", "impression_log"):
        assert again.table(name).equals(world.table(name))
        assert not other.table(name).equals(world.table(name))


def test_without_pictures_there_is_the_same_log(world, tmp_path):
    plain = made(tmp_path, *FEW, "--set", "ads.per_product=0")
    assert set(plain.manifest.artifacts) == {"config", "log", "impression_log", "traffic_truth"}
    assert plain.table("impression_log").equals(world.table("impression_log"))


def test_without_the_painters_packages_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without_skia(name, *rest, **named):
        if name == "skia":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_skia)
    assert cli.run(["make-data", *SMALL, "--runs", str(tmp_path)]) == 2
    assert "pip install 'caig-toolkit[images]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_value_out_of_range_is_refused(tmp_path, capsys):
    assert cli.run(["make-data", "--set", "ads.size=8", "--runs", str(tmp_path)]) == 2
    assert "ads.size" in capsys.readouterr().err


def test_counts_are_binomial_around_the_truth(world):
    joined = world.table("creative_counts").join(world.table("creative_truth"), on="creative_id")
    z = joined.select(
        (pl.col("n_clicks") - pl.col("n_impressions") * pl.col("true_ctr"))
        / (pl.col("n_impressions") * pl.col("true_ctr") * (1 - pl.col("true_ctr"))).sqrt()
    ).to_series()
    assert abs(z.mean()) < 0.25
    assert z.std() == pytest.approx(1, abs=0.15)
