"""Asking a multimodal model: sampled or greedy answers, and the distribution of their first token.

Batched, padded on the left. An answer is what comes before the end token; one that reaches the
longest length without it is not ended.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from caig.mllm.encode import encode_prompts
from caig.mllm.examples import Example
from caig.mllm.load import Mllm


class Answer(NamedTuple):
    """One answer.

    Attributes:
        text: As generated, special tokens apart.
        ended: True if the model ended it itself.
        n_tokens: Tokens, the end token too (count).
    """

    text: str
    ended: bool
    n_tokens: int


def answer(
    mllm: Mllm,
    examples: Sequence[Example],
    *,
    temperature: float,
    max_new_tokens: int,
    seed: int = 0,
    batch_size: int = 32,
    side: int | None = None,
) -> list[Answer]:
    """Answer questions.

    Args:
        mllm: Model.
        examples: Questions.
        temperature: Of sampling; 0 takes the likeliest token each time.
        max_new_tokens: Longest answer (tokens).
        seed: Seed of sampling.
        batch_size: Questions at a time.
        side: Shrink pictures to this side (px).

    Returns:
        Answers in the order of the questions.
    """
    import torch

    sampling: dict[str, object] = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature > 0
        else {"do_sample": False}
    )
    tokenizer = mllm.tokenizer
    pad, ends = tokenizer.pad_token_id, end_tokens(mllm)
    answers: list[Answer] = []
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(examples), batch_size):
            batch = encode_prompts(mllm, examples[start : start + batch_size], side=side)
            written = mllm.model.generate(
                **batch, max_new_tokens=max_new_tokens, pad_token_id=pad, **sampling
            )
            for row in written[:, batch["input_ids"].shape[1] :].tolist():
                stop = next((n for n, token in enumerate(row) if token in ends), None)
                tokens = row if stop is None else row[:stop]
                text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
                ended = stop is not None
                answers.append(Answer(text, ended, len(tokens) + ended))
    return answers


def first_token_probabilities(
    mllm: Mllm,
    examples: Sequence[Example],
    words: Sequence[str],
    *,
    batch_size: int = 32,
    side: int | None = None,
) -> np.ndarray | None:
    """Probability that an answer begins with each word, by its first token alone.

    Exact where no two words begin with the same token; there is then no sampling noise.

    Args:
        mllm: Model.
        examples: Questions.
        words: Words or phrases, as they stand at the beginning of an answer.
        batch_size: Questions at a time.
        side: Shrink pictures to this side (px).

    Returns:
        (questions, words) float64, unnormalised: what is missing to 1 lies on other tokens. None if
        two words begin with the same token, so that the first token cannot tell them apart.
    """
    import torch

    tokens = first_tokens(mllm, words)
    if len(set(tokens)) < len(words):
        return None
    parts = []
    with torch.inference_mode():
        for start in range(0, len(examples), batch_size):
            batch = encode_prompts(mllm, examples[start : start + batch_size], side=side)
            logits = mllm.model(**batch, logits_to_keep=1).logits[:, -1].double()
            parts.append(torch.softmax(logits, dim=-1)[:, tokens].cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(words)))


def first_tokens(mllm: Mllm, words: Sequence[str]) -> list[int]:
    """First token of each word where an answer begins, by the model's own chat template."""

    def said(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "text": text}]}

    fill: Any = mllm.processor.apply_chat_template
    opening = fill([said("user", "a")], tokenize=False, add_generation_prompt=True)
    tokens = []
    for word in words:
        whole = fill([said("user", "a"), said("assistant", word)], tokenize=False)
        # What both have in common is the question, as it is when answers are learnt.
        pairs = zip(opening, whole, strict=False)
        rest = whole[sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) :]
        tokens.append(int(mllm.tokenizer(rest, add_special_tokens=False)["input_ids"][0]))
    return tokens


def end_tokens(mllm: Mllm) -> set[int]:
    """Tokens that end an answer."""
    ends = mllm.model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return {int(end) for end in (*ends, mllm.tokenizer.eos_token_id) if end is not None}
