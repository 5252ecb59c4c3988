"""The model card of a pre-trained checkpoint: what it is, what it learnt from, figures, limits."""

from collections.abc import Mapping

from caig.mllm.config import TINY, PretrainConfig
from caig.mllm.load import Mllm

MEANINGS = {
    "sight_place_accuracy": "place told from an ad's picture by the warm tower",
    "sight_category_accuracy": "category told from a picture by the warm tower",
    "place_seen": "place of an ad named exactly, from the picture",
    "valid": "prompts that end, begin with a known place, and repeat and invent nothing",
    "ended": "prompts that the model ended itself",
    "distinct_prompts": "different prompts among those sampled",
    "prompt_tokens": "mean length of a prompt (tokens)",
    "matching": "places that suit the product, from the first token's distribution",
    "matching_named": "the same, products whose title names their category",
    "matching_blind": "the same, products whose title does not",
    "untold": "as matching, the category left unsaid: read from title and picture alone",
    "untold_named": "the same, products whose title names their category",
    "untold_blind": "the same, products whose title does not: read from the picture alone",
    "matching_sampled": "places that suit the product, of sampled prompts",
    "place_mass": "probability that a prompt begins with a known place",
    "place_entropy": "entropy of the place (nats)",
}
"""What each figure is; all are on validation products that were not trained on."""


def model_card(
    mllm: Mllm, config: PretrainConfig, figures: Mapping[str, float], *, data: str
) -> str:
    """The card as Markdown, with the metadata that the hub reads.

    Args:
        mllm: The model.
        config: How it was trained.
        figures: Figures by name.
        data: What it learnt from.
    """
    n = sum(parameter.numel() for parameter in mllm.model.parameters())
    base = "built from nothing" if config.model.base == TINY else config.model.base
    stages = "\n".join(
        f"| {name} | {stage.examples:,} | {stage.batch_size * stage.accumulate} "
        f"| {stage.learning_rate:g} |"
        for name, stage in (
            ("sight", config.sight),
            ("describe", config.describe),
            ("mix", config.mix),
        )
        if stage.examples
    )
    rows = "\n".join(
        f"| {name} | {value:.3f} | {MEANINGS.get(name, '')} |" for name, value in figures.items()
    )
    base_model = "" if config.model.base == TINY else f"base_model: {config.model.base}\n"
    return f"""\
---
library_name: transformers
pipeline_tag: image-text-to-text
{base_model}tags:
- e-commerce
- ad-backgrounds
---

# Pre-trained multimodal language model for ad backgrounds

{type(mllm.model).__name__}, {n:,} weights, {base}. It names the background of an ad and the product
in a picture, proposes a background for a product, writes a prompt for it, and improves a draft.

## Data

{data}

## Training

| stage | examples | a step | learning rate |
| --- | --- | --- | --- |
{stages}

Seed {config.seed}; loss on the place times {config.tasks.place_weight:g}.

## Figures

Products that were not trained on.

| figure | value | meaning |
| --- | --- | --- |
{rows}

## Limits

It knows the products, places and words of its data, and no other. It proposes what shops have
done, not what is clicked most. What it learnt from a simulated shop says nothing of a real one.

## Use

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
```
"""
