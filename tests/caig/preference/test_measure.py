"""Figures of a prompt model, each against what it must be."""

import math

import numpy as np
import polars as pl
import pytest
from coloured_shop import KINDS, PLACES

from caig.contracts.preferences import PROMPT_SAMPLES
from caig.generation.generating import products_of
from caig.mllm.corpus import Item, read_corpus
from caig.preference import measure
from caig.preference.measure import curves, duel_figures, match_figures, prompt_figures

SUITABLE = {(kind, place): KINDS[kind][0] == place for kind in KINDS for place in PLACES}


def duels(*rows):
    """Rows of the judge's probability, the policy's true CTR, the first model's."""
    schema = {"p_rm": pl.Float64, "ctr": pl.Float64, "start_ctr": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def values(figures):
    return {name: figure.value for name, figure in figures.items()}


def test_wins_count_ties_half_and_the_gap_is_belief_beyond_truth():
    table = duels((0.9, 0.03, 0.02), (0.8, 0.02, 0.03), (None, 0.02, 0.02), (0.7, 0.02, 0.02))
    found = values(duel_figures(table))
    assert found["rm_win_rate"] == pytest.approx(3.5 / 4)
    assert found["true_win_rate"] == pytest.approx(2 / 4)
    assert found["goodhart_gap"] == pytest.approx(1.5 / 4)
    assert found["rm_truth_agreement"] == pytest.approx(1 / 2)  # two pairs that both decide
    assert found["true_ctr"] == pytest.approx(0.0225)
    assert found["true_ctr_gain"] == pytest.approx(0.09 / 0.09 - 1)
    assert duel_figures(table)["rm_truth_agreement"].n == 2


def test_a_policy_against_itself_is_even():
    found = values(duel_figures(duels(*[(None, 0.02, 0.02)] * 5)))
    assert found["rm_win_rate"] == found["true_win_rate"] == 0.5
    assert found["goodhart_gap"] == found["true_ctr_gain"] == 0
    assert found["rm_truth_agreement"] is None


def test_without_a_truth_only_the_judge_is_known():
    found = duel_figures(duels((0.9, None, None), (0.2, None, None)))
    assert found["rm_win_rate"].value == 0.5
    assert all(figure.value is None for name, figure in found.items() if name != "rm_win_rate")


def samples(*texts, ended=True):
    rows = [
        (f"s{n}", "mugs-0", "run", 0, "ask", text, text, -1.0, 3, ended, 1.0, n)
        for n, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=PROMPT_SAMPLES.schema, orient="row")


def test_prompts_are_valid_by_the_shops_own_words(shop):
    train = read_corpus(shop).of_split("train")
    table = samples("kitchen, night", "kitchen, night", "kitchen, lava", "night", "desk, night")
    found = values(prompt_figures(table, {"mugs-0": "Mugs"}, train, SUITABLE))
    assert found["valid"] == pytest.approx(3 / 5)
    assert found["matching_sampled"] == pytest.approx(3 / 5)
    assert found["distinct_prompts"] == pytest.approx(4 / 5)
    assert found["prompt_tokens"] == 3


def test_without_captions_they_must_end_and_not_repeat():
    table = samples("lava, night", "lava, lava", "")
    found = values(prompt_figures(table, {}, None, None))
    assert found["valid"] == pytest.approx(1 / 3)
    assert "matching_sampled" not in found
    assert values(prompt_figures(samples("lava", ended=False), {}, None, None))["valid"] == 0


def test_matching_is_read_from_the_first_tokens_distribution(monkeypatch, shop):
    chances = np.array([[0.1, 0.6, 0.1], [0.2, 0.2, 0.4]])
    monkeypatch.setattr(measure, "first_token_probabilities", lambda *rest, **options: chances)
    items = [Item(f"p{n}", "", kind, "", "val", shop.path, ()) for n, kind in enumerate(KINDS)][:2]
    found = match_figures(None, [], items, SUITABLE, side=None, batch_size=1)
    places = sorted(PLACES)  # desk, kitchen, meadow
    assert places == ["desk", "kitchen", "meadow"]
    expected = np.mean([0.6 / 0.8, 0.4 / 0.8])  # mugs in the kitchen, balls in the meadow
    assert found["matching"].value == pytest.approx(expected)
    pooled = np.array([0.3, 0.8, 0.5]) / 1.6
    assert found["scene_entropy"].value == pytest.approx(-(pooled * np.log(pooled)).sum())
    assert found["place_mass"].value == pytest.approx(0.8)
    assert found["scene_entropy"].value < math.log(3)


def test_places_that_begin_alike_cannot_be_told_apart(monkeypatch):
    monkeypatch.setattr(measure, "first_token_probabilities", lambda *rest, **options: None)
    found = match_figures(None, [], [], SUITABLE, side=None, batch_size=1)
    assert {figure.value for figure in found.values()} == {None}


def test_curves_keep_what_is_unknown():
    table = curves(2, duel_figures(duels((0.9, None, None))))
    assert table["epoch"].unique().to_list() == [2]
    assert table.filter(pl.col("metric") == "true_ctr")["value"].to_list() == [None]


def test_products_of_the_shop_have_pictures(shop):
    assert products_of(shop)["cutout_path"].is_not_null().all()
