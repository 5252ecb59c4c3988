"""Which categories are checked for themselves, and which are pooled as they are too small."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

POOLED = "pooled"


class Part(NamedTuple):
    """Part of the data that is checked for itself.

    Attributes:
        name: As in ``suite_results``, e.g. ``category=Shoes``; ``pooled`` for several.
        categories: Categories it consists of.
    """

    name: str
    categories: tuple[str, ...] = ()

    @property
    def is_pooled(self) -> bool:
        """True if it stands for several small categories."""
        return self.name == POOLED


def parts_of(
    sizes: Mapping[str, int],
    products: Mapping[str, int] | None = None,
    *,
    min_items: int,
    min_products: int = 0,
) -> list[Part]:
    """Categories, the small ones pooled.

    If the small ones are too few together, the smallest of the others joins them, so that no part
    is left that could never be decided.

    Args:
        sizes: Items by category.
        products: Products by category; None where they are not known.
        min_items: Fewest items of a part.
        min_products: Fewest products of a part.

    Returns:
        Parts by name, the pooled one last.
    """

    def is_enough(names: Sequence[str]) -> bool:
        few_products = products is not None and sum(products[n] for n in names) < min_products
        return not few_products and sum(sizes[name] for name in names) >= min_items

    rising = sorted(sizes, key=lambda name: (sizes[name], name))
    pooled = [name for name in rising if not is_enough([name])]
    alone = [name for name in rising if name not in pooled]
    while pooled and alone and not is_enough(pooled):
        pooled.append(alone.pop(0))
    parts = [Part(f"category={name}", (name,)) for name in sorted(alone)]
    if len(pooled) == 1:
        parts.append(Part(f"category={pooled[0]}", (pooled[0],)))
    elif pooled:
        parts.append(Part(POOLED, tuple(sorted(pooled))))
    return parts
