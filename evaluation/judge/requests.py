"""From a rubric's question and an ad to what is sent."""

from caig.chat.message import Picture, Request
from evaluation.judge.config import JudgeConfig
from evaluation.judge.protocol import Ability
from evaluation.judge.words import question_text, verdict_schema


def build_request(
    config: JudgeConfig,
    ability: Ability,
    *,
    system: str,
    asked: str,
    pictures: tuple[Picture, ...],
    title: str | None = None,
    category: str | None = None,
) -> Request:
    """One question.

    Args:
        config: Bounds and sampling.
        ability: How the judge is asked.
        system: What it is told beforehand.
        asked: The question.
        pictures: What it is shown.
        title: Title of the product, untrusted; None if not known.
        category: Its category, untrusted; None if not known.
    """
    tier = ability.tier
    words = question_text(
        asked,
        tier,
        title=title if config.tell_title else None,
        category=category if config.tell_title else None,
        ask_reason=config.ask_reason,
    )
    if tier in ("logits", "logprobs"):
        # One token, and the likeliest: its probabilities are the answer.
        temperature = None if ability.temperature is None else 0.0
        top = ability.top_logprobs if tier == "logprobs" else 0
        return Request(system, words, pictures, 1, temperature, top)
    schema = verdict_schema(ask_reason=config.ask_reason) if tier == "json_schema" else None
    return Request(
        system,
        words,
        pictures,
        config.max_tokens,
        ability.temperature,
        schema=schema,
        shape=ability.shape,
    )
