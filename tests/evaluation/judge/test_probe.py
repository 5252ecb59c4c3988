"""What a server is seen to do: an ability that was not seen is not used, whatever it promises."""

import json

import pytest
from hostile_api import Said, chat, pictures_in, serving
from judge_world import config

from caig.errors import CaigError
from evaluation.judge.api import ApiJudge

pytest.importorskip("openai", reason="the official client is not installed: extra api")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    for name in ("OPENAI_API_KEY", "ZHIPUAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "k-0123456789")


def server(*, logprobs=False, shapes=(), counts=True, sees=True, text="VERDICT: YES", mass=0.9):
    """A server of some abilities, which answers 200 to what it does not know."""

    def respond(number, request):
        seen = len(pictures_in(request)) if sees else 0
        shape = request.get("response_format")
        said = text
        if shape and _name(shape) in shapes:
            said = '{"reason": "black", "verdict": "yes"}'
        tokens = (100 + 7 * seen, 5) if counts else (0, 0)
        body = chat(said, tokens=tokens, finish="length" if logprobs else "stop")
        if request.get("max_tokens", request.get("max_completion_tokens")) != 1:
            body["choices"][0]["finish_reason"] = "stop"
        if not counts:
            body["usage"] = None
        if logprobs and request.get("logprobs"):
            dark = 0.1 * (pictures_in(request) == [BLACK])
            body["choices"][0]["logprobs"] = {"content": [_tokens(mass, dark)], "refusal": None}
        return Said(body=body)

    return respond


def _name(shape):
    return "json_object_schema" if "schema" in shape else shape["type"]


def _tokens(mass, dark):
    import math

    told = {"Yes": mass * (0.6 + dark), "No": mass * (0.4 - dark)}
    listed = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in told.items()]
    return {**listed[0], "top_logprobs": listed}


def _black():
    from evaluation.judge.probe import black

    return black().base64


BLACK = _black()


def probe(respond, spec="openai:m", **settings):
    settings = {"api__max_retries": 0, **settings}
    with serving(respond) as api:
        wanted = config(judge=f"api:{spec}", api__base_url=f"{api.url}/v1", **settings)
        judge = ApiJudge(spec, wanted)
        return judge.probe(wanted, judge.attempt), api


def test_the_first_tier_that_is_seen_is_taken():
    everything = {"logprobs": True, "shapes": ("json_schema",)}
    assert probe(server(**everything))[0].tier == "logprobs"
    assert probe(server(shapes=("json_schema",)))[0].tier == "json_schema"
    assert probe(server())[0].tier == "text"
    # Probabilities that are not on yes and no are of no use.
    assert probe(server(logprobs=True, mass=0.2))[0].tier == "text"


@pytest.mark.parametrize("shape", ["json_schema", "json_object_schema", "json_object"])
def test_the_shape_for_json_is_found_out_and_kept(shape):
    ability, _ = probe(server(shapes=(shape,)))
    assert (ability.tier, ability.shape) == ("json_schema", shape)


@pytest.mark.parametrize("tier", ["logprobs", "json_schema"])
def test_what_is_asked_for_and_not_seen_is_refused(tier):
    with pytest.raises(CaigError, match=f"was not seen to give tier '{tier}'"):
        probe(server(), tier=tier)


def test_pictures_that_are_dropped_without_a_word():
    with pytest.raises(CaigError, match="reads no pictures: a question has 100 tokens with and"):
        probe(server(sees=False))
    assert probe(server(sees=False), api__check_sight=False)[0].tier == "text"


def test_without_counts_answers_must_differ():
    assert probe(server(counts=False, logprobs=True))[0].tier == "logprobs"
    with pytest.raises(CaigError, match="says the same of black and white"):
        probe(server(counts=False))


def test_a_server_that_does_not_answer():
    with pytest.raises(CaigError, match="does not answer: InternalServerError 500"):
        probe(lambda *_: Said(500, "{}"))

    def refuses_pictures(number, request):
        return Said(400, "{}") if pictures_in(request) else Said(body=chat("VERDICT: YES"))

    with pytest.raises(CaigError, match="about a picture: BadRequestError 400"):
        probe(refuses_pictures)


def test_a_model_that_refuses_temperatures_is_sent_none():
    respond = server()

    def reasoning(number, request):
        known = "temperature" not in request and "logprobs" not in request
        return respond(number, request) if known else Said(400, "{}")

    ability, api = probe(reasoning)
    assert (ability.tier, ability.temperature) == ("text", None)
    assert "temperature" not in api.requests[-1]


def test_what_was_found_is_told():
    found = probe(server(shapes=("json_schema",)))[0].findings
    assert found["tokens_without_and_with_picture"] == [100, 107]
    assert found["logprobs"] == "no probabilities of tokens came with the reply"
    assert found["same_answer_three_times"] is True
    json.dumps(found)


def test_a_server_that_stops_telling_probabilities_is_no_verdict():
    wanted = config(judge="api:openai:m", tier="logprobs")
    with serving(server()) as api:
        judge = ApiJudge("openai:m", wanted.model_copy(update={"api": _at(api)}))
        from caig.chat.message import Request

        reply = judge.attempt(Request("s", "q", (), 1, 0.0, 20))
    assert (reply.status, reply.http_status, reply.text) == ("error", 200, "")
    assert reply.detail == "no probabilities of tokens came with the reply"


def _at(api):
    return config(api__base_url=f"{api.url}/v1").api


def test_glm_has_its_own_fields_and_does_not_think_first():
    ability, api = probe(server(shapes=("json_object",)), "glm:glm-4.5v", tier="json_schema")
    assert ability.shape == "json_object"
    for request in api.requests:
        assert request["max_tokens"] == 512
        assert "max_completion_tokens" not in request
        assert request["thinking"] == {"type": "disabled"}
    assert {r["response_format"]["type"] for r in api.requests if "response_format" in r} == {
        "json_object"
    }
    thinking = {"thinking": {"type": "enabled"}}
    _, api = probe(server(), "glm:m", tier="text", api__extra_body=thinking)
    assert api.requests[0]["thinking"] == {"type": "enabled"}


def test_anthropic_is_asked_for_json_as_its_sdk_describes_it():
    pytest.importorskip("anthropic", reason="the official client is not installed: extra api")
    from typing import get_type_hints

    from anthropic.types import Message, OutputConfigParam, TextBlock, Usage, message_create_params
    from pydantic import TypeAdapter

    def respond(number, request):
        said = '{"reason": "", "verdict": "yes"}' if "output_config" in request else "VERDICT: YES"
        body = Message(
            id="m",
            content=[TextBlock(type="text", text=said, citations=None)],
            model="m",
            role="assistant",
            stop_reason="end_turn",
            stop_sequence=None,
            type="message",
            usage=Usage(input_tokens=100 + 50 * len(pictures_in(request)), output_tokens=5),
        )
        return Said(body=body.model_dump(mode="json"))

    with serving(respond) as api:
        wanted = config(judge="api:anthropic:m", api__base_url=api.url)
        judge = ApiJudge("anthropic:m", wanted)
        ability = judge.probe(wanted, judge.attempt)
    assert (ability.tier, ability.shape) == ("json_schema", "json_schema")
    described = get_type_hints(message_create_params.MessageCreateParamsNonStreaming)
    for request in api.requests:
        # The SDK's types know nothing of temperatures any more; the models of its time do.
        assert set(request) - set(described) <= {"temperature"}
        assert "logprobs" not in request
    asked = [r["output_config"] for r in api.requests if "output_config" in r]
    assert asked
    TypeAdapter(OutputConfigParam).validate_python(asked[0])
