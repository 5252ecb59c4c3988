"""Groups of categories as they are written on a command line: ``NAME=CATEGORY,CATEGORY``."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import CaigError, DataError

SHOWN = 5


def parsed_groups(written: Sequence[str]) -> dict[str, str]:
    """Category to its group.

    Args:
        written: E.g. ``["Shoes=Boots,Sneakers", "Home=Vases"]``. The name ends at the first ``=``;
            categories end at commas, and blanks around names do not count. A category whose name
            has a comma can be grouped in the configuration only (``cube.groups``).

    Raises:
        CaigError: A text is no group, or a category or group is named twice.
    """
    found: dict[str, str] = {}
    for text in written:
        name, _, listed = (part.strip() for part in text.partition("="))
        categories = [category.strip() for category in listed.split(",")]
        if not name or not all(categories):
            raise CaigError(f"--group {text}: write it as NAME=CATEGORY,CATEGORY")
        if name in found.values():
            raise CaigError(f"--group {text}: there is a group '{name}' already; name it once")
        for category in categories:
            if category in found:
                raise CaigError(
                    f"--group {text}: '{category}' is in group '{found[category]}' already; its "
                    "clicks would count twice"
                )
            found[category] = name
    return found


def refuse_unknown(groups: Mapping[str, str], categories: Sequence[str]) -> None:
    """Refuse groups that do not fit the cube's categories.

    Args:
        groups: Category to its group.
        categories: Those of the cube.

    Raises:
        DataError: A group holds a category that the cube does not have, or bears the name of a
            category that it does not hold.
    """
    for category, name in groups.items():
        if category not in categories:
            close = get_close_matches(category, categories, SHOWN) or sorted(categories)[:SHOWN]
            raise DataError(
                f"group '{name}': the cube has no category '{category}'; it has: "
                f"{', '.join(close)}{', ...' if len(categories) > len(close) else ''}"
            )
        if name == ALL_CATEGORIES:
            raise DataError(f"a group cannot be called {ALL_CATEGORIES}: that is all traffic")
        if name in categories and groups.get(name) != name:
            raise DataError(
                f"group '{name}': there is a category of this name; put it into the group, or "
                "call the group something else"
            )
