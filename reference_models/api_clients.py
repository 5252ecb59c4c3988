"""One question with pictures to a multimodal model over its real API, by the official clients.

Two protocols: OpenAI's chat completions (OpenAI, GLM, and any local server of that shape) and
Anthropic's messages. The clients retry what may pass (429, 5xx, lost connections) and wait as long
as ``Retry-After`` says. Keys come from the environment and are never stored; of an error only its
kind and status are kept, because servers quote keys and requests in their messages.
"""

import base64
import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from caig.errors import CaigError, ConfigError, PrerequisiteError
from reference_models.api_words import SYSTEM, Layout

if TYPE_CHECKING:
    from reference_models.api_config import ApiConfig

Status = Literal["reply", "truncated", "refused", "error"]

FATAL = {401: "the key is refused", 403: "the key may not use this model", 404: "no such model"}
"""Statuses that no other pair would change."""


class Provider(NamedTuple):
    """How one provider is reached.

    Attributes:
        protocol: "openai" (chat completions) or "anthropic" (messages).
        key: Environment variable of the key; empty if none is needed.
        base_url: Address; None is the client's own.
        limit: Name of the field that bounds the reply.
        layout: How it is shown a pair by default.
    """

    protocol: Literal["openai", "anthropic"]
    key: str
    base_url: str | None
    limit: str
    layout: Layout


PROVIDERS = {
    "openai": Provider("openai", "OPENAI_API_KEY", None, "max_completion_tokens", "two_images"),
    "anthropic": Provider("anthropic", "ANTHROPIC_API_KEY", None, "max_tokens", "two_images"),
    # GLM-4V reads one picture a request, and its API knows only max_tokens.
    "glm": Provider(
        "openai",
        "ZHIPUAI_API_KEY",
        "https://open.bigmodel.cn/api/paas/v4",
        "max_tokens",
        "side_by_side",
    ),
    "local": Provider("openai", "", None, "max_tokens", "two_images"),
}


class Picture(NamedTuple):
    """An encoded picture.

    Attributes:
        media_type: E.g. "image/png".
        content: The file.
    """

    media_type: str
    content: bytes

    @property
    def base64(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.content).decode()


class Answer(NamedTuple):
    """What came of one question.

    Attributes:
        status: reply; truncated (the reply's bound was met); refused by the model; error.
        text: The reply, untrusted; empty unless there is one.
        detail: Kind and status of the error, or the reason of the refusal.
        input_tokens: Tokens read (count); None if not told.
        output_tokens: Tokens written (count); None if not told.
    """

    status: Status
    text: str = ""
    detail: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None


Ask = Callable[[Sequence[Picture], str, float], Answer]
"""Pictures, question, seconds it may take in all; safe to call from several threads."""


def make_client(provider: str, model: str, config: "ApiConfig") -> Ask:
    """A way to ask one model.

    Args:
        provider: One of ``PROVIDERS``.
        model: The provider's name of the model.
        config: Address, bounds and retries.

    Raises:
        ConfigError: There is no such provider, its key is not in the environment, or a local
            server has no address.
        PrerequisiteError: The client is not installed.
    """
    if provider not in PROVIDERS:
        raise ConfigError(f"no provider '{provider}'; there are: {', '.join(PROVIDERS)}")
    reached = PROVIDERS[provider]
    base_url = config.base_url or reached.base_url
    if provider == "local" and base_url is None:
        raise ConfigError(
            "a local server needs its address: base_url, e.g. http://127.0.0.1:8000/v1"
        )
    key = os.environ.get(reached.key, "") if reached.key else "none"
    if not key:
        raise ConfigError(f"{provider}: set its key in the environment variable {reached.key}")
    make = _openai if reached.protocol == "openai" else _anthropic
    try:
        return make(reached, model, key=key, base_url=base_url, config=config)
    except ImportError:
        raise PrerequisiteError.from_extra(f"asking {provider}", "api") from None


def _openai(
    provider: Provider, model: str, *, key: str, base_url: str | None, config: "ApiConfig"
) -> Ask:
    import openai

    # An address of our own, or the client's: never one from the environment, which is no record.
    client = openai.OpenAI(
        api_key=key,
        base_url=base_url or "https://api.openai.com/v1",
        max_retries=config.max_retries,
        timeout=config.timeout_s,
    )

    def ask(pictures: Sequence[Picture], question: str, seconds: float) -> Answer:
        parts: list[Any] = [
            {
                "type": "image_url",
                "image_url": {"url": f"data:{picture.media_type};base64,{picture.base64}"},
            }
            for picture in pictures
        ]
        options: dict[str, Any] = {provider.limit: config.max_tokens}
        if config.send_temperature:
            options["temperature"] = config.temperature
        try:
            reply = client.with_options(
                timeout=min(seconds, config.timeout_s)
            ).chat.completions.create(
                model=model,
                messages=[
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": [*parts, {"type": "text", "text": question}]},
                ],
                extra_body=config.extra_body or None,
                **options,
            )
        except openai.APIStatusError as error:
            return _failed(error.status_code, error)
        except (openai.APIError, json.JSONDecodeError) as error:
            return Answer("error", detail=type(error).__name__)
        return _openai_answer(reply)

    return ask


def _openai_answer(reply: Any) -> Answer:
    """A chat completion, of which a faulty server may have left out any part."""
    usage = getattr(reply, "usage", None)
    tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    choices = getattr(reply, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        return Answer("error", "", "a reply without a message", *tokens)
    if getattr(message, "refusal", None):
        return Answer("refused", "", "refusal", *tokens)
    if choice.finish_reason == "content_filter":
        return Answer("refused", "", "content filter", *tokens)
    text = message.content if isinstance(message.content, str) else ""
    status: Status = "truncated" if choice.finish_reason == "length" else "reply"
    return Answer(status, text, "", *tokens)


def _anthropic(
    provider: Provider, model: str, *, key: str, base_url: str | None, config: "ApiConfig"
) -> Ask:
    import anthropic

    client = anthropic.Anthropic(
        api_key=key,
        base_url=base_url or "https://api.anthropic.com",
        max_retries=config.max_retries,
        timeout=config.timeout_s,
    )

    def ask(pictures: Sequence[Picture], question: str, seconds: float) -> Answer:
        parts: list[Any] = [
            {
                "type": "image",
                "source": {
                    "type": "base64",
                    "media_type": picture.media_type,
                    "data": picture.base64,
                },
            }
            for picture in pictures
        ]
        # The present client knows no temperature any more; the models of its time take one.
        sampling = {"temperature": config.temperature} if config.send_temperature else {}
        try:
            reply = client.with_options(timeout=_timeout(seconds, config)).messages.create(
                model=model,
                system=SYSTEM,
                messages=[
                    {"role": "user", "content": [*parts, {"type": "text", "text": question}]}
                ],
                max_tokens=config.max_tokens,
                extra_body=sampling | config.extra_body or None,
            )
        except anthropic.APIStatusError as error:
            return _failed(error.status_code, error)
        except (anthropic.APIError, json.JSONDecodeError) as error:
            return Answer("error", detail=type(error).__name__)
        return _anthropic_answer(reply)

    return ask


def _anthropic_answer(reply: Any) -> Answer:
    """A message, of which a faulty server may have left out any part."""
    usage = getattr(reply, "usage", None)
    tokens = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return Answer("error", "", "a reply without content", *tokens)
    texts = [part.text for part in content if getattr(part, "type", "") == "text"]
    if reply.stop_reason == "refusal":
        return Answer("refused", "", "refusal", *tokens)
    status: Status = "truncated" if reply.stop_reason == "max_tokens" else "reply"
    return Answer(status, "\n".join(texts), "", *tokens)


def _timeout(seconds: float, config: "ApiConfig") -> float:
    """Seconds an attempt may take: the deadline may come while a question is being made."""
    return max(min(seconds, config.timeout_s), 0.1)


def _failed(status: int, error: Exception) -> Answer:
    if status in FATAL:
        # Not the server's own words: they may quote the key.
        raise CaigError(f"the API answers {status}: {FATAL[status]}") from None
    return Answer("error", detail=f"{type(error).__name__} {status}")


def _count(usage: Any, name: str) -> int | None:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) else None
