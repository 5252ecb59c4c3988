"""The zero-shot scorer before a server that misbehaves: no fault becomes a score."""

import base64
import io
import json
import logging
import sys
import time

import numpy as np
import polars as pl
import pytest
from hostile_api import Said, chat, pictures_in, serving
from PIL import Image

from caig.errors import CaigError, ConfigError, DataError, PrerequisiteError
from reference_models.api_config import ApiConfig
from reference_models.api_scorer import ApiScorer

pytest.importorskip("openai", reason="the official client is not installed: extra api")

KEY = "sk-test-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def scorer(api, spec="openai:m", **settings):
    settings = {"max_retries": 0, "concurrency": 1, "check_sight": False, **settings}
    return ApiScorer(spec, ApiConfig(base_url=f"{api.url}/v1", **settings))


def level(picture):
    """Mean brightness of a sent picture."""
    return float(np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).mean())


def says_the_brighter(number, request):
    first, second = map(level, pictures_in(request))
    return Said(body=chat(f"VERDICT: {'FIRST' if first > second else 'SECOND'}"))


def score(world, respond, n=2, **settings):
    with serving(respond) as api:
        made = scorer(api, **settings)
        return made.score_pairs(world.pairs.head(n), world.data.path), made, api


def reasons(made):
    return made.questions["detail"].to_list()


def test_a_model_that_sees_is_right_in_both_presentations(world):
    scores, made, api = score(world, says_the_brighter, n=12)
    truth = [
        float(world.bright[row["left_id"]] > world.bright[row["right_id"]])
        for row in world.pairs.head(12).iter_rows(named=True)
    ]
    assert scores["p_left"].to_list() == np.repeat(truth, 2).tolist()
    assert scores["presentation"].to_list() == ["as_is", "swapped"] * 12
    assert scores["scorer"].unique().to_list() == ["api:openai:m"]
    assert scores["left_ctr_hat"].null_count() == 24
    assert set(api.paths) == {"/v1/chat/completions"}
    assert made.questions["status"].unique().to_list() == ["scored"]


def test_a_model_that_always_says_first_flips(world):
    scores, _, _ = score(world, lambda *_: Said(body=chat("VERDICT: FIRST")))
    assert scores["p_left"].to_list() == [1.0, 0.0, 1.0, 0.0]


def test_many_at_a_time_keep_the_order(world):
    def slow_at_first(number, request):
        time.sleep(0.05 if number % 3 == 0 else 0)
        return says_the_brighter(number, request)

    one, _, _ = score(world, says_the_brighter, n=24)
    many, _, _ = score(world, slow_at_first, n=24, concurrency=8)
    assert many.equals(one)


FAULTS = {
    "server error": (Said(500, {"error": {"message": "x"}}), "InternalServerError 500"),
    "bad request": (Said(400, {"error": {"message": "x"}}), "BadRequestError 400"),
    "busy": (Said(429, {"error": {"message": "x"}}), "RateLimitError 429"),
    "not JSON": (Said(200, "{not json"), None),
    "JSON of another shape": (Said(200, "[1, 2]"), None),
    "no choices": (Said(200, {**chat(""), "choices": []}), "a reply without a message"),
    "null choices": (Said(200, {**chat(""), "choices": None}), "a reply without a message"),
    "cut off": (Said(200, json.dumps(chat("VERDICT: FIRST")), cut=50), None),
    "hung up": (Said(hang_up=True), "APIConnectionError"),
    "bound met": (Said(200, chat("VERDICT: FIRST", finish="length")), "truncated"),
    "filtered": (Said(200, chat("VERDICT: FIRST", finish="content_filter")), "content filter"),
    "refused": (Said(200, chat(None, refusal="I will not.")), "refusal"),
    "no text": (Said(200, chat(None)), "empty reply"),
    "no verdict": (Said(200, chat("Both are lovely.")), "the last line is no verdict"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_no_score(world, fault):
    said, why = FAULTS[fault]

    def respond(number, request):
        return said if number == 1 else Said(body=chat("VERDICT: FIRST"))

    scores, made, _ = score(world, respond)
    # The second question, the first pair swapped, has no row; the others are not touched.
    assert scores["presentation"].to_list() == ["as_is", "as_is", "swapped"]
    assert made.questions["status"].to_list() == ["scored", "unscored", "scored", "scored"]
    assert reasons(made)[1]
    assert why is None or reasons(made)[1] == why


def test_the_prompt_echoed_is_no_score(world):
    def echo(number, request):
        return Said(body=chat(request["messages"][1]["content"][-1]["text"]))

    scores, _, _ = score(world, echo)
    assert scores.height == 0


def test_it_waits_as_long_as_it_is_told_and_asks_again(world):
    def busy_once(number, request):
        if number == 0:
            return Said(429, {"error": {"message": "slow"}}, (("Retry-After", "1"),))
        return Said(body=chat("VERDICT: FIRST"))

    began = time.monotonic()
    scores, _, api = score(world, busy_once, n=1, max_retries=2)
    assert scores.height == 2
    assert len(api.requests) == 3
    assert time.monotonic() - began >= 1


def test_a_pair_beyond_max_items_is_not_asked_about(world):
    scores, _, api = score(world, says_the_brighter, n=5, max_items=2)
    assert scores["pair_id"].unique(maintain_order=True).to_list() == (
        world.pairs["pair_id"].head(2).to_list()
    )
    assert len(api.requests) == 4


def test_bounds_hold_over_pairs_given_in_parts(world):
    with serving(says_the_brighter) as api:
        made = scorer(api, max_items=3)
        parts = [
            made.score_pairs(world.pairs[first : first + 2], world.data.path) for first in (0, 2, 4)
        ]
        assert [part.height for part in parts] == [4, 2, 0]
        assert len(api.requests) == made.questions.height == 6
        timed = scorer(api, max_minutes=1 / 60)
        assert timed.score_pairs(world.pairs[:1], world.data.path).height == 2
        time.sleep(1)
        assert timed.score_pairs(world.pairs[1:2], world.data.path).height == 0
    assert timed.questions["detail"].to_list() == ["", "", *["not asked: max_minutes"] * 2]


def test_money_is_bounded(world):
    # 100 and 5 tokens a question: 100 * 1e4 / 1e6 + 5 * 2e4 / 1e6 = 1.1 dollars.
    prices = {"usd_per_million_input": 1e4, "usd_per_million_output": 2e4}
    scores, made, api = score(world, says_the_brighter, n=5, max_usd=2.0, **prices)
    assert len(api.requests) == 2
    assert scores.height == 2
    assert reasons(made)[2:] == ["not asked: max_usd"] * 8


def test_time_is_bounded(world):
    def slow(number, request):
        time.sleep(0.6)
        return Said(body=chat("VERDICT: FIRST"))

    _, made, api = score(world, slow, n=5, max_minutes=1 / 60)
    assert 1 <= len(api.requests) <= 2  # the second, if begun, is cut off at the end of the time
    assert reasons(made)[2:] == ["not asked: max_minutes"] * 8


def test_a_server_that_only_fails_is_given_up(world):
    _, made, api = score(world, lambda *_: Said(500, "{}"), n=10, give_up_after=3)
    assert len(api.requests) == 3
    assert reasons(made)[3:] == ["not asked: give_up_after"] * 17


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "the key is refused"), (403, "may not use this model"), (404, "no such model")],
)
def test_what_no_pair_would_change_ends_it_and_no_key_is_told(world, caplog, status, words):
    caplog.set_level(logging.DEBUG)
    quoting = Said(status, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with pytest.raises(CaigError, match=words) as raised:
        score(world, lambda *_: quoting)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert KEY not in caplog.text


def test_a_journal_is_not_asked_twice_and_holds_no_key(world, tmp_path):
    journal = tmp_path / "journal.jsonl"
    pairs, images = world.pairs.head(2), world.data.path

    def third_fails(number, request):
        return Said(500, "{}") if number == 2 else says_the_brighter(number, request)

    with serving(third_fails) as api:
        first = scorer(api, journal=str(journal)).score_pairs(pairs, images)
        assert first.height == 3
        assert KEY not in journal.read_text()
        with journal.open("a") as file:
            file.write('{"key": "cut o')
        again = scorer(api, journal=str(journal))
        whole = again.score_pairs(pairs, images)
        assert len(api.requests) == 4 + 1  # the failed one alone
        assert again.questions["from_journal"].sum() == 3
        third = scorer(api, journal=str(journal)).score_pairs(pairs, images)
        assert len(api.requests) == 5
        # Other settings are other questions.
        scorer(api, journal=str(journal), max_tokens=65).score_pairs(pairs, images)
        assert len(api.requests) == 9
    assert whole.equals(score(world, says_the_brighter)[0])
    assert third.equals(whole)


def test_a_damaged_journal_is_refused(world, tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text('not json\n{"key": "k", "reply": "r"}\n')
    with pytest.raises(DataError, match="line 1: no entry of a journal"):
        score(world, says_the_brighter, journal=str(journal))


def test_an_unreadable_picture_is_our_fault_and_no_question(new_world):
    world = new_world(n_products=1)
    pair = world.pairs.row(0, named=True)
    creatives = world.data.table("creatives")
    path = creatives.filter(pl.col("creative_id") == pair["left_id"])["image_path"].item()
    (world.data.path / path).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    scores, made, api = score(world, says_the_brighter, n=1)
    assert (scores.height, api.requests) == (0, [])
    assert reasons(made) == ["a picture cannot be read"] * 2


def test_a_server_that_drops_pictures_is_found_out(world):
    with pytest.raises(CaigError, match="reads no pictures: a question has 100 tokens"):
        score(world, lambda *_: Said(body=chat("ready")), check_sight=True)
    silent = {**chat("ready"), "usage": None}
    with pytest.raises(CaigError, match="tells no token counts"):
        score(world, lambda *_: Said(body=silent), check_sight=True)
    with pytest.raises(CaigError, match="does not answer: InternalServerError 500"):
        score(world, lambda *_: Said(500, "{}"), check_sight=True)


def test_glm_is_shown_one_picture_and_its_own_field(world, monkeypatch):
    monkeypatch.setenv("ZHIPUAI_API_KEY", KEY)
    extra = {"thinking": {"type": "disabled"}}
    _, _, api = score(
        world, lambda *_: Said(body=chat("VERDICT: FIRST")), spec="glm:glm-4v", extra_body=extra
    )
    request = api.requests[0]
    (picture,) = pictures_in(request)
    shown = Image.open(io.BytesIO(base64.b64decode(picture)))
    assert shown.size == (1024, 512)
    left, right = (np.asarray(shown)[:, part].mean() for part in (slice(512), slice(512, None)))
    pair = world.pairs.row(0, named=True)
    assert left == pytest.approx(world.bright[pair["left_id"]], abs=3)
    assert right == pytest.approx(world.bright[pair["right_id"]], abs=3)
    assert request["max_tokens"] == 64
    assert "max_completion_tokens" not in request
    assert request["thinking"] == {"type": "disabled"}
    assert api.headers[0]["authorization"] == f"Bearer {KEY}"


def test_what_openai_is_sent(world):
    _, _, api = score(world, says_the_brighter, max_side=16)
    request = api.requests[0]
    assert request["model"] == "m"
    assert request["temperature"] == 0
    assert request["max_completion_tokens"] == 64
    assert '"Lamp 0"' in request["messages"][1]["content"][-1]["text"]
    sent = [Image.open(io.BytesIO(base64.b64decode(p))) for p in pictures_in(request)]
    assert [picture.size for picture in sent] == [(16, 16)] * 2
    _, _, api = score(world, says_the_brighter, send_temperature=False, tell_title=False)
    assert "temperature" not in api.requests[0]
    assert "Lamp" not in json.dumps(api.requests)


def test_settings_that_do_not_fit(monkeypatch):
    with pytest.raises(ConfigError, match="max_usd needs today's prices"):
        ApiScorer("openai:m", ApiConfig(max_usd=1))
    with pytest.raises(ConfigError, match="name provider and model"):
        ApiScorer("openai", ApiConfig())
    with pytest.raises(ConfigError, match="no provider 'acme'; there are: openai, anthropic"):
        ApiScorer("acme:m", ApiConfig())
    with pytest.raises(ConfigError, match="a local server needs its address"):
        ApiScorer("local:m", ApiConfig())
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="set its key in the environment variable OPENAI_API_KEY"):
        ApiScorer("openai:m", ApiConfig())


@pytest.mark.parametrize(
    ("spec", "package"), [("openai:m", "openai"), ("anthropic:m", "anthropic")]
)
def test_a_client_that_is_not_installed_is_said(monkeypatch, spec, package):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'caig-toolkit\[api\]'"):
        ApiScorer(spec, ApiConfig())
