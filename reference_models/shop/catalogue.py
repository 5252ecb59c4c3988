"""The shop's 44 categories: name, place in the tree, and base click-through rate.

Forty-four because that is how many categories the published online test had. Rates lie where
display ads in shops lie, between 1 and 4 %, and differ by category so that a mix shift can mislead.
"""

from typing import NamedTuple


class Category(NamedTuple):
    """One leaf category.

    Attributes:
        name: Leaf name.
        department: Its parent.
        base_ctr: CTR of an ordinary ad of it (fraction).
    """

    name: str
    department: str
    base_ctr: float


CATEGORIES: tuple[Category, ...] = (
    Category("Sneakers", "Fashion", 0.031),
    Category("Handbags", "Fashion", 0.029),
    Category("Dresses", "Fashion", 0.034),
    Category("T-shirts", "Fashion", 0.027),
    Category("Sunglasses", "Fashion", 0.024),
    Category("Watches", "Fashion", 0.022),
    Category("Hats", "Fashion", 0.019),
    Category("Boots", "Fashion", 0.026),
    Category("Earrings", "Fashion", 0.021),
    Category("Perfume", "Beauty", 0.030),
    Category("Lipstick", "Beauty", 0.033),
    Category("Shampoo", "Beauty", 0.020),
    Category("Face cream", "Beauty", 0.025),
    Category("Hair dryers", "Beauty", 0.018),
    Category("Sofas", "Home", 0.017),
    Category("Table lamps", "Home", 0.021),
    Category("Armchairs", "Home", 0.018),
    Category("Cushions", "Home", 0.022),
    Category("Vases", "Home", 0.019),
    Category("Candles", "Home", 0.023),
    Category("Wall clocks", "Home", 0.016),
    Category("Kettles", "Kitchen", 0.020),
    Category("Coffee machines", "Kitchen", 0.024),
    Category("Frying pans", "Kitchen", 0.019),
    Category("Mugs", "Kitchen", 0.022),
    Category("Blenders", "Kitchen", 0.018),
    Category("Toasters", "Kitchen", 0.017),
    Category("Headphones", "Electronics", 0.028),
    Category("Smartphones", "Electronics", 0.036),
    Category("Laptops", "Electronics", 0.029),
    Category("Cameras", "Electronics", 0.021),
    Category("Speakers", "Electronics", 0.023),
    Category("Game controllers", "Electronics", 0.026),
    Category("Bicycles", "Sport", 0.020),
    Category("Tents", "Sport", 0.017),
    Category("Backpacks", "Sport", 0.023),
    Category("Dumbbells", "Sport", 0.016),
    Category("Footballs", "Sport", 0.018),
    Category("Teddy bears", "Toys", 0.024),
    Category("Building bricks", "Toys", 0.026),
    Category("Toy cars", "Toys", 0.022),
    Category("Orange juice", "Food", 0.015),
    Category("Chocolate", "Food", 0.021),
    Category("Honey", "Food", 0.013),
)

DRAWINGS_PER_CATEGORY = 4
"""Drawn products of a category: two to train on, one to choose by, one to report on."""


def drawing_ids(category: Category) -> list[str]:
    """Identifiers of the category's drawn products, e.g. ``table-lamps-1``."""
    slug = category.name.lower().replace(" ", "-")
    return [f"{slug}-{number}" for number in range(1, DRAWINGS_PER_CATEGORY + 1)]
