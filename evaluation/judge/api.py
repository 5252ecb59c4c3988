"""A judge behind an API: OpenAI's shape (OpenAI, GLM, servers of one's own) or Anthropic's."""

import json
from typing import Any

from caig.chat.message import Reply, Request
from caig.chat.providers import address_of, open_chat
from caig.errors import ConfigError
from evaluation.judge.config import JudgeConfig
from evaluation.judge.probe import Probe
from evaluation.judge.protocol import Ability, Ask

DEFAULT_BODY: dict[str, dict[str, Any]] = {
    # From GLM-4.5 on they think first unless told otherwise, and a bound of tokens then eats the
    # verdict.
    "glm": {"thinking": {"type": "disabled"}},
}


class ApiJudge:
    """A model behind an API.

    Args:
        spec: Provider and model, e.g. ``openai:gpt-4o``.
        config: Address and bounds.

    Raises:
        ConfigError: No such provider, no key in the environment, or no address.
        PrerequisiteError: The provider's client is not installed.
    """

    is_free = False

    def __init__(self, spec: str, config: JudgeConfig) -> None:
        provider, _, model = spec.partition(":")
        if not model:
            raise ConfigError(f"'api:{spec}': name provider and model, e.g. api:openai:gpt-4o")
        self.name = f"api:{spec}"
        self.parallel = config.api.concurrency
        self._provider = provider
        # One attempt: pauses, prices and the number at a time are the asker's.
        self._chat = open_chat(provider, model, base_url=config.api.base_url, max_retries=0)
        self._body = DEFAULT_BODY.get(provider, {}) | config.api.extra_body
        self._timeout_s = config.api.timeout_s
        address = address_of(provider, config.api.base_url)
        self.identity: tuple[str, ...] = (
            self.name,
            address,
            json.dumps(self._body, sort_keys=True),
        )

    def probe(self, config: JudgeConfig, ask: Ask) -> Ability:
        """Find out whether it sees, and how its answers can be got.

        Raises:
            CaigError: It does not answer, reads no pictures, or does not do what is asked for.
        """
        return Probe(self.name, self._provider, config, ask).ability()

    def attempt(self, request: Request) -> Reply:
        """One attempt.

        Raises:
            CaigError: The key is refused, or there is no such model.
        """
        asked = request._replace(extra_body=self._body, timeout_s=self._timeout_s)
        reply = self._chat(asked)
        if not request.top_logprobs or reply.status not in ("reply", "truncated"):
            return reply
        if reply.first_token is None:  # a server may stop telling them, without a word
            why = "no probabilities of tokens came with the reply"
            return reply._replace(status="error", text="", detail=why)
        # One token always meets its bound; its probabilities are the answer all the same.
        return reply._replace(status="reply")
