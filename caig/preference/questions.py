"""What the prompt model is asked for a product: one of several wordings, its cut-out beside it.

All prompts of a product come from the same instruction. Which wording a product gets is drawn from
the seed and its identifier, so it stays the same in every epoch and for every policy.
"""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.mllm.examples import Example
from caig.mllm.instructions import TEMPLATES, product_sentence
from caig.preference.corruptions import seed_of

WORDINGS = TEMPLATES["create"]


class Question(NamedTuple):
    """What is asked for one product.

    Attributes:
        product_id: Product.
        instruction: Text of the instruction.
        cutout: Picture shown beside it.
    """

    product_id: str
    instruction: str
    cutout: Path

    @property
    def example(self) -> Example:
        """The question as the model's own code takes it."""
        return Example("create", (self.instruction,), "", self.cutout)


def ask(products: pl.DataFrame, *, states_category: bool, seed: int) -> list[Question]:
    """The questions for products, in their order.

    Args:
        products: ``products/1`` with absolute paths of cut-outs; those without one are left out.
        states_category: Say the category beside the title.
        seed: Seed of the wordings.
    """
    questions = []
    for row in products.filter(pl.col("cutout_path").is_not_null()).iter_rows(named=True):
        wording = WORDINGS[seed_of(seed, "wording", row["product_id"]) % len(WORDINGS)]
        category = row["category"] if states_category else None
        sentence = product_sentence(row["title"], category)
        # In one pass: a title may hold braces of its own. An empty sentence leaves no gap.
        text = " ".join(wording.replace("{product}", sentence).split())
        questions.append(Question(row["product_id"], text, Path(row["cutout_path"])))
    return questions


def choose_products(
    products: pl.DataFrame, split: str, n: int, *, skip: int = 0, seed: int
) -> pl.DataFrame:
    """Some products of a split, in an order drawn by the seed.

    Args:
        products: ``products/1``.
        split: Split, or "all".
        n: How many (count); 0 is all.
        skip: How many are before the first one; behind the last one the first follows.
        seed: Seed of the order.
    """
    rows = products if split == "all" else products.filter(pl.col("split") == split)
    order = pl.col("product_id").map_elements(
        lambda name: seed_of(seed, "order", name), return_dtype=pl.Int64
    )
    ordered = rows.with_columns(_order=order).sort("_order", "product_id").drop("_order")
    if not n or n >= ordered.height:
        return ordered
    at = [(skip + k) % ordered.height for k in range(n)]
    return ordered[at]


def clean_prompt(text: str) -> str:
    """What is rendered of a prompt: one line without double quotes and periods, as published."""
    return " ".join(text.replace('"', "").replace(".", "").split())
