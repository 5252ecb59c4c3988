"""Frozen vectors of titles and captions (torch), as CG4CTR pools them."""

# N texts, T tokens, D width, H heads

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MAX_TOKENS = 128


class TextEncoder:
    """A frozen text encoder.

    Args:
        name: A BERT or DistilBERT: a name on the Hugging Face hub or a folder.
        pooling: "first": the first token's vector; "attention": the mean of all tokens' vectors,
            weighted by the first token's attention in the last layer, averaged over the heads.
    """

    def __init__(self, name: str, *, pooling: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
        # Only this implementation gives its attention away.
        self._model: Any = AutoModel.from_pretrained(name, attn_implementation="eager").eval()
        self._pooling = pooling

    @property
    def width(self) -> int:
        """Width of a vector."""
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str], *, batch: int) -> Tensor:
        """(N, D) vectors."""
        parts = []
        for first in range(0, len(texts), batch):
            inputs = self._tokenizer(
                list(texts[first : first + batch]),
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
            )
            done = self._model(**inputs, output_attentions=self._pooling == "attention")
            states = done.last_hidden_state
            if self._pooling == "first":
                parts.append(states[:, 0])
            else:
                weights = done.attentions[-1].mean(dim=1)[:, 0]  # (N, H, T, T) -> (N, T)
                parts.append((weights[:, :, None] * states).sum(dim=1))
        return torch.cat(parts)
