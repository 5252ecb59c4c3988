"""Judges before two servers that others wrote: llama.cpp's, and ``transformers serve``."""

import math

import pytest
from judge_world import config, judged, make_world

from caig.errors import CaigError
from evaluation.judge.api import ApiJudge

pytest.importorskip("openai", reason="the official client is not installed: extra api")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    for package in ("xllamacpp", "gguf"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is needed to serve")
    from real_servers import llama_server
    from tiny_gguf import save_tiny_gguf

    folder = tmp_path_factory.mktemp("llama")
    save_tiny_gguf(folder)
    with llama_server(folder) as url:
        yield url, folder


def settings(url, **more):
    return {
        "judge": "api:local:m",
        "api__base_url": url,
        "api__max_retries": 1,
        "api__timeout_s": 120,
        "ask_reason": False,
        **more,
    }


def test_llama_cpp_tells_probabilities(tmp_path, llama):
    url, _ = llama
    world = make_world(tmp_path / "runs", 6)
    made = judged(world, tmp_path / "runs", **settings(url))
    assert made.ability.tier == "logprobs"
    assert made.ability.findings["logprobs"]["mass"] > 0.9
    without, having = made.ability.findings["tokens_without_and_with_picture"]
    assert having > without
    rows = made.judgements.filter(made.judgements["n_attempts"] > 0)
    assert rows["status"].unique().to_list() == ["judged"]
    assert (rows["mass"] > 0.9).all()
    assert rows["score"].n_unique() > 6  # pictures and questions weigh
    assert rows["input_tokens"].min() > 100
    assert made.spent.n_unpriced == made.spent.n_attempts  # no prices, no cost: unknown, not 0


def test_its_probabilities_are_those_of_its_own_completion_api(llama):
    """The same distribution by another way: token probabilities of the raw completion endpoint."""
    import json
    import urllib.request

    from caig.chat.message import Request
    from evaluation.judge.first_token import masses

    url, _ = llama
    judge = ApiJudge("local:m", config(**settings(url)))
    reply = judge.attempt(Request("s", "q", (), 1, 0.0, 20))
    body = {
        "prompt": "system: s\nuser: q\nassistant:",
        "n_predict": 1,
        "n_probs": 20,
        "temperature": 0,
        "post_sampling_probs": False,
    }
    asked = urllib.request.Request(
        url.replace("/v1", "/completion"),
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked) as answer:
        (first,) = json.load(answer)["completion_probabilities"]
    theirs = {entry["token"]: entry["logprob"] for entry in first["top_logprobs"]}
    ours = dict(reply.first_token)
    words = ("Yes", "yes", "No", "no")
    assert [ours[word] for word in words] == pytest.approx(
        [theirs[word] for word in words], abs=1e-4
    )
    expected = math.exp(theirs["Yes"]) + math.exp(theirs["yes"])
    assert masses(reply.first_token).yes == pytest.approx(expected, abs=1e-4)


def test_llama_cpp_keeps_to_a_schema(tmp_path, llama):
    url, _ = llama
    world = make_world(tmp_path / "runs", 3)
    made = judged(world, tmp_path / "runs", **settings(url, tier="json_schema", max_tokens=256))
    assert (made.ability.tier, made.ability.shape) == ("json_schema", "json_schema")
    rows = made.judgements.filter(made.judgements["n_attempts"] > 0)
    # Random weights in a grammar: every reply is a verdict, or says that it cannot tell.
    assert set(rows["status"]) <= {"judged", "no_verdict"}
    assert set(rows.filter(rows["status"] == "no_verdict")["detail"]) <= {"the judge cannot tell"}


def test_a_random_models_chatter_is_no_verdict(tmp_path, llama):
    url, _ = llama
    world = make_world(tmp_path / "runs", 2)
    made = judged(world, tmp_path / "runs", **settings(url, tier="text", max_tokens=12))
    asked = made.judgements.filter(made.judgements["question"] != "matching")
    assert set(asked["status"]) <= {"truncated", "no_verdict"}
    assert asked["verdict"].unique().to_list() == ["unknown"]


def test_llama_cpp_without_eyes_is_refused(tmp_path, llama):
    from real_servers import llama_server

    _, folder = llama
    world = make_world(tmp_path / "runs", 1)
    with (
        llama_server(folder, eyes=False) as url,
        pytest.raises(CaigError, match="does not answer about a picture"),
    ):
        judged(world, tmp_path / "runs", **settings(url, api__max_retries=0))


@pytest.mark.slow
def test_transformers_serve_ignores_what_it_is_asked_and_is_found_out(tmp_path):
    for package in ("fastapi", "uvicorn", "transformers"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is needed to serve")
    from real_servers import transformers_server
    from tiny_llava import save_tiny_llava

    world = make_world(tmp_path / "runs", 2)
    save_tiny_llava(tmp_path / "model", "VERDICT: YES")
    with transformers_server(tmp_path) as url:
        named = settings(url, judge=f"api:local:{tmp_path / 'model'}")
        # It answers 200 without probabilities and without a schema: text is what is left.
        made = judged(world, tmp_path / "runs", **named)
        assert made.ability.tier == "text"
        assert made.ability.findings["logprobs"] == "no probabilities of tokens came with the reply"
        assert made.ability.findings["json_schema"] == "the reply is not JSON"
        assert made.judgements["verdict"].unique().to_list() == ["yes"]
        for tier in ("logprobs", "json_schema"):
            with pytest.raises(CaigError, match=f"was not seen to give tier '{tier}'"):
                judged(world, tmp_path / "runs", **named, tier=tier)
