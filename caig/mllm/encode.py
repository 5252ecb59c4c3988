"""From examples to what a model reads, by its own chat template and processor.

Titles and drafts are untrusted: a title that holds "<image>" or an end token would otherwise turn
into that token, break the count of pictures, or end the user's turn. Such marks lose their
brackets before the template is filled in.
"""

from collections.abc import Sequence
from typing import Any

from caig.mllm.examples import Example
from caig.mllm.load import Mllm
from caig.mllm.pictures import load_picture


def special_marks(processor: Any) -> list[str]:
    """Texts that the tokenizer reads as special tokens, the longest first."""
    marks = set(processor.tokenizer.all_special_tokens)
    marks |= set(processor.tokenizer.get_added_vocab())
    marks.add(str(getattr(processor, "image_token", "<image>")))
    # An added word of letters alone, e.g. "Yes", is a word: it marks nothing.
    signs = (mark for mark in marks if mark.strip() and not mark.isalnum())
    return sorted(signs, key=len, reverse=True)


def without_marks(text: str, marks: Sequence[str]) -> str:
    """``text`` with every special mark spelt so that it is ordinary text."""
    for mark in marks:
        if mark in text:
            # Repeated, for what is left may form a mark again.
            plain = "".join(sign if sign.isalnum() else " " for sign in mark)
            text = text.replace(mark, plain)
            if mark in text:
                return without_marks(text, marks)
    return text


def to_messages(example: Example, marks: Sequence[str]) -> list[dict[str, str]]:
    """The turns as messages; pictures are put in by the template's caller."""
    return [
        {"role": "assistant" if n % 2 else "user", "content": without_marks(turn, marks)}
        for n, turn in enumerate(example.turns)
    ]


def encode_prompts(mllm: Mllm, examples: Sequence[Example], *, side: int | None = None) -> Any:
    """Prompts up to where the answer begins, padded on the left.

    Args:
        mllm: Model whose template and processor are used.
        examples: Their answers are not read.
        side: Shrink pictures to this side (px).

    Returns:
        Batch of tensors on the model's device, as ``generate`` takes it.
    """
    pictures = [[load_picture(e.image, side)] if e.image else [] for e in examples]
    return encode_shown(mllm, examples, pictures)


def encode_shown(mllm: Mllm, examples: Sequence[Example], pictures: Sequence[list[Any]]) -> Any:
    """The same with pictures that are in memory.

    Args:
        mllm: Model whose template and processor are used.
        examples: Their answers and the paths of their pictures are not read.
        pictures: Pictures shown with each one's first turn (PIL images).

    Returns:
        Batch of tensors on the model's device, as ``generate`` takes it.
    """
    from trl.data_utils import prepare_multimodal_messages

    marks = special_marks(mllm.processor)
    texts = [
        mllm.processor.apply_chat_template(
            prepare_multimodal_messages(to_messages(example, marks), images=shown),
            tokenize=False,
            add_generation_prompt=True,
        )
        for example, shown in zip(examples, pictures, strict=True)
    ]
    batch = mllm.processor(
        images=pictures if any(pictures) else None,
        text=texts,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=False,
    )
    return batch.to(mllm.model.device, dtype=mllm.model.dtype)
