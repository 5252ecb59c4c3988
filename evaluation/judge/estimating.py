"""``--dry-run``: how much would be asked and what it might cost, without asking anything."""

from typing import NamedTuple

from caig.errors import DataError
from evaluation.judge.asking import Asker
from evaluation.judge.backends import make_backend
from evaluation.judge.budget import Budget
from evaluation.judge.config import JudgeConfig
from evaluation.judge.items import read_items
from evaluation.judge.judging import Judging
from evaluation.judge.protocol import Ability
from evaluation.judge.record import Task
from evaluation.judge.replies import Replies, Spent
from evaluation.judge.rubric import load_rubric

CHARACTERS_A_TOKEN = 4.0
"""Of English text, roughly."""

PX_A_TOKEN = 750.0
"""Pixels of a picture that count as a token at Anthropic; others are of the same order."""

JSON_TOKENS = 60
"""Tokens of a verdict with its reason, roughly."""


class Estimate(NamedTuple):
    """What would be asked.

    Attributes:
        n_items: Ads (count).
        n_unreadable: Of these, with a picture that cannot be read (count).
        n_questions: Replies that are wanted, if no question is void (count).
        n_kept: Of these, at hand already (count).
        input_tokens: Tokens of the others, roughly (count).
        output_tokens: Likewise.
        usd: Their price, roughly (US dollars); None without prices.
        tier: How answers would be got; the probe may find that it must be another.
    """

    n_items: int
    n_unreadable: int
    n_questions: int
    n_kept: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    tier: str


def estimate(task: Task) -> Estimate:
    """Count what would be asked. Nothing is sent, and the file of replies is only read.

    Raises:
        CaigError: The judge cannot be made.
    """
    config = task.config
    items, _ = read_items(task.runs, max_items=config.max_items, seed=config.seed)
    backend = make_backend(config)
    ability = _likely(config, backend.name)
    n_questions = n_kept = n_unreadable = read = written = 0
    with Replies(task.replies, task.job, read_only=True) as replies:
        budget = Budget(config, Spent(), is_free=backend.is_free)
        asker = Asker(backend, replies, budget, config.api)
        judging = Judging(
            backend.name,
            config=config,
            rubric=load_rubric(config.rubric),
            ability=ability,
            asker=asker,
            replies=replies,
        )
        for item in items.iter_rows(named=True):
            try:
                asked = list(judging.requests(item))
            except DataError:
                n_unreadable += 1
                continue
            pixels = _pixels(item["path"], config.max_side)
            for _, request, keys in asked:
                missing = sum(replies.find(key) is None for key in keys)
                n_questions += len(keys)
                n_kept += len(keys) - missing
                words = len(request.system) + len(request.question)
                read += missing * round(words / CHARACTERS_A_TOKEN + pixels / PX_A_TOKEN)
                written += missing * min(request.max_tokens, JSON_TOKENS)
    api = config.api
    priced = bool(api.usd_per_million_input and api.usd_per_million_output)
    usd = (read * api.usd_per_million_input + written * api.usd_per_million_output) / 1e6
    if backend.is_free:
        usd, priced = 0.0, True
    return Estimate(
        items.height,
        n_unreadable,
        n_questions,
        n_kept,
        read,
        written,
        usd if priced else None,
        ability.tier,
    )


def _likely(config: JudgeConfig, name: str) -> Ability:
    if config.tier != "auto":
        return Ability(config.tier, temperature=config.temperature)
    if name.startswith("local:"):
        return Ability("logits", temperature=config.temperature)
    if name.startswith("scripted:"):
        return Ability("text", temperature=config.temperature)
    return Ability(
        "json_schema" if name.startswith(("api:anthropic:", "api:glm:")) else "logprobs",
        shape="json_object" if name.startswith("api:glm:") else "json_schema",
        temperature=config.temperature,
    )


def _pixels(path: str, max_side: int) -> float:
    from PIL import Image

    with Image.open(path) as image:
        width, height = image.size
    scale = min(1.0, max_side / max(width, height))
    return width * height * scale * scale
