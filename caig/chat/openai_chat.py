"""OpenAI's chat completions by the official client: OpenAI, GLM, and local servers of that shape.

Servers leave out what they do not know: some ignore ``logprobs`` and ``response_format`` without a
word, so nothing here takes a status of 200 for a promise.
"""

import json
import math
from typing import Any

from caig.chat.message import Chat, Reply, Request, Status, TokenLogprob
from caig.chat.providers import count, failed


def openai_chat(model: str, *, key: str, base_url: str, limit: str, max_retries: int) -> Chat:
    """A way to ask one model.

    Args:
        model: Its name.
        key: Sent as bearer token.
        base_url: Address, up to the version.
        limit: Name of the field that bounds the reply.
        max_retries: Attempts the client makes by itself.
    """
    import openai

    client = openai.OpenAI(api_key=key, base_url=base_url, max_retries=max_retries)

    def ask(request: Request) -> Reply:
        create: Any = client.chat.completions.create
        try:
            reply = create(
                model=model,
                messages=_messages(request),
                timeout=request.timeout_s,
                extra_body=dict(request.extra_body) or None,
                **_options(request, limit),
            )
        except openai.APIStatusError as error:
            return failed(error.status_code, type(error).__name__, error.response.headers)
        except (openai.APIError, json.JSONDecodeError) as error:
            return Reply("error", detail=type(error).__name__)
        return _read(reply)

    return ask


def _messages(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {
            "type": "image_url",
            "image_url": {"url": f"data:{picture.media_type};base64,{picture.base64}"},
        }
        for picture in request.pictures
    ]
    return [
        {"role": "system", "content": request.system},
        {"role": "user", "content": [*parts, {"type": "text", "text": request.question}]},
    ]


def _options(request: Request, limit: str) -> dict[str, Any]:
    options: dict[str, Any] = {limit: request.max_tokens}
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.top_logprobs:
        options |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if request.schema is not None:
        schema = dict(request.schema)
        options["response_format"] = {
            "json_schema": {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": schema},
            },
            "json_object_schema": {"type": "json_object", "schema": schema},
            "json_object": {"type": "json_object"},
        }[request.shape]
    return options


def _read(reply: Any) -> Reply:
    """A chat completion, of which a faulty server may have left out any part."""
    usage = getattr(reply, "usage", None)
    tokens = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    choices = getattr(reply, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        return Reply("error", "", "a reply without a message", *tokens)
    if getattr(message, "refusal", None):
        return Reply("refused", "", "refusal", *tokens, 200)
    finish = getattr(choice, "finish_reason", None)
    if finish == "content_filter":
        return Reply("refused", "", "content filter", *tokens, 200)
    content = getattr(message, "content", None)
    text = content if isinstance(content, str) else ""
    status: Status = "truncated" if finish == "length" else "reply"
    return Reply(status, text, "", *tokens, 200, first_token=_first_token(choice))


def _first_token(choice: Any) -> tuple[TokenLogprob, ...] | None:
    content = getattr(getattr(choice, "logprobs", None), "content", None)
    if not isinstance(content, list) or not content:
        return None
    told = getattr(content[0], "top_logprobs", None)
    # A token may be listed twice: once among the likeliest, once as the one that was chosen.
    found = {
        TokenLogprob(entry.token, float(entry.logprob))
        for entry in (told if isinstance(told, list) and told else content[:1])
        if isinstance(getattr(entry, "token", None), str)
        and isinstance(getattr(entry, "logprob", None), (int, float))
        and math.isfinite(entry.logprob)
    }
    return tuple(sorted(found)) or None
