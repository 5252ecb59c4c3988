"""What every judge is to the asking: one protocol, whether it runs here or behind an API."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from caig.chat.message import JsonShape, Reply, Request
from evaluation.judge.config import JudgeConfig, Tier

Ask = Callable[[Request], Reply]
"""Asks until there is a reply or no use in asking again; every attempt is paid for and kept."""


class Ability(NamedTuple):
    """What a judge was seen to do before the first question.

    Attributes:
        tier: How its answers are got.
        shape: How it is asked for JSON.
        temperature: What it is sent; None if it refuses to be told.
        top_logprobs: First tokens it tells at most (count).
        findings: What was tried and seen, for the record.
    """

    tier: Tier
    shape: JsonShape = "json_schema"
    temperature: float | None = 0.0
    top_logprobs: int = 20
    findings: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default is never written to


class Backend(Protocol):
    """A judge.

    Attributes:
        name: As the tables name it, e.g. ``api:openai:gpt-4o``.
        identity: What makes a reply another one's: model, address, settings of its own. Part of
            the key that replies are kept by.
        is_free: True if no reply costs money.
        parallel: Questions it takes at a time, at most.
    """

    name: str
    identity: tuple[str, ...]
    is_free: bool
    parallel: int

    def probe(self, config: JudgeConfig, ask: Ask) -> Ability:
        """Find out what it does, by asking.

        Raises:
            CaigError: It does not answer, reads no pictures, or does not do what is asked for.
        """
        ...

    def attempt(self, request: Request) -> Reply:
        """One attempt at one question; a fault is a reply of status ``error``.

        Raises:
            CaigError: No question would be answered, e.g. the key is refused.
        """
        ...
