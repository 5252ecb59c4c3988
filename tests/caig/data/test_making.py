"""``caig pairs``: lineage, splits, leakage, refusals, and the run it writes."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from caig.cli import run as caig
from caig.config import Config
from caig.contracts.creatives import CREATIVE_COUNTS, CREATIVES, PRODUCTS
from caig.data.ads import counted_ads
from caig.data.config import PairsConfig, SplitConfig
from caig.data.leakage import shared_pictures, with_near_copies_joined
from caig.data.making import make_pairs
from caig.data.sources import creatives_of, data_run, image_folder, open_run, products_of
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter


def pairs_of(run, **settings):
    path, tally = make_pairs(run, PairsConfig.model_validate(settings), run.path.parent)
    return Run.open(path), tally


@pytest.fixture
def data(lists, ingest):
    """A run of 36 ads of 12 products, of which 3 are test."""
    return ingest(lists)


def test_the_run_of_pairs(data):
    run, tally = pairs_of(data)
    table = run.table("creative_pairs")
    assert table.height == tally.pairs == run.manifest.artifacts["creative_pairs"].n_rows
    assert run.manifest.inputs["data"] == data.as_input()
    splits = dict(data.table("products").select("product_id", "split").iter_rows())
    assert all(splits[p] == s for p, s in table.select("product_id", "split").iter_rows())
    assert table.select(pl.col("split").n_unique().over("product_id")).max().item() == 1
    metrics = run.manifest.metrics
    assert metrics["pairs_test"] == (table["split"] == "test").sum() == 9
    assert metrics["candidates"] == 36 == metrics["pairs"] + metrics["left_out_tied"]
    observed = np.where(
        table["left_ctr"] > table["right_ctr"], table["p_left_better"], 1 - table["p_left_better"]
    )
    assert metrics["expected_oracle_accuracy"] == pytest.approx(observed.mean())
    (prior,) = run.table("click_prior").rows(named=True)
    assert (prior["category"], prior["n_creatives"]) == ("uncategorised", 36)
    assert run.problems() == []


def test_the_same_ads_give_the_same_bytes(data):
    one, other = (pairs_of(data)[0].manifest.artifacts["creative_pairs"] for _ in range(2))
    assert one == other


def test_pictures_are_found_through_the_lineage(data):
    run, _ = pairs_of(data)
    assert data_run(run) == data
    assert image_folder(run) == data.path == image_folder(data)
    creatives = creatives_of(run)
    ids = set(run.table("creative_pairs")["left_id"])
    paths = creatives.filter(pl.col("creative_id").is_in(ids))["image_path"]
    assert all((image_folder(run) / path).is_file() for path in paths)
    assert products_of(run).height == 12
    with RunWriter(data.path.parent, "score", Config(), inputs={"pairs": run}) as scores:
        pass
    assert image_folder(Run.open(scores.path)) == data.path


def test_lineage_that_is_broken(data, tmp_path):
    run, _ = pairs_of(data)
    with RunWriter(tmp_path / "runs", "other", Config()) as other:
        pass
    with pytest.raises(ArtifactError, match="holds no creatives and was made from none"):
        image_folder(Run.open(other.path))
    manifest = data.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match=f"its manifest has changed since {run.run_id}"):
        image_folder(run)
    data.path.rename(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="which is not beside it"):
        image_folder(run)


def test_runs_are_named_by_folder_or_id(data):
    runs = data.path.parent
    assert open_run(data.path, runs) == data
    assert open_run(type(runs)(data.run_id[-4:]), runs) == data
    with pytest.raises(ArtifactError, match="0 runs fit 'nothing'"):
        open_run(type(runs)("nothing"), runs)


def test_impressions_must_be_more_than_the_least(data):
    # Ads have 2000, 2002 and 2004 impressions.
    assert counted_ads(data, min_impressions=2000, split=SplitConfig()).height == 24
    assert pairs_of(data, min_impressions=2002 - 1)[1].candidates == 12
    with pytest.raises(DataError, match="no ad has more than 2,004 impressions"):
        pairs_of(data, min_impressions=2004)


def test_no_pair_no_run(data):
    with pytest.raises(
        DataError, match=r"rule 'ge_20' keeps no pair: 12 ads count, of 12 products"
    ):
        pairs_of(data, rule="ge_20", min_impressions=2003)
    assert [path.name for path in data.path.parent.iterdir()] == [data.run_id]


def test_pairs_lie_beside_their_data(data, tmp_path):
    with pytest.raises(DataError, match="write the pairs beside it: --runs"):
        make_pairs(data, PairsConfig(), tmp_path / "other")


def small_run(root, ads, products=()):
    """A run of ads from (creative, product, sha, impressions, clicks)."""
    creatives = pl.DataFrame(
        [
            (ad, product, f"{sha}.png", sha, "logged", None, None, None, 8, 8)
            for ad, product, sha, *_ in ads
        ],
        schema=CREATIVES.schema,
        orient="row",
    )
    counts = pl.DataFrame(
        [(a[0], *a[3:]) for a in ads], schema=CREATIVE_COUNTS.schema, orient="row"
    )
    with RunWriter(root, "ingest", Config()) as run:
        run.write_table(CREATIVES, creatives)
        run.write_table(CREATIVE_COUNTS, counts)
        if products:
            rows = [(p, "", "c", "c", None, split) for p, split in products]
            run.write_table(PRODUCTS, pl.DataFrame(rows, schema=PRODUCTS.schema, orient="row"))
    return Run.open(run.path)


LEAKY = [
    ("a1", "a", "s1", 2000, 50),
    ("a2", "a", "s2", 2000, 60),
    ("a3", "a", "s3", 2000, 70),
    ("b1", "b", "s1", 2000, 40),
    ("b2", "b", "s4", 2000, 80),
    ("c1", "c", "s4", 2000, 30),
    ("c2", "c", "s5", 2000, 45),
]
SPLIT = [("a", "train"), ("b", "val"), ("c", "test")]


def test_a_picture_in_two_splits_is_refused(tmp_path):
    run = small_run(tmp_path / "runs", LEAKY, SPLIT)
    with pytest.raises(DataError) as caught:
        pairs_of(run)
    message = str(caught.value)
    assert "2 pictures are in several splits; a model would be judged on them (4 rows)" in message
    assert "image_sha256=s1...: a1 (train), b1 (val)" in message
    assert "--set shared_picture=drop" in message
    assert len(list(run.path.parent.iterdir())) == 1


def test_a_shared_picture_is_dropped_on_the_side_of_training(tmp_path):
    run = small_run(tmp_path / "runs", LEAKY, SPLIT)
    made, tally = pairs_of(run, shared_picture="drop")
    # a1 gives way to b1, and b2 to c1; then b has one ad, and makes no pair.
    assert tally.kept == {"train": 1, "val": 0, "test": 1}
    assert made.manifest.metrics["ads_with_shared_picture"] == 2
    assert pairs_of(run, shared_picture="keep")[1].kept == {"train": 3, "val": 1, "test": 1}


def test_without_products_the_split_is_hashed(tmp_path):
    ads = [(f"{p}-{k}", f"p{p}", f"{p}-{k}", 2000, 40 + k) for p in range(60) for k in (0, 1)]
    run = small_run(tmp_path / "runs", ads)
    made, tally = pairs_of(run, split={"test_share": 0.4})
    assert 10 <= tally.kept["test"] <= 38
    assert made.table("creative_pairs")["category"].unique().to_list() == ["uncategorised"]
    assert products_of(made) is None


def test_tables_that_do_not_fit_together(tmp_path):
    run = small_run(tmp_path / "runs", LEAKY, SPLIT[:2])
    with pytest.raises(DataError, match=r"product_id: is in creatives but not in products \(1 row"):
        pairs_of(run)


def test_near_copies(tmp_path):
    rng = np.random.default_rng(3)
    # Soft pictures, as photographs are: noise has no second size.
    soft = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((96, 96), 3)
    other = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((96, 96), 3)
    soft.save(tmp_path / "a.png")
    soft.resize((64, 64)).save(tmp_path / "b.jpg", quality=80)
    other.save(tmp_path / "c.png")
    # The same brightness steps in other colours: not a copy.
    Image.eval(soft, lambda value: value // 2).save(tmp_path / "d.png")
    ads = pl.DataFrame(
        {
            "creative_id": list("abcd"),
            "product_id": list("abcd"),
            "image_path": ["a.png", "b.jpg", "c.png", "d.png"],
            "image_sha256": ["1", "2", "3", "4"],
            "split": ["train", "test", "test", "test"],
        }
    )
    assert shared_pictures(ads).is_empty()
    joined = with_near_copies_joined(ads, tmp_path)
    assert joined["image_sha256"].to_list() == ["1", "1", "3", "4"]
    assert sorted(shared_pictures(joined)["creative_id"]) == ["a", "b"]
    (tmp_path / "c.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"c\.png: not readable as a picture"):
        with_near_copies_joined(ads, tmp_path)


def test_both_verbs(lists, tmp_path, capsys):
    runs = str(tmp_path / "runs")
    assert caig(["ingest", str(lists), "--runs", runs]) == 0
    *said, folder = capsys.readouterr().out.splitlines()
    assert said[0].startswith("36 ads of 12 products: 72,072 impressions, ")
    assert caig(["pairs", folder, "--rule", "caig_5_20", "--runs", runs]) == 0
    out = capsys.readouterr().out
    assert "Pairs, rule caig_5_20" in out
    made = Run.open(tmp_path / "runs" / out.splitlines()[-1].rpartition("/")[2])
    assert made.manifest.config["rule"] == "caig_5_20"
    assert made.manifest.config_passed == {"rule": "caig_5_20"}
    assert caig(["pairs", folder, "--rule", "best", "--runs", runs]) == 2
    assert "rule: Input should be 'caig_5_20', 'ge_20', 'any' or 'significant' (got" in (
        capsys.readouterr().err
    )
    assert caig(["ingest", "--runs", runs]) == 2
    assert "name the log: caig ingest SOURCE" in capsys.readouterr().err
    (lists / "images" / "0_0.jpg").unlink()
    assert caig(["ingest", str(lists), "--set", "problems.missing_image=skip", "--runs", runs]) == 0
    assert "left out: 1 (missing image)" in capsys.readouterr().out
