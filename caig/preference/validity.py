"""Valid prompts: what can be said of a text without a judge and without the truth."""

import polars as pl

from caig.mllm.answer import Answer
from caig.mllm.corpus import Corpus, phrases_of, read_corpus
from caig.mllm.validate import is_valid
from caig.runs.store import Run


def known_captions(data: Run) -> Corpus | None:
    """What the captions of training products consist of; None where the shop has no captions."""
    if {"captions", "creatives"} <= set(data.manifest.artifacts):
        return read_corpus(data).of_split("train")
    return None


def valid_prompts(samples: pl.DataFrame, train: Corpus | None) -> list[bool]:
    """Whether prompts end, begin with a known place, and repeat and invent no phrase.

    Args:
        samples: ``prompt_samples/1``.
        train: What captions consist of; without any, a prompt is valid if it ends, says something,
            and repeats no phrase.
    """
    rows = samples.select("prompt_text", "ended", "n_tokens").rows()
    answers = [Answer(text, ended, n) for text, ended, n in rows]
    if train is None:
        return [one.ended and _has_no_repeats(phrases_of(one.text)) for one in answers]
    return [is_valid(one, train) for one in answers]


def _has_no_repeats(phrases: list[str]) -> bool:
    return bool(phrases) and len(set(phrases)) == len(phrases)
