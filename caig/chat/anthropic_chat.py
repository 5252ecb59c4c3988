"""Anthropic's messages by the official client. The API tells no probabilities of tokens."""

import json
from typing import Any

from caig.chat.message import Chat, Reply, Request, Status
from caig.chat.providers import count, failed


def anthropic_chat(model: str, *, key: str, base_url: str, max_retries: int) -> Chat:
    """A way to ask one model.

    Args:
        model: Its name.
        key: Of the API.
        base_url: Address, without the version.
        max_retries: Attempts the client makes by itself.
    """
    import anthropic

    client = anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=max_retries)

    def ask(request: Request) -> Reply:
        create: Any = client.messages.create
        # The present client knows no temperature any more; the models of its time take one.
        sampling = {} if request.temperature is None else {"temperature": request.temperature}
        try:
            reply = create(
                model=model,
                system=request.system,
                messages=[{"role": "user", "content": _parts(request)}],
                max_tokens=request.max_tokens,
                timeout=request.timeout_s,
                extra_body=sampling | dict(request.extra_body) or None,
                **_options(request),
            )
        except anthropic.APIStatusError as error:
            return failed(error.status_code, type(error).__name__, error.response.headers)
        except (anthropic.APIError, json.JSONDecodeError) as error:
            return Reply("error", detail=type(error).__name__)
        return _read(reply)

    return ask


def _parts(request: Request) -> list[dict[str, Any]]:
    pictures: list[dict[str, Any]] = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": picture.media_type,
                "data": picture.base64,
            },
        }
        for picture in request.pictures
    ]
    return [*pictures, {"type": "text", "text": request.question}]


def _options(request: Request) -> dict[str, Any]:
    if request.schema is None:
        return {}
    return {"output_config": {"format": {"type": "json_schema", "schema": dict(request.schema)}}}


def _read(reply: Any) -> Reply:
    """A message, of which a faulty server may have left out any part."""
    usage = getattr(reply, "usage", None)
    tokens = count(usage, "input_tokens"), count(usage, "output_tokens")
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return Reply("error", "", "a reply without content", *tokens)
    texts = [part.text for part in content if getattr(part, "type", "") == "text"]
    stop = getattr(reply, "stop_reason", None)
    if stop == "refusal":
        return Reply("refused", "", "refusal", *tokens, 200)
    status: Status = "truncated" if stop == "max_tokens" else "reply"
    return Reply(status, "\n".join(texts), "", *tokens, 200)
