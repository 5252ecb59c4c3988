"""Warm start of a vision tower: it learns to tell places, phrases and categories in pictures.

A tower with random weights gives the language model nothing to look at, and a language model that
never looked does not teach its tower to see. So the tower is taught first, by linear heads on its
mean patch feature; the heads are thrown away. Labels are the captions' phrases, their places, and
the products' categories: no truth beyond what a shop has.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from caig.mllm.config import SightConfig
from caig.mllm.corpus import Corpus, phrases_of
from caig.mllm.load import Mllm
from caig.mllm.pictures import load_picture

# B batch, C channels, H height, W width, D width of the tower, P phrases

UNKNOWN = -100


class Labelled(NamedTuple):
    """Pictures with labels.

    Attributes:
        pixels: (N, C, H, W) float32, as the processor makes them.
        place: (N,) int64; -100 for a picture without a background.
        category: (N,) int64.
        phrases: (N, P) float32, 1 for each phrase of the caption; all 0 without a background.
    """

    pixels: torch.Tensor
    place: torch.Tensor
    category: torch.Tensor
    phrases: torch.Tensor


def label_pictures(corpus: Corpus, vocabulary: Corpus, mllm: Mllm, *, side: int | None) -> Labelled:
    """Label the ads and cut-outs of a corpus.

    Args:
        corpus: Pictures.
        vocabulary: Corpus whose places, phrases and categories are the classes.
        mllm: Its processor makes the pixels.
        side: Shrink pictures to this side first (px).
    """
    places = {place: n for n, place in enumerate(vocabulary.places)}
    phrases = {phrase: n for n, phrase in enumerate(sorted(vocabulary.phrases))}
    names = sorted({item.category for item in vocabulary.items})
    categories = {name: n for n, name in enumerate(names)}
    files: list[Path] = []
    place, category, said = [], [], []
    for item in corpus.items:
        kind = categories.get(item.category, UNKNOWN)
        for picture, caption in ((item.cutout, ""), *((ad.image, ad.caption) for ad in item.ads)):
            files.append(picture)
            category.append(kind)
            spoken = phrases_of(caption)
            place.append(places.get(spoken[0], UNKNOWN) if spoken else UNKNOWN)
            said.append([phrases[phrase] for phrase in spoken if phrase in phrases])
    multi_hot = torch.zeros(len(files), len(phrases))
    for n, columns in enumerate(said):
        multi_hot[n, columns] = 1
    return Labelled(
        _pixels(files, mllm, side),
        torch.tensor(place),
        torch.tensor(category),
        multi_hot,
    )


def _pixels(files: list[Path], mllm: Mllm, side: int | None) -> torch.Tensor:
    processor = mllm.processor.image_processor
    parts = [
        processor([load_picture(file, side) for file in files[n : n + 256]], return_tensors="pt")
        for n in range(0, len(files), 256)
    ]
    return torch.cat([part["pixel_values"] for part in parts])


class Heads(nn.Module):
    """Linear readers of the tower's mean patch feature.

    Args:
        width: Of the tower.
        labelled: Its number of classes is taken from the labels.
    """

    def __init__(self, width: int, n_places: int, n_categories: int, n_phrases: int) -> None:
        super().__init__()
        self.place = nn.Linear(width, n_places)
        self.category = nn.Linear(width, n_categories)
        self.phrases = nn.Linear(width, n_phrases)


def warm_tower(
    mllm: Mllm,
    train: Corpus,
    stage: SightConfig,
    *,
    side: int | None,
    seed: int,
    report: Callable[[int, int, dict[str, float]], None],
    validation: Corpus | None = None,
) -> dict[str, float]:
    """Teach the tower of a LLaVA; its weights are changed.

    Args:
        mllm: A LLaVA, whose tower gives patch features.
        train: Pictures to learn from.
        stage: Examples, batch size, rates.
        side: Shrink pictures to this side first (px).
        seed: Seed of heads, order and augmentation.
        report: Told step, steps in all, and what was measured.
        validation: Pictures to be measured on.

    Returns:
        Accuracy on the validation pictures: ``place_accuracy``, ``category_accuracy``.
    """
    tower, config = mllm.model.model.vision_tower, mllm.model.config
    labelled = label_pictures(train, train, mllm, side=side)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    heads = Heads(
        config.vision_config.hidden_size,
        len(train.places),
        len({item.category for item in train.items}),
        len(train.phrases),
    )
    steps = math.ceil(stage.examples / stage.batch_size)
    parameters = [*tower.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=stage.learning_rate, weight_decay=stage.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(steps, stage.warmup))
    tower.train()
    for step in range(1, steps + 1):
        rows = torch.from_numpy(rng.integers(len(labelled.place), size=stage.batch_size))
        pixels = _augmented(labelled.pixels[rows], rng)
        loss = _loss(heads, _features(tower, config, pixels), labelled, rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 10) == 0 or step == steps:
            report(step, steps, {"loss": float(loss.detach())})
    tower.eval()
    if validation is None or not validation.ads:
        return {}
    return _accuracies(heads, tower, config, label_pictures(validation, train, mllm, side=side))


def _loss(
    heads: Heads, features: torch.Tensor, labelled: Labelled, rows: torch.Tensor
) -> torch.Tensor:
    place, category = labelled.place[rows], labelled.category[rows]
    loss = functional.cross_entropy(heads.category(features), category, label_smoothing=0.05)
    shown = place != UNKNOWN
    if bool(shown.any()):
        phrases = functional.binary_cross_entropy_with_logits(
            heads.phrases(features[shown]), labelled.phrases[rows][shown], reduction="none"
        )
        loss = loss + functional.cross_entropy(heads.place(features[shown]), place[shown])
        # As many units as there are phrases in a caption: each counts like a class of its own.
        loss = loss + phrases.sum(dim=1).mean()
    return loss


def _features(tower: Any, config: Any, pixels: torch.Tensor) -> torch.Tensor:
    """(B, D) mean patch feature of the layer that the language model reads."""
    seen = tower(pixels, output_hidden_states=True)
    hidden: torch.Tensor = seen.hidden_states[config.vision_feature_layer]
    if config.vision_feature_select_strategy == "default":
        hidden = hidden[:, 1:]  # without the class token
    return hidden.mean(dim=1)


def _augmented(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Each picture mirrored by chance, moved by up to an eighth, and zoomed by up to a quarter."""
    n = len(pixels)
    zoom = rng.uniform(0.8, 1.1, size=n)
    transform = np.zeros((n, 2, 3))
    transform[:, 0, 0] = np.where(rng.random(n) < 0.5, -zoom, zoom)
    transform[:, 1, 1] = zoom
    transform[:, :, 2] = rng.uniform(-0.25, 0.25, size=(n, 2))
    grid = functional.affine_grid(
        torch.from_numpy(transform).to(pixels.dtype), list(pixels.shape), align_corners=False
    )
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _accuracies(heads: Heads, tower: Any, config: Any, labelled: Labelled) -> dict[str, float]:
    with torch.no_grad():
        parts = torch.split(labelled.pixels, 256)
        features = torch.cat([_features(tower, config, part) for part in parts])
        found = {
            "place_accuracy": (heads.place(features).argmax(1), labelled.place),
            "category_accuracy": (heads.category(features).argmax(1), labelled.category),
        }
    return {
        name: float((guess == truth)[truth != UNKNOWN].float().mean())
        for name, (guess, truth) in found.items()
    }


def _cosine(steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, math.ceil(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return factor
