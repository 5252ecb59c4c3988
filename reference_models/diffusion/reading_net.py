"""The tokenizer: words in parts, by how often prompts say them; any other text by its letters.

Byte-pair merges are learnt here rather than by the ``tokenizers`` library, whose choice between
equally frequent pairs changes from run to run.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPTokenizer

from reference_models.diffusion.config import BuildConfig

MARKS = ("<|startoftext|>", "<|endoftext|>")
WORD_END = "</w>"


def fitted_tokenizer(config: BuildConfig, prompts: Sequence[str]) -> CLIPTokenizer:
    """A tokenizer whose parts are those the prompts say most; always the same for the same ones.

    Args:
        config: Most tokens, and most of a prompt.
        prompts: Texts.
    """
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}{WORD_END}" for letter in letters), *MARKS]
    plain = _tokenizer(config, tokens, [])
    backend = plain.backend_tokenizer
    counts = Counter(
        part
        for text in prompts
        for part, _ in backend.pre_tokenizer.pre_tokenize_str(
            backend.normalizer.normalize_str(text)
        )
    )
    merges = _merges(counts, config.text.vocabulary - len(tokens))
    return _tokenizer(config, [*tokens, *("".join(pair) for pair in merges)], merges)


def token_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    """(n, tokens) numbers, cut or filled up as the pipelines do it."""
    read = tokenizer(
        list(prompts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length
    )
    return torch.tensor(read["input_ids"])


def _tokenizer(
    config: BuildConfig, tokens: Sequence[str], merges: list[tuple[str, str]]
) -> CLIPTokenizer:
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=merges,  # type: ignore[arg-type]  # pairs are what is taken, whatever is annotated
        model_max_length=config.text.tokens,
    )


def _merges(counts: Counter[str], most: int) -> list[tuple[str, str]]:
    """The most frequent pair, again and again; of equally frequent ones the first by alphabet."""
    words = {word: [*word[:-1], word[-1] + WORD_END] for word in counts}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in words.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for parts in words.values():
            place = 0
            while place < len(parts) - 1:
                if (parts[place], parts[place + 1]) == best:
                    parts[place : place + 2] = ["".join(best)]
                place += 1
    return merges
