"""What a multimodal reward model is shown and asked: pictures, a question, the product's text.

The published model is asked in many wordings, each about which half draws more clicks, followed by
the product's caption and attributes; the wordings here are ours. In training one is drawn for each
ad or pair, in scoring it is always the first. Titles are untrusted: marks that the tokenizer would
read as special tokens lose their brackets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from caig.mllm.encode import special_marks, without_marks
from caig.mllm.instructions import product_sentence
from caig.reward.mllm_model import MllmRewardConfig
from caig.reward.model import COVER

ANY_SIZE = ("segformer",)
"""Towers without positions of patches: two joined ads are shown to them twice as wide. Others get
what their own processor makes of such a picture: squeezed into a square, padded, or in tiles."""

SIDES = ("Left:", "Right:")

GREY = 128
"""What covers a hidden product."""

QUESTIONS = {
    "siamese": (
        "{product} Is this ad clicked?",
        "{product} Do shoppers click this ad?",
        "{product} How good is this ad?",
        "{product} Rate this ad.",
    ),
    "side_by_side": (
        "{product} Which ad is clicked more?",
        "{product} Which of the two ads do shoppers click?",
        "{product} Left or right: which ad is better?",
        "{product} Compare the ads. Which has more clicks?",
        "{product} Which background suits it better?",
        "{product} Which ad sells it, the first or the second?",
    ),
}
"""Wordings by layout, all ours; {product} is a sentence with title and category, or nothing."""


class MllmReader:
    """Turns ads into a batch, by the model's own processor and chat template.

    Args:
        processor: Tokenizer, image processor and chat template.
        config: The model's.
    """

    def __init__(self, processor: Any, config: MllmRewardConfig) -> None:
        self._processor = processor
        self._config = config
        self._marks = special_marks(processor)
        self._prompts: dict[str, str] = {}
        self._options: dict[str, Any] = {}
        tower = ((config.base_config or {}).get("vision_config") or {}).get("model_type")
        if config.joins_pictures and tower in ANY_SIZE:
            side = processor.image_processor.size["height"]
            wide = {"height": side, "width": 2 * side}
            self._options["images_kwargs"] = {"size": wide, "crop_size": wide}

    @property
    def n_wordings(self) -> int:
        """Ways to ask (count)."""
        return len(QUESTIONS[self._config.layout])

    def question(self, title: str, category: str, *, wording: int = 0) -> str:
        """What is asked about an ad or a pair.

        Args:
            title: Title, perhaps with words left out; empty for none. Untrusted.
            category: Category.
            wording: Which of the ways to ask.
        """
        said = product_sentence(
            title if self._config.reads_title else "",
            category if self._config.reads_category else None,
        )
        asked = QUESTIONS[self._config.layout][wording].replace("{product}", said)
        return without_marks(" ".join(asked.split()), self._marks)

    def __call__(self, pictures: Sequence[Tensor], questions: Sequence[str]) -> dict[str, Tensor]:
        """Read B ads, or pairs of them.

        Args:
            pictures: As many as are shown at a time, each (B, 3, S, S) uint8; the product is
                covered here where the model is not to see it.
            questions: B questions.

        Returns:
            Tensors as the model takes them, padded on the left.
        """
        if not questions:  # in a process that has nothing to do in a step; what it says is dropped
            blank = torch.zeros(1, *pictures[0].shape[1:], dtype=torch.uint8)
            pictures, questions = [blank] * len(pictures), [self.question("", "")]
        shown = [_laid_out(self._covered(p)) for p in pictures]
        if self._config.joins_pictures and len(shown) > 1:
            shown = [np.concatenate(shown, axis=2)]
        each = [[Image.fromarray(side[i]) for side in shown] for i in range(len(questions))]
        batch = self._processor(
            images=each,
            text=[self._prompt(question, len(shown)) for question in questions],
            padding=True,
            padding_side="left",
            return_tensors="pt",
            add_special_tokens=False,
            **self._options,
        )
        return dict(batch)

    def _prompt(self, question: str, n_pictures: int) -> str:
        if question not in self._prompts:
            content: list[dict[str, str]] = []
            for side in SIDES if n_pictures > 1 else ("",):
                # Said beside each picture: else a side is known by counting tokens alone.
                content += [{"type": "text", "text": side}] if side else []
                content.append({"type": "image"})
            content.append({"type": "text", "text": question})
            self._prompts[question] = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
        return self._prompts[question]

    def _covered(self, pixels: Tensor) -> Tensor:
        if not self._config.hides_product:
            return pixels
        side = pixels.shape[-1]
        top, bottom, left, right = (round(share * side) for share in COVER)
        covered = pixels.clone()
        covered[:, :, top:bottom, left:right] = GREY
        return covered


def _laid_out(pixels: Tensor) -> np.ndarray:
    """(B, H, W, 3), as pictures are laid out outside torch."""
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).to(torch.uint8).numpy())
