"""What a headline is cut into, and what its vectors are."""

import numpy as np
import pytest

from reference_models.headline_features import (
    STYLES,
    character_grams,
    style,
    styles,
    tokens,
    unit_vectors,
    vocabulary,
    word_grams,
)


def test_words_numbers_and_signs():
    assert tokens("She's 7, isn't she?") == ["she's", "7", ",", "isn't", "she", "?"]
    assert tokens("It\u2019s \u201cfine\u201d") == ["it's", '"', "fine", '"']


def test_runs_of_words_know_the_ends():
    assert word_grams("Stop it", 1) == ["stop", "it"]
    assert word_grams("Stop it", 2) == ["stop", "it", "< stop", "stop it", "it >"]
    assert "< stop it" in word_grams("Stop it", 3)


def test_runs_of_characters_know_the_ends_of_words():
    assert character_grams("Ab c", 2, 3) == [
        *(" a", "ab", "b ", " c", "c "),
        *(" ab", "ab ", "b c", " c "),
    ]


def test_a_vocabulary_leaves_out_what_is_rare_or_everywhere():
    found = vocabulary([["a", "b", "b"], ["a", "b"], ["a", "c"]], 2)
    assert found.terms == ["b"]  # a is in all, c in one
    assert found.scale == pytest.approx([np.log(3 / 2)])


def test_a_vector_has_length_1_or_nothing():
    known = vocabulary([["a", "b"], ["a"], ["b"], ["c"], []], 1)
    vectors = unit_vectors([["a", "b", "a"], ["c"], ["never"], []], known).toarray()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0, 0])
    by_term = dict(zip(known.terms, vectors[0], strict=True))
    assert by_term["a"] == pytest.approx(by_term["b"])
    assert by_term["c"] == 0


def test_measures_of_style():
    found = style('7 Things I "LOVE": Why? Because...')
    assert found["words"] == 6
    assert found["characters"] == 34
    assert found["has a number"] == found["begins with a number"] == 1
    assert found["all capitals"] == 1
    assert found["sentences"] == 2
    assert found["has an ellipsis"] == found["has a quotation"] == found["has :"] == 1
    assert found["has words of 'i'"] == found["has words of 'question'"] == 1
    assert found["begins with 'i'"] == 0
    assert style("Don't you dare")["has a quotation"] == 0  # an apostrophe is none
    assert style("He said 'no'")["has a quotation"] == 1


def test_no_headlines_have_no_measures():
    assert styles([]).shape == (0, len(STYLES))
    assert np.isfinite(styles([""])).all()
