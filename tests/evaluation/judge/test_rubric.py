"""Rubrics: files that fit, and what answers come to."""

import itertools

import pytest

from caig.errors import ConfigError
from evaluation.judge.rubric import is_void, load_rubric, outcome

MATCHING = load_rubric("matching/1")
IDS = [question.id for question in MATCHING.questions]

OWN = """
name = "own"
version = 3
summary = "s"
system = "s"
questions = [{id = "a", text = "A?"}, {id = "b", text = "B?", needs = ["a"]}]
"""


def test_the_shipped_rubric():
    assert MATCHING.identifier == "matching/1"
    assert IDS == ["product_visible", "product_intact", "scene_plausible", "suitable_for_ad"]
    # A published wording is never edited: verdicts of two wordings cannot be compared.
    assert MATCHING.sha256 == PUBLISHED


PUBLISHED = "13e394fd2b0ee3f43424e2c331275f257710ee4dda6e808a12c3706b59b98ccf"


@pytest.mark.parametrize("verdicts", list(itertools.product(("yes", "no", "unknown"), repeat=4)))
def test_one_no_is_a_no_and_a_yes_needs_all(verdicts):
    expected = "no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"
    assert outcome(MATCHING, dict(zip(IDS, verdicts, strict=True))) == expected


def test_a_question_without_answer_is_unknown():
    assert outcome(MATCHING, dict.fromkeys(IDS[:3], "yes")) == "unknown"


def test_void_after_a_no_only():
    intact = MATCHING.questions[1]
    assert is_void(intact, {"product_visible": "no"})
    assert not is_void(intact, {"product_visible": "unknown"})
    assert not is_void(intact, {"product_visible": "yes"})


def test_a_rubric_of_ones_own(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    rubric = load_rubric(str(file))
    assert rubric.identifier == "own/3"
    file.write_text(OWN.replace("A?", "A, really?"))
    assert load_rubric(str(file)).sha256 != rubric.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('needs = ["a"]', 'needs = ["c"]'), "'b' needs 'c', no earlier question"),
        (('id = "b"', 'id = "a"'), "question 'a' comes twice"),
        (('id = "a"', 'id = "own"'), "question 'own' comes twice, or is the rubric's name"),
        (("version = 3", "version = 0"), "version"),
        (('summary = "s"', 'sumary = "s"'), "sumary: Extra inputs"),
        (("questions", "=questions"), "not valid TOML"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, change, words):
    file = tmp_path / "own.toml"
    file.write_text(OWN.replace(*change))
    with pytest.raises(ConfigError, match=words):
        load_rubric(str(file))


@pytest.mark.parametrize("wanted", ["matching/2", "matching", "../matching/1", "none.toml"])
def test_no_such_rubric(wanted):
    with pytest.raises(ConfigError, match=r"no rubric|No such file"):
        load_rubric(wanted)
