"""Figures on validation products: does the model see the background, and what does it propose?

Validity and what is seen need nothing but captions. Matching needs to be told which places suit
which category; only a simulated world knows, so it is measured where the data run holds
scene_suitability, and used for nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from caig.mllm.answer import Answer, answer, first_token_probabilities
from caig.mllm.config import ValidationConfig
from caig.mllm.corpus import Corpus, Item, names_category, phrases_of, place_of
from caig.mllm.load import Mllm
from caig.mllm.tasks import ask_background, ask_place
from caig.runs.store import Run

Suitability = Mapping[tuple[str, str], bool]
"""Whether a place suits a category, by (category, place)."""


def read_suitability(data: Run) -> Suitability | None:
    """Which places suit which categories; None where the run does not say."""
    if "scene_suitability" not in data.manifest.artifacts:
        return None
    rows = data.table("scene_suitability").iter_rows(named=True)
    return {(row["category"], row["scene"]): row["suits"] for row in rows}


class Written(NamedTuple):
    """A prompt written for a product.

    Attributes:
        item: The product.
        answer: The prompt.
    """

    item: Item
    answer: Answer


def validate(
    mllm: Mllm,
    validation: Corpus,
    train: Corpus,
    config: ValidationConfig,
    *,
    suitable: Suitability | None,
    seed: int,
    side: int | None = None,
) -> tuple[dict[str, float], list[Written]]:
    """Measure a model.

    Args:
        mllm: Model.
        validation: Products that it was not trained on.
        train: Products that it was trained on; their captions say what a background consists of.
        config: How much.
        suitable: Which places suit which category; None where nobody knows.
        seed: Seed of sampling and of the choice of products.
        side: Shrink pictures to this side (px).

    Returns:
        Figures by name, see docs/pretraining.md; and the prompts sampled.
    """
    rng = np.random.default_rng(seed)
    figures: dict[str, float] = {}
    ads = _some(validation.ads, config.pictures, rng)
    if ads:
        questions = [ask_place(ad) for ad in ads]
        named = answer(
            mllm,
            questions,
            temperature=0,
            max_new_tokens=config.max_new_tokens,
            batch_size=config.batch_size,
            side=side,
        )
        right = [place_of(a.text) == ad.place for a, ad in zip(named, ads, strict=True)]
        figures["place_seen"] = float(np.mean(right))
    items = _some(validation.items, config.products, rng)
    written: list[Written] = []
    if items:
        questions = [ask_background(item) for item in items]
        for sample in range(config.samples):
            answers = answer(
                mllm,
                questions,
                temperature=1,
                max_new_tokens=config.max_new_tokens,
                seed=seed + sample,
                batch_size=config.batch_size,
                side=side,
            )
            written += [Written(*pair) for pair in zip(items, answers, strict=True)]
        figures |= _validity(written, train)
        if suitable is not None:
            places = sorted({place for _, place in suitable})
            figures |= matching_of_samples(written, suitable)
            chances = first_token_probabilities(
                mllm, questions, places, batch_size=config.batch_size, side=side
            )
            if chances is not None:
                figures |= exact_matching(items, chances, places, suitable)
            untold = [ask_background(item, tells_category=False) for item in items]
            chances = first_token_probabilities(
                mllm, untold, places, batch_size=config.batch_size, side=side
            )
            if chances is not None:
                found = exact_matching(items, chances, places, suitable)
                figures |= {
                    name.replace("matching", "untold"): value
                    for name, value in found.items()
                    if name.startswith("matching")
                }
    return figures, written


def is_valid(written: Answer, train: Corpus) -> bool:
    """True if a prompt ends, begins with a known place, and repeats and invents nothing."""
    phrases = phrases_of(written.text)
    return (
        written.ended
        and bool(phrases)
        and phrases[0] in train.places
        and len(set(phrases)) == len(phrases)
        and set(phrases) <= train.phrases
    )


def matching_of_samples(written: Sequence[Written], suitable: Suitability) -> dict[str, float]:
    """Share of prompts whose place suits the product; one without a known place does not."""
    right = [suitable.get((one.item.category, place_of(one.answer.text)), False) for one in written]
    return {"matching_sampled": float(np.mean(right))} if right else {}


def exact_matching(
    items: Sequence[Item], chances: np.ndarray, places: Sequence[str], suitable: Suitability
) -> dict[str, float]:
    """Matching from the first token's distribution, over places alone, and the mass on them.

    Args:
        items: Products.
        chances: (products, places) probability of each place.
        places: Places, in the order of the columns.
        suitable: Which suit.

    Returns:
        ``matching``, of all products; ``matching_named`` and ``matching_blind``, of those whose
        title does and does not name their category; ``place_mass``; ``place_entropy`` (nats).
    """
    mass = chances.sum(axis=1)
    shares = chances / np.maximum(mass, 1e-12)[:, None]
    fits = np.array([[suitable.get((i.category, place), False) for place in places] for i in items])
    matching = (shares * fits).sum(axis=1)
    named = np.array([names_category(item.title, item.category) for item in items])
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
    figures = {
        "matching": float(matching.mean()),
        "place_mass": float(mass.mean()),
        "place_entropy": float(entropy.mean()),
    }
    if named.any():
        figures["matching_named"] = float(matching[named].mean())
    if not named.all():
        figures["matching_blind"] = float(matching[~named].mean())
    return figures


def _validity(written: Sequence[Written], train: Corpus) -> dict[str, float]:
    if not written:
        return {}
    return {
        "valid": float(np.mean([is_valid(one.answer, train) for one in written])),
        "ended": float(np.mean([one.answer.ended for one in written])),
        "distinct_prompts": len({one.answer.text for one in written}) / len(written),
        "prompt_tokens": float(np.mean([one.answer.n_tokens for one in written])),
    }


def _some(choices: Sequence, n: int, rng: np.random.Generator) -> list:  # type: ignore[type-arg]
    """``n`` of the choices, or all, in their order."""
    if n >= len(choices):
        return list(choices)
    return [choices[k] for k in sorted(rng.choice(len(choices), size=n, replace=False))]
