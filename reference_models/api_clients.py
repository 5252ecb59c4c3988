"""How the scorer asks a model about a pair: its providers' layouts, and one question at a time.

The clients, which the judges of ``evaluation`` use too, are in ``caig.chat``; here they retry by
themselves what may pass (429, 5xx, lost connections), as long as ``Retry-After`` says.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caig.chat.message import Picture, Reply, Request
from caig.chat.providers import open_chat
from reference_models.api_words import SYSTEM, Layout

if TYPE_CHECKING:
    from reference_models.api_config import ApiConfig

LAYOUTS: dict[str, Layout] = {"glm": "side_by_side"}
"""How a provider is shown a pair where that is not two images: GLM-4V reads one picture."""

Ask = Callable[[Sequence[Picture], str, float], Reply]
"""Pictures, question, seconds it may take in all; safe to call from several threads."""


def layout_of(provider: str) -> Layout:
    """How a provider is shown a pair by default."""
    return LAYOUTS.get(provider, "two_images")


def make_client(provider: str, model: str, config: "ApiConfig") -> Ask:
    """A way to ask one model.

    Args:
        provider: One of ``caig.chat.providers.PROVIDERS``.
        model: The provider's name of the model.
        config: Address, bounds and retries.

    Raises:
        ConfigError: There is no such provider, its key is not in the environment, or a local
            server has no address.
        PrerequisiteError: The client is not installed.
    """
    chat = open_chat(provider, model, base_url=config.base_url, max_retries=config.max_retries)

    def ask(pictures: Sequence[Picture], question: str, seconds: float) -> Reply:
        return chat(
            Request(
                SYSTEM,
                question,
                tuple(pictures),
                max_tokens=config.max_tokens,
                temperature=config.temperature if config.send_temperature else None,
                extra_body=config.extra_body,
                # The deadline may come while a question is being made.
                timeout_s=max(min(seconds, config.timeout_s), 0.1),
            )
        )

    return ask
