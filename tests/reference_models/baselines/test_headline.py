"""The headline model finds the words that count, is antisymmetric, and works from the shell."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from headline_world import LIFTS, packages, write_archive
from pydantic import ValidationError

from caig.cli import run as caig
from caig.config import load_config
from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.table import check
from caig.data.config import IngestConfig, PairsConfig
from caig.data.ingest import read_source, write_ingested
from caig.data.making import make_pairs
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter
from reference_models.headline import (
    HeadlineScorer,
    headline_ads,
    train_folds,
    train_headline,
)
from reference_models.headline_config import HeadlineConfig
from reference_models.headline_folds import fold_of
from reference_models.headline_model import WORDS, Features
from reference_models.headline_rulers import MEASURES, HeadlineRuler, capitals
from reference_models.headline_run import write_headline
from reference_models.registry import HEADLINE_RULERS, load_scorer

SMALL = HeadlineConfig(characters=(3, 4), strengths=(0.5, 4.0))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Runs folder, data run and pairs run of 160 tests."""
    folder = tmp_path_factory.mktemp("headlines")
    file = write_archive(folder / "archive.csv", packages(160, seed=3))
    config = IngestConfig.model_validate(
        {"problems": {"repeated_rows": "add"}, "split": {"test_share": 0.3, "val_share": 0.15}}
    )
    runs = folder / "runs"
    with read_source([file], None, config) as ingested:
        data = Run.open(write_ingested(ingested, config, runs))
    path, _ = make_pairs(data, PairsConfig(), runs)
    return runs, data, Run.open(path)


@pytest.fixture(scope="module")
def trained(world):
    return train_headline(headline_ads(world[1]), SMALL)


def test_the_words_that_count_are_found(trained):
    words = trained.model.weights.filter(pl.col("kind") == WORDS).select("term", "weight")
    weight = dict(words.iter_rows())
    order = sorted(LIFTS, key=LIFTS.__getitem__)
    assert sorted(order, key=weight.__getitem__)[0] in ("report", "meeting")
    plain = np.array([w for term, w in weight.items() if term not in LIFTS and " " not in term])
    for word, lift in LIFTS.items():
        assert weight[word] * np.sign(lift) > 3 * plain.std()


def test_scores_recover_true_differences(trained):
    base = "The house river cloud table window paper {}"
    said = trained.model.score([base.format(word) for word in LIFTS])
    true = np.array(list(LIFTS.values()))
    assert np.corrcoef(said, true)[0, 1] > 0.97
    slope = np.polyfit(true, said, 1)[0]
    assert 0.5 < slope < 1.15  # drawn towards zero, on the scale of log-odds


def test_a_ridge_by_hand(world):
    """The same weights as the normal equations of the same ridge, solved densely."""
    ads = headline_ads(world[1]).head(60)
    features = Features(ads, SMALL)
    x = np.hstack([block.toarray() for block in (*features._blocks, *features._groups)])
    variances = (0.02, 0.01, 0.002, 0.2, 0.05)
    sizes = [block.shape[1] for block in (*features._blocks, *features._groups)]
    prior = np.repeat(variances, sizes)
    n, k = (ads[c].to_numpy().astype(float) for c in ("n_impressions", "n_clicks"))
    y = np.log((k + 0.5) / (n - k + 0.5))
    noise = 1 / (k + 0.5) + 1 / (n - k + 0.5) + 0.04
    centred = y - np.average(y, weights=1 / (noise + 0.2))
    precise = x.T / noise
    weights = np.linalg.solve(precise @ x + np.diag(1 / prior), precise @ centred)
    found = features.fit(1.0).weights
    assert found["weight"].to_numpy() == pytest.approx(weights[: found.height], abs=2e-5)
    said = features.fit(1.0).score(ads["headline"].to_list())
    by_hand = x[:, : found.height] @ weights[: found.height]
    assert said == pytest.approx(by_hand, abs=1e-4)


def test_the_strength_is_the_one_of_least_log_loss(trained):
    assert trained.kept.log_loss == min(one.log_loss for one in trained.tried)
    assert len(trained.tried) == 2


def test_test_ads_are_not_looked_at(world, trained):
    ads = headline_ads(world[1])
    is_test = pl.col("split") == "test"
    altered = ads.with_columns(
        n_clicks=pl.when(is_test).then(0).otherwise("n_clicks"),
        headline=pl.when(is_test).then(pl.lit("secret")).otherwise("headline"),
    )
    again = train_headline(altered, SMALL)
    assert again.model.weights.equals(trained.model.weights)
    assert again.tried == trained.tried


def test_validation_ads_are_learned_from_on_request_only(world):
    ads = headline_ads(world[1])
    apart = train_headline(ads, SMALL.model_copy(update={"learn_from_val": False}))
    train = ads.filter((pl.col("split") == "train") & (pl.col("n_impressions") > 1000))
    assert apart.model.weights.equals(Features(train, SMALL).fit(apart.kept.strength).weights)


def test_cross_fitted_every_story_is_scored_by_a_model_that_has_not_seen_it(world):
    runs, data, pairs_run = world
    config = SMALL.model_copy(update={"folds": 4, "strengths": (2.0,)})
    ads = headline_ads(data)
    folds = fold_of(ads["story_id"], 4)
    assert np.bincount(folds).min() > 0
    assert (
        ads.with_columns(fold=folds)
        .group_by("test_id")
        .agg(pl.col("fold").n_unique())["fold"]
        .to_list()
        == [1] * ads["test_id"].n_unique()
    )
    with RunWriter(runs, "train-baseline", config) as run:
        write_headline(run, train_folds(ads, config))
    pairs = pairs_run.table("creative_pairs")
    scorer = HeadlineScorer(run.path)
    p_left = scorer.score_pairs(pairs, data.path)["p_left"].to_numpy()[::2]
    story = dict(ads.select("creative_id", "story_id").iter_rows())
    fold_of_pair = fold_of(pl.Series([story[ad] for ad in pairs["left_id"]]), 4)
    # Whatever became of the clicks of a fold, its own pairs are scored as before.
    altered = ads.with_columns(
        n_clicks=pl.when(pl.Series(folds == 2)).then(900 - pl.col("n_clicks")).otherwise("n_clicks")
    )
    with RunWriter(runs, "train-baseline", config) as other:
        write_headline(other, train_folds(altered, config))
    again = HeadlineScorer(other.path).score_pairs(pairs, data.path)["p_left"].to_numpy()[::2]
    is_held_out = fold_of_pair == 2
    assert again[is_held_out] == pytest.approx(p_left[is_held_out], abs=1e-9)
    assert np.abs(again - p_left)[~is_held_out].max() > 0.01


def test_two_folds_are_too_few():
    with pytest.raises(ValidationError, match="3 or more"):
        HeadlineConfig(folds=2)


def test_nothing_to_train_on_or_to_choose_on(world):
    ads = headline_ads(world[1])
    with pytest.raises(DataError, match="no ad of the split 'val' has more than 1,000"):
        train_headline(ads.filter(pl.col("split") != "val"), SMALL)
    alone = ads.filter((pl.col("split") != "val") | pl.col("product_id").is_first_distinct())
    with pytest.raises(DataError, match="no validation product has two ads"):
        train_headline(alone, SMALL)


def test_an_empty_headline_and_words_never_seen(trained):
    said = trained.model.score(["", "zzz qqq", "\u201cQuotes\u201d \u2026"])
    assert np.isfinite(said).all()


# Rulers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "more", "less"),
    [
        ("headline_length", "abcd ef", "abcdef"),
        ("headline_words", "a b c", "longer words"),
        ("headline_number", "all 7", "seven of them"),
        ("headline_question", "Really?", "Really!"),
        ("headline_capitals", "ABc", "Abc"),
    ],
)
def test_what_a_ruler_measures(measure, more, less):
    assert MEASURES[measure](more) > MEASURES[measure](less)


def test_a_headline_without_letters():
    assert capitals("100 %") == 0


@pytest.mark.parametrize("name", HEADLINE_RULERS)
def test_every_ruler_scores_headlines(world, name):
    runs, data, pairs_run = world
    pairs = pairs_run.table("creative_pairs")
    scores = load_scorer(name, runs=runs).score_pairs(pairs, data.path)
    check(scores, PAIR_SCORES)
    assert scores["scorer"].unique().to_list() == [name]
    assert scores.height == 2 * pairs.height


def test_the_longer_headline_wins(world):
    _, data, pairs_run = world
    pairs = pairs_run.table("creative_pairs")
    text = dict(data.table("headlines").select("creative_id", "headline").iter_rows())
    scores = HeadlineRuler("headline_length").score_pairs(pairs, data.path)
    p_left = scores.filter(pl.col("presentation") == "as_is")["p_left"].to_list()
    for pair, p in zip(pairs.iter_rows(named=True), p_left, strict=True):
        left, right = len(text[pair["left_id"]]), len(text[pair["right_id"]])
        assert p == pytest.approx(left / (left + right))


# From the shell -----------------------------------------------------------------------------------


def shell(capsys, *words):
    assert caig([str(word) for word in words]) == 0
    return Path(capsys.readouterr().out.strip().splitlines()[-1])


def test_train_score_and_evaluate(world, capsys):
    runs, data, pairs_run = world
    settings = ("--set", "characters=[3, 4]", "--set", "strengths=[0.5, 4.0]")
    run = Run.open(
        shell(capsys, "train-baseline", "headline", pairs_run.path, *settings, "--runs", runs)
    )
    assert run.manifest.inputs["data"].run_id == data.run_id
    assert run.manifest.metrics["val_pair_accuracy"] > 0.6
    card = run.file("card").read_text()
    up, _, down = card.partition("move it down")
    assert "`secret`" in up
    assert "`report`" in down
    scores = [
        shell(capsys, "score", pairs_run.path, "--scorer", name, "--runs", runs)
        for name in (f"ref:headline:{run.run_id}", "ref:headline_length", "ref:random")
    ]
    assert Run.open(scores[0]).manifest.inputs["model"].run_id == run.run_id
    result = Run.open(shell(capsys, "evaluate", pairs_run.path, *scores, "--runs", runs))
    table = result.table("suite_results").filter(
        (pl.col("metric") == "accuracy") & (pl.col("slice") == "all")
    )
    accuracy = dict(table.select("subject", "estimate").iter_rows())
    assert accuracy[f"ref:headline:{run.run_id}"] > 0.6 > accuracy["ref:headline_length"]
    flips = result.table("position_bias")["n_flips"].to_list()
    assert flips == [0, 0, 0]


def test_a_run_that_is_no_headline_model(world):
    runs, data, _ = world
    with pytest.raises(ArtifactError, match="holds no HEADLINE"):
        load_scorer(f"ref:headline:{data.run_id}", runs=runs)


def test_a_run_without_headlines(world, capsys):
    runs, _, _ = world
    shop = shell(
        capsys,
        *("make-data", "--set", "ads.per_product=0", "--set", "n_users=100", "--runs", runs),
    )
    assert caig(["train-baseline", "headline", str(shop), "--runs", str(runs)]) == 2
    assert "holds no creatives" in capsys.readouterr().err


def test_no_resuming(world, capsys):
    runs, _, pairs_run = world
    words = ["train-baseline", "headline", str(pairs_run.path), "--resume", str(runs)]
    assert caig([*words, "--runs", str(runs)]) == 2
    assert "train anew" in capsys.readouterr().err


@pytest.mark.real_data
def test_real_headlines_teach_more_than_their_length(world, real_data_dir, repository):
    """On validation pairs, which the weights have not seen; the test split is left alone."""
    settings = load_config(IngestConfig, repository / "configs" / "data" / "upworthy.toml")
    archive = real_data_dir / "upworthy" / "upworthy_shared.csv.gz"
    with read_source([archive], None, settings) as ingested:
        data = Run.open(write_ingested(ingested, settings, world[0]))
    config = HeadlineConfig(characters=(3, 4), strengths=(1.0,), learn_from_val=False)
    said = train_headline(headline_ads(data), config).kept
    path, _ = make_pairs(data, PairsConfig(), world[0])
    pairs = Run.open(path).table("creative_pairs").filter(pl.col("split") == "val")
    scores = HeadlineRuler("headline_length").score_pairs(pairs, data.path)
    left_won = (pairs["left_ctr"] > pairs["right_ctr"]).to_numpy()
    p_left = scores.filter(pl.col("presentation") == "as_is")["p_left"].to_numpy()
    length = ((1 + np.sign(p_left - 0.5) * np.where(left_won, 1, -1)) / 2).mean()
    assert said.pair_accuracy > 0.56 > length > 0.5
    assert said.log_loss < np.log(2) - 0.01
