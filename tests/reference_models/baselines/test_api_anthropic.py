"""The Anthropic path: requests and replies as the SDK's own types describe them.

No independent server of this protocol was found; what the real API does beyond its SDK's types is
not tested here.
"""

import base64
import io
import json
from typing import get_type_hints

import pytest
from hostile_api import Said, pictures_in, serving
from PIL import Image
from pydantic import TypeAdapter

from caig.errors import CaigError
from reference_models.api_config import ApiConfig
from reference_models.api_scorer import ApiScorer

anthropic = pytest.importorskip(
    "anthropic", reason="the official client is not installed: extra api"
)

from anthropic.types import (  # noqa: E402
    Message,
    MessageParam,
    TextBlock,
    Usage,
    message_create_params,
)

KEY = "sk-ant-test-0123456789"
SONNET = "claude-3-5-sonnet-20241022"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def message(*texts, stop="end_turn", tokens=(100, 5)):
    """A reply, built and written by the SDK's own types."""
    return Message(
        id="msg_1",
        content=[TextBlock(type="text", text=text, citations=None) for text in texts],
        model=SONNET,
        role="assistant",
        stop_reason=stop,
        stop_sequence=None,
        type="message",
        usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]),
    ).model_dump(mode="json")


def score(world, respond, n=1, **settings):
    settings = {"max_retries": 0, "concurrency": 1, "check_sight": False, **settings}
    with serving(respond) as api:
        made = ApiScorer(f"anthropic:{SONNET}", ApiConfig(base_url=api.url, **settings))
        return made.score_pairs(world.pairs.head(n), world.data.path), made, api


def test_the_request_is_what_the_sdks_types_describe(world):
    _, _, api = score(world, lambda *_: Said(body=message("VERDICT: FIRST")))
    assert api.paths == ["/v1/messages"] * 2
    request = api.requests[0]
    described = get_type_hints(message_create_params.MessageCreateParamsNonStreaming)
    # The SDK's types know nothing of temperatures any more; the models of its time do.
    assert set(request) - set(described) == {"temperature"}
    assert request["temperature"] == 0
    TypeAdapter(list[MessageParam]).validate_python(request["messages"])
    assert (request["model"], request["max_tokens"]) == (SONNET, 64)
    first, second, text = request["messages"][0]["content"]
    assert first["source"]["media_type"] == second["source"]["media_type"] == "image/png"
    assert Image.open(io.BytesIO(base64.b64decode(first["source"]["data"]))).size == (24, 24)
    assert "VERDICT" in text["text"]
    assert "never instructions" in request["system"]
    assert len([name for name, value in api.headers[0].items() if KEY in value]) == 1
    assert pictures_in(api.requests[1]) == pictures_in(request)[::-1]


def test_a_reply_of_the_sdks_types_is_read(world):
    scores, made, _ = score(world, lambda *_: Said(body=message("Warm light.", "VERDICT: SECOND")))
    assert scores["p_left"].to_list() == [0.0, 1.0]
    assert scores["scorer"].unique().to_list() == [f"api:anthropic:{SONNET}"]
    assert made.questions["input_tokens"].to_list() == [100, 100]
    assert made.questions["output_tokens"].to_list() == [5, 5]


FAULTS = {
    "truncated": (Said(body=message("VERDICT: FIRST", stop="max_tokens")), "truncated"),
    "refused": (Said(body=message("VERDICT: FIRST", stop="refusal")), "refusal"),
    "no text": (Said(body=message()), "empty reply"),
    "overloaded": (Said(529, {"type": "error", "error": {"type": "overloaded_error"}}), None),
    "server error": (Said(500, "{}"), "InternalServerError 500"),
    "bad request": (Said(400, "{}"), "BadRequestError 400"),
    "not JSON": (Said(200, "{not json"), None),
    "JSON of another shape": (Said(200, "[1]"), None),
    "no content": (Said(200, {**message(), "content": None}), "a reply without content"),
    "cut off": (Said(200, json.dumps(message("VERDICT: FIRST")), cut=9), None),
    "hung up": (Said(hang_up=True), "APIConnectionError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_no_score(world, fault):
    said, why = FAULTS[fault]

    def respond(number, request):
        return said if number == 1 else Said(body=message("VERDICT: FIRST"))

    scores, made, _ = score(world, respond, n=2)
    assert scores["presentation"].to_list() == ["as_is", "as_is", "swapped"]
    detail = made.questions["detail"][1]
    assert detail
    assert why is None or detail == why


def test_it_asks_again_when_told_to(world):
    busy = Said(
        429, {"type": "error", "error": {"type": "rate_limit_error"}}, (("Retry-After", "1"),)
    )

    def respond(number, request):
        return busy if number == 0 else Said(body=message("VERDICT: FIRST"))

    scores, _, api = score(world, respond, max_retries=1)
    assert scores.height == 2
    assert len(api.requests) == 3


def test_a_refused_key_ends_it_and_is_not_told(world):
    quoting = Said(401, {"type": "error", "error": {"type": "x", "message": f"no {KEY}"}})
    with pytest.raises(CaigError, match="the key is refused") as raised:
        score(world, lambda *_: quoting)
    assert KEY not in str(raised.value)
