"""How each provider is reached. Keys come from the environment and are never stored."""

import email.utils
import os
import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

from caig.chat.message import Chat, Reply
from caig.errors import CaigError, ConfigError, PrerequisiteError

FATAL = {401: "the key is refused", 403: "the key may not use this model", 404: "no such model"}
"""Statuses that no other question would change."""


class Provider(NamedTuple):
    """How one provider is reached.

    Attributes:
        protocol: "openai" (chat completions) or "anthropic" (messages).
        key: Environment variable of the key; empty if none is needed.
        base_url: Address; None where the user must name one.
        limit: Name of the field that bounds the reply.
    """

    protocol: Literal["openai", "anthropic"]
    key: str
    base_url: str | None
    limit: str


PROVIDERS = {
    "openai": Provider(
        "openai", "OPENAI_API_KEY", "https://api.openai.com/v1", "max_completion_tokens"
    ),
    "anthropic": Provider(
        "anthropic", "ANTHROPIC_API_KEY", "https://api.anthropic.com", "max_tokens"
    ),
    # Its API knows only max_tokens.
    "glm": Provider(
        "openai", "ZHIPUAI_API_KEY", "https://open.bigmodel.cn/api/paas/v4", "max_tokens"
    ),
    "local": Provider("openai", "", None, "max_tokens"),
}


def address_of(provider: str, base_url: str = "") -> str:
    """The address a provider is asked at: one's own, or the provider's.

    Never one from the environment, which is no record.

    Raises:
        ConfigError: There is no such provider, or a local server has no address.
    """
    if provider not in PROVIDERS:
        raise ConfigError(f"no provider '{provider}'; there are: {', '.join(PROVIDERS)}")
    address = base_url or PROVIDERS[provider].base_url
    if address is None:
        raise ConfigError(
            "a local server needs its address: base_url, e.g. http://127.0.0.1:8000/v1"
        )
    return address


def open_chat(provider: str, model: str, *, base_url: str = "", max_retries: int = 0) -> Chat:
    """A way to ask one model.

    Args:
        provider: One of ``PROVIDERS``.
        model: The provider's name of the model.
        base_url: Address; empty: the provider's own.
        max_retries: Attempts the client makes by itself after 429, 5xx or a lost connection.

    Raises:
        ConfigError: There is no such provider, its key is not in the environment, or a local
            server has no address.
        PrerequisiteError: The client is not installed.
    """
    address = address_of(provider, base_url)
    reached = PROVIDERS[provider]
    key = os.environ.get(reached.key, "") if reached.key else "none"
    if not key:
        raise ConfigError(f"{provider}: set its key in the environment variable {reached.key}")
    try:
        if reached.protocol == "openai":
            from caig.chat.openai_chat import openai_chat

            return openai_chat(
                model, key=key, base_url=address, limit=reached.limit, max_retries=max_retries
            )
        from caig.chat.anthropic_chat import anthropic_chat

        return anthropic_chat(model, key=key, base_url=address, max_retries=max_retries)
    except ImportError:
        raise PrerequisiteError.from_extra(f"asking {provider}", "api") from None


def failed(status: int, kind: str, headers: Mapping[str, str]) -> Reply:
    """What an error status comes to.

    Raises:
        CaigError: No other question would change it.
    """
    if status in FATAL:
        # Not the server's own words: they may quote the key.
        raise CaigError(f"the API answers {status}: {FATAL[status]}") from None
    wait = seconds_to_wait(headers.get("retry-after"))
    return Reply("error", detail=f"{kind} {status}", http_status=status, retry_after_s=wait)


def seconds_to_wait(header: str | None) -> float | None:
    """``Retry-After`` as seconds: a number or a date; None if there is none that can be read."""
    if not header:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def count(usage: object, name: str) -> int | None:
    """A count that a server may have left out, or told as something else."""
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value >= 0 else None
