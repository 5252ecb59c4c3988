"""The instructions: several wordings for every task, so that no single one is learnt by heart.

All wording is ours. The families are the published ones: image understanding (product,
background, and the background's place in one phrase), multimodal understanding (a suitable
background, a title), prompt generation (create, rewrite). See Figure 2 of arXiv 2502.06823.
"""

TEMPLATES: dict[str, tuple[str, ...]] = {
    "product": (
        "What product is this?",
        "Name the product in the picture and the department it belongs to.",
        "Which kind of goods does the picture show?",
        "Describe the product.",
    ),
    "background": (
        "Describe the background of this ad.",
        "What is behind the product?",
        "Say in short phrases what the background looks like.",
        "Which scene was the product placed in? Give place, light, colours and depth.",
    ),
    "place": (
        "Which place does the background show?",
        "Name the place in this ad.",
        "Where is the product?",
    ),
    "suitable": (
        "Which background would suit this product? {product}",
        "{product} Suggest a setting that fits it.",
        "Where would one expect to see this product? {product}",
    ),
    "suitable_place": (
        "Name one suitable place for this product. {product}",
        "{product} Which place suits it?",
    ),
    "title": (
        "Write a title for this product. {category}",
        "How would a shop call this product? {category}",
    ),
    "create": (
        "Write a prompt for the background of an ad. {product} Answer with the prompt only.",
        "{product} Give a short text-to-image prompt for its ad background, nothing else.",
        "Create a concise background prompt that shows this product well. {product}",
        "An ad needs a background for this product. {product} Write the image prompt.",
    ),
    "rewrite": (
        "Improve this background prompt. {product} Draft: {draft}.",
        "Rewrite the draft as a complete background prompt. {product} Draft: {draft}.",
        "{product} Make this draft a good prompt for an ad background: {draft}.",
    ),
}
"""Wordings by task; {product} is a sentence with title or category, {draft} a prompt to improve."""


def product_sentence(title: str, category: str | None) -> str:
    """The product in an instruction, e.g. "Product: red mug, 0.3 l. Category: mugs.".

    Args:
        title: Title; may be empty. Double quotes go, as they do when prompts are read.
        category: Category, or None to leave it unsaid.
    """
    title = title.replace('"', "").strip()
    parts = [f"Product: {title}."] if title else []
    if category:
        # In small letters, as titles have it: one word should be one token in both.
        parts.append(f"Category: {category.lower()}.")
    return " ".join(parts)
