"""A shop's tables put together, and what is refused."""

import polars as pl
import pytest
from coloured_shop import shop_tables, write_shop

from caig.errors import ArtifactError, DataError
from caig.mllm.corpus import build_corpus, phrases_of, place_of, read_corpus


def built(folder, **changed):
    tables = {name: frame for name, (_, frame) in shop_tables(folder).items()} | changed
    products, creatives, captions = (tables[n] for n in ("products", "creatives", "captions"))
    return build_corpus(products, creatives, captions, tables["creative_counts"], folder)


def test_products_have_their_ads(corpus):
    assert [item.product_id for item in corpus.of_split("val").items] == [
        "balls-3",
        "lamps-3",
        "mugs-3",
    ]
    mug = next(item for item in corpus.items if item.product_id == "mugs-0")
    assert [ad.caption for ad in mug.ads] == [
        "meadow, night",
        "kitchen, daylight",
        "kitchen, night",
        "kitchen, daylight",
    ]
    assert all(ad.image.is_file() for ad in mug.ads)
    assert mug.cutout.is_file()


def test_places_and_phrases_are_those_of_the_captions(corpus):
    assert set(corpus.places) == {"kitchen", "meadow", "desk"}
    assert corpus.phrases == {"kitchen", "meadow", "desk", "night", "daylight"}
    train = corpus.of_split("train")
    assert train.place_shares["Mugs", "kitchen"] == 9 / 12
    assert sum(share for (kind, _), share in train.place_shares.items() if kind == "Mugs") == 1


def test_ctr_is_drawn_towards_the_category_and_unknown_without_impressions(tmp_path):
    counts = shop_tables(tmp_path)["creative_counts"][1]
    unshown = pl.col("creative_id") == "mugs-0-0"
    never = counts.with_columns(
        pl.when(unshown).then(0).otherwise(name).alias(name)
        for name in ("n_impressions", "n_clicks")
    )
    ads = {ad.image.stem: ad for ad in built(tmp_path, creative_counts=never).ads}
    assert ads["mugs-0-0"].ctr is None
    mugs = never.filter(pl.col("creative_id").str.starts_with("mugs"))
    usual = mugs["n_clicks"].sum() / mugs["n_impressions"].sum()
    assert ads["mugs-0-1"].ctr == pytest.approx((45 + 1000 * usual) / 3000)


def test_no_counts_at_all_leave_ctr_unknown(tmp_path):
    corpus = built(tmp_path, creative_counts=None)
    assert {ad.ctr for ad in corpus.ads} == {None}


def test_a_run_without_captions_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no artifact 'captions'"):
        read_corpus(write_shop(tmp_path, without=("captions",)))


def test_captions_of_other_ads_are_refused(tmp_path):
    captions = pl.DataFrame({"creative_id": ["x"], "caption": ["beach"]})
    with pytest.raises(DataError, match="none of the 1 captions"):
        built(tmp_path, captions=captions)


def test_a_shop_without_training_products_is_refused(tmp_path):
    products = shop_tables(tmp_path)["products"][1].with_columns(split=pl.lit("test"))
    with pytest.raises(DataError, match="no product is 'train'; splits: test"):
        built(tmp_path, products=products)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("beach, golden hour, with leaves", ["beach", "golden hour", "with leaves"]),
        (" beach ,, night. ", ["beach", "night"]),
        (" . ", []),
    ],
)
def test_phrases(text, phrases):
    assert phrases_of(text) == phrases
    assert place_of(text) == (phrases[0] if phrases else "")
