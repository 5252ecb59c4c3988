"""Figures of a prompt model on held-out products: match, validity, clicks, variety.

What needs the truth of a simulated world is measured where there is one and is unknown elsewhere;
no truth takes part in training. Names are explained in docs/preference.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.mllm.answer import first_token_probabilities
from caig.mllm.corpus import Corpus, Item, place_of
from caig.mllm.load import Mllm
from caig.mllm.validate import Suitability, exact_matching
from caig.preference.questions import Question
from caig.preference.validity import valid_prompts


class Figure(NamedTuple):
    """One figure.

    Attributes:
        value: The figure; None where it cannot be known.
        n: Products, prompts or pairs it is about.
    """

    value: float | None
    n: int


Figures = dict[str, Figure]


def curves(epoch: int, figures: Figures) -> pl.DataFrame:
    """``alignment_curves/1`` of one epoch."""
    rows = [(epoch, name, *figure) for name, figure in figures.items()]
    return pl.DataFrame(rows, schema=ALIGNMENT_CURVES.schema, orient="row")


def match_figures(
    mllm: Mllm,
    questions: Sequence[Question],
    items: Sequence[Item],
    suitable: Suitability,
    *,
    side: int | None,
    batch_size: int,
) -> Figures:
    """Matching and variety of places from the first token's distribution, without sampling noise.

    Args:
        mllm: Prompt model.
        questions: One for each product.
        items: The products, in the same order.
        suitable: Which place suits which category.
        side: Shrink pictures to this side (px).
        batch_size: Questions at a time.

    Returns:
        ``matching``, ``place_mass``, ``place_entropy``, ``scene_entropy``; unknown where two places
        begin with one token.
    """
    places = sorted({place for _, place in suitable})
    chances = first_token_probabilities(
        mllm, [question.example for question in questions], places, batch_size=batch_size, side=side
    )
    names = ("matching", "place_mass", "place_entropy", "scene_entropy")
    if chances is None:
        return {name: Figure(None, 0) for name in names}
    found = exact_matching(items, chances, places, suitable)
    pooled = chances.sum(axis=0) / chances.sum()
    found["scene_entropy"] = float(-(pooled * np.log(np.maximum(pooled, 1e-12))).sum())
    return {name: Figure(found[name], len(items)) for name in names}


def prompt_figures(
    samples: pl.DataFrame,
    category_of: dict[str, str],
    train: Corpus | None,
    suitable: Suitability | None,
) -> Figures:
    """Figures of sampled prompts.

    Args:
        samples: ``prompt_samples/1``.
        category_of: Category of each product.
        train: What the shop's captions consist of; None where there are none.
        suitable: Which place suits which category; None where nobody knows.

    Returns:
        ``valid``, ``ended``, ``distinct_prompts``, ``prompt_tokens`` and ``matching_sampled``.
    """
    texts = samples["prompt_text"].to_list()
    figures = {
        "valid": np.mean(valid_prompts(samples, train)),
        "ended": np.mean(samples["ended"].to_numpy()),
        "distinct_prompts": len(set(texts)) / len(texts),
        "prompt_tokens": np.mean(samples["n_tokens"].to_numpy()),
    }
    if suitable is not None:
        products = samples["product_id"].to_list()
        figures["matching_sampled"] = np.mean(
            [
                suitable.get((category_of[product], place_of(text)), False)
                for product, text in zip(products, texts, strict=True)
            ]
        )
    return {name: Figure(float(value), len(texts)) for name, value in figures.items()}


def duel_figures(duels: pl.DataFrame) -> Figures:
    """A policy against the one before any alignment, prompt by prompt.

    Args:
        duels: A row a pair: p_rm, the judge's mean probability for the policy's ad (null where
            both ads are one picture, or it gave none); ctr and start_ctr, the true ones (null where
            nobody knows).

    Returns:
        ``rm_win_rate``, ``true_win_rate``, ``goodhart_gap`` (the first minus the second: what the
        judge believes beyond what is so), ``rm_truth_agreement``, ``true_ctr``, ``true_ctr_gain``.
        Pairs of equals count half in the win rates and not in the agreement.
    """
    n = duels.height
    p = duels["p_rm"].fill_null(0.5).to_numpy()
    wins = (1 + np.sign(p - 0.5)) / 2
    figures = {"rm_win_rate": Figure(float(wins.mean()), n)}
    known = duels["ctr"].is_not_null().all() and duels["start_ctr"].is_not_null().all()
    if not (n and known):
        names = ("true_win_rate", "goodhart_gap", "rm_truth_agreement", "true_ctr", "true_ctr_gain")
        return figures | {name: Figure(None, 0) for name in names}
    ctr, start = duels["ctr"].to_numpy(), duels["start_ctr"].to_numpy()
    order = np.where(np.isclose(ctr, start, rtol=1e-9, atol=0), 0.0, np.sign(ctr - start))
    truly = (1 + order) / 2
    decided = (order != 0) & (p != 0.5)
    agreement = float((order == np.sign(p - 0.5))[decided].mean()) if decided.any() else None
    return figures | {
        "true_win_rate": Figure(float(truly.mean()), n),
        "goodhart_gap": Figure(float(wins.mean() - truly.mean()), n),
        "rm_truth_agreement": Figure(agreement, int(decided.sum())),
        "true_ctr": Figure(float(ctr.mean()), n),
        "true_ctr_gain": Figure(float(ctr.mean() / start.mean() - 1), n),
    }
