"""Examples of the task families: what is asked, what is answered, from which ads."""

import random
from collections import Counter

import numpy as np
import pytest

from caig.errors import DataError
from caig.mllm.config import ALL_TASKS, TasksConfig
from caig.mllm.corpus import Ad, Corpus, place_of
from caig.mllm.instructions import TEMPLATES, product_sentence
from caig.mllm.tasks import ask_background, choose_proposals, draw_examples

PROPOSING = {"suitable", "create", "rewrite"}


def drawn(corpus, weights=ALL_TASKS, n=600, seed=0, **settings):
    return list(draw_examples(corpus, TasksConfig(**settings), weights, n=n, seed=seed))


def test_the_same_seed_draws_the_same_examples(corpus):
    train = corpus.of_split("train")
    assert drawn(train) == drawn(train)
    assert drawn(train) != drawn(train, seed=1)
    random.seed(1)
    np.random.seed(1)
    assert drawn(train) == drawn(train)


def test_tasks_have_their_shares(corpus):
    counted = Counter(e.task for e in drawn(corpus, {"create": 3, "title": 1, "place": 0}, n=4000))
    assert set(counted) == {"create", "title"}
    assert counted["create"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_answers_begin_with_what_is_weighted(corpus):
    for example in drawn(corpus):
        assert example.answer.startswith(example.weighted)
        if example.task in PROPOSING | {"background", "place"}:
            assert example.weighted == place_of(example.answer)
        assert len(example.turns) == 1
        assert "{" not in example.turns[0]
        assert "  " not in example.turns[0]


def test_every_task_says_what_it_should(corpus):
    by_task = {e.task: e for e in drawn(corpus, category_share=1.0)}
    assert set(by_task) == set(ALL_TASKS)
    assert by_task["product"].answer in {"mugs, home", "balls, home", "lamps, home"}
    assert by_task["title"].answer.startswith("Fine ")
    assert "Category: " in by_task["title"].turns[0]
    assert by_task["rewrite"].image is None
    assert "raft" in by_task["rewrite"].turns[0]


def test_a_draft_holds_phrases_of_the_answer_and_no_others(corpus):
    for example in drawn(corpus, {"rewrite": 1}, n=50):
        draft = example.turns[0].rpartition(": ")[2].rstrip(".")
        assert set(draft.split(", ")) <= set(example.answer.split(", "))


def test_wordings_differ(corpus):
    asked = {e.turns[0] for e in drawn(corpus, {"background": 1}, n=100)}
    assert asked == set(TEMPLATES["background"])


def test_common_places_alone_are_proposed_where_asked_for(corpus):
    train = corpus.of_split("train")
    homes = {"mugs": "kitchen", "balls": "meadow", "lamps": "desk"}
    examples = drawn(train, {"create": 1}, min_scene_share=0.3, category_share=1.0)
    for kind, home in homes.items():
        answers = {e.weighted for e in examples if f"Category: {kind}" in e.turns[0]}
        assert answers == {home}
    assert choose_proposals(train, TasksConfig(min_scene_share=0.3)).n_kept == 27
    assert choose_proposals(train, TasksConfig()).n_kept == train_ads(train) == 36
    # What a picture shows is still learnt from all of them.
    seen = {(e.image.stem, e.weighted) for e in drawn(train, {"place": 1}, min_scene_share=0.3)}
    assert ("mugs-0-0", "meadow") in seen


def train_ads(train):
    return len(train.ads)


def test_high_ctr_alone_is_proposed_where_asked_for(corpus):
    kept = choose_proposals(corpus, TasksConfig(min_ctr_rank=0.5)).of_product["mugs-0"]
    all_ads = next(item for item in corpus.items if item.product_id == "mugs-0").ads
    assert len(kept) == 2
    assert min(ad.ctr for ad in kept) >= max(ad.ctr for ad in all_ads if ad not in kept)


def test_ads_never_shown_are_not_of_high_ctr(corpus):
    item = corpus.items[0]
    unshown = tuple(Ad(a.product_id, a.image, a.caption, None) for a in item.ads)
    alone = Corpus((item._replace(ads=unshown),))
    with pytest.raises(DataError, match=r"min_ctr_rank = 0.5 leave none of 4 ads"):
        choose_proposals(alone, TasksConfig(min_ctr_rank=0.5))


def test_words_are_dropped_from_what_is_asked_and_not_from_what_is_answered(corpus):
    whole = drawn(corpus, {"create": 1}, n=100)
    thin = drawn(corpus, {"create": 1}, n=100, word_dropout=0.5)
    assert sum(map(len, (e.turns[0] for e in thin))) < sum(map(len, (e.turns[0] for e in whole)))
    titles = {item.title for item in corpus.items}
    assert {e.answer for e in drawn(corpus, {"title": 1}, n=50, word_dropout=0.5)} <= titles


def test_a_title_may_hold_braces_and_quotes(corpus):
    item = corpus.items[0]._replace(title='{draft} "x" {0}')
    assert "{draft} x {0}." in ask_background(item).turns[0]
    assert product_sentence("", None) == ""
    assert product_sentence("", "Mugs") == "Category: mugs."


def test_the_question_states_the_category_unless_it_is_not_to(corpus):
    item = corpus.items[0]
    assert f"Category: {item.category.lower()}." in ask_background(item).turns[0]
    assert "Category" not in ask_background(item, tells_category=False).turns[0]
    assert "Category" not in ask_background(item._replace(category="")).turns[0]
    stated = ["Category" in e.turns[0] for e in drawn(corpus, {"create": 1}, n=400)]
    assert np.mean(stated) == pytest.approx(0.9, abs=0.05)


def test_made_titles_name_the_category_among_idle_words(corpus):
    train = corpus.of_split("train")
    examples = drawn(train, {"create": 1}, n=60, made_title_share=1.0, category_share=0.0)
    idle = set(train.idle_words)
    assert {"Fine", "number"} <= idle
    assert not {"mug", "ball", "lamp"} & idle
    told = [e.turns[0].partition("Product: ")[2].partition(".")[0] for e in examples]
    told = [title for title in told if title]
    assert len(set(told)) > 20
    for title in told:
        others = [word for word in title.split() if word not in idle]
        assert len(others) == 1
        assert others[0].rstrip("s") in {"mug", "ball", "lamp"}
