"""The published task families as examples, drawn from a shop's products and ads.

Every answer that is a background has its place first: the first token then decides the place,
which makes matching measurable without sampling noise. The tasks that propose a background learn
from the ads that ``min_scene_share`` and ``min_ctr_rank`` leave: both are rules that a shop can
apply to its own log.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from caig.errors import DataError
from caig.mllm.config import TasksConfig
from caig.mllm.corpus import Ad, Corpus, Item, category_words, phrases_of
from caig.mllm.examples import Example
from caig.mllm.instructions import TEMPLATES, product_sentence

Choice = TypeVar("Choice")

SHORT_ANSWER_SHARE = 0.5
"""Share of the "suitable" task that asks for the place alone."""

PICTURELESS_SHARE = 0.3
"""Share of instructions about a product that show no picture."""

WORDLESS_SHARE = 0.1
"""Share of them that show a picture and say no title."""


MADE_WORDS = (2, 9)
"""Words of a made title besides the category's name: at least, and below."""


class Proposals(NamedTuple):
    """Ads that the tasks proposing a background learn from.

    Attributes:
        of_product: Ads by product; products without any are left out.
        n_ads: How many ads there were (count).
        n_kept: How many are left (count).
    """

    of_product: dict[str, list[Ad]]
    n_ads: int
    n_kept: int


def choose_proposals(corpus: Corpus, config: TasksConfig) -> Proposals:
    """Choose the ads whose backgrounds are worth proposing, by the shop's own log.

    Raises:
        DataError: None is left.
    """
    kept: dict[str, list[Ad]] = {}
    for item in corpus.items:
        ads = list(item.ads)
        if config.min_ctr_rank > 0:
            ads = _high_ctr(ads, config.min_ctr_rank)
        ads = [
            ad
            for ad in ads
            if corpus.place_shares[item.category, ad.place] >= config.min_scene_share
        ]
        if ads:
            kept[item.product_id] = ads
    n_kept = sum(len(ads) for ads in kept.values())
    if not n_kept:
        raise DataError(
            f"tasks.min_scene_share = {config.min_scene_share:g} and tasks.min_ctr_rank = "
            f"{config.min_ctr_rank:g} leave none of {len(corpus.ads):,} ads: lower them"
        )
    return Proposals(kept, len(corpus.ads), n_kept)


def _high_ctr(ads: list[Ad], min_rank: float) -> list[Ad]:
    shown = sorted((ad for ad in ads if ad.ctr is not None), key=lambda ad: ad.ctr or 0.0)
    return shown[int(np.ceil(min_rank * len(shown))) :] or shown[-1:]


def draw_examples(
    corpus: Corpus, config: TasksConfig, weights: Mapping[str, float], *, n: int, seed: int
) -> Iterator[Example]:
    """Draw examples: first the task, then a product, then an ad of it.

    Args:
        corpus: Products to draw from; those of training.
        config: How.
        weights: Share of each task.
        n: Examples (count).
        seed: Same seed, same examples.

    Raises:
        DataError: No ad is left to propose from.
    """
    rng = np.random.default_rng(seed)
    proposals = choose_proposals(corpus, config)
    with_ads = [item for item in corpus.items if item.ads]
    to_propose = [item for item in corpus.items if item.product_id in proposals.of_product]
    names = [name for name, weight in weights.items() if weight > 0]
    shares = np.array([weights[name] for name in names])
    for k in rng.choice(len(names), size=n, p=shares / shares.sum()):
        task = names[int(k)]
        if task in ("background", "place"):
            item = _pick(with_ads, rng)
            yield _about_ad(task, _pick(item.ads, rng), rng)
        elif task in ("product", "title"):
            yield _about_goods(task, _pick(corpus.items, rng), rng)
        else:
            item = _pick(to_propose, rng)
            asked = _asked(item, corpus, config, rng)
            yield _proposing(task, asked, proposals.of_product[item.product_id], config, rng)


def ask_background(item: Item, *, tells_category: bool = True) -> Example:
    """The question that the prompt model is asked: title, category and picture of a product.

    Args:
        item: The product.
        tells_category: False leaves its category unsaid, where it has one.
    """
    category = item.category if tells_category else None
    instruction = _say("create", 0, product=product_sentence(item.title, category))
    return Example("create", (instruction,), "", item.cutout)


def ask_place(ad: Ad) -> Example:
    """The question which place an ad's picture shows, with its answer."""
    return Example("place", (TEMPLATES["place"][0],), ad.place, ad.image, ad.place)


def _about_ad(task: str, ad: Ad, rng: np.random.Generator) -> Example:
    answer = ad.caption if task == "background" else ad.place
    return Example(task, (_say(task, rng),), answer, ad.image, ad.place)


def _about_goods(task: str, item: Item, rng: np.random.Generator) -> Example:
    if task == "product":
        root_last = [part.strip() for part in item.category_path.split(">")][::-1]
        answer = ", ".join(part.lower() for part in root_last)
        # A product is to be recognised in its ads too, not only alone.
        image = _pick(item.ads, rng).image if item.ads and rng.random() < 0.5 else item.cutout
        return Example(task, (_say(task, rng),), answer, image, root_last[0].lower())
    category = product_sentence("", item.category)
    return Example(task, (_say(task, rng, category=category),), item.title, item.cutout)


def _proposing(
    task: str, item: Item, ads: list[Ad], config: TasksConfig, rng: np.random.Generator
) -> Example:
    ad = _pick(ads, rng)
    category = item.category if rng.random() < config.category_share else None
    sentence = product_sentence(item.title, category)
    if task == "rewrite":
        instruction = _say(task, rng, product=sentence, draft=_draft(ad.caption, rng))
        return Example(task, (instruction,), ad.caption, None, ad.place)
    pictureless = bool(item.title) and rng.random() < PICTURELESS_SHARE
    image = None if pictureless else item.cutout
    if task == "suitable" and rng.random() < SHORT_ANSWER_SHARE:
        instruction = _say("suitable_place", rng, product=sentence)
        return Example(task, (instruction,), ad.place, image, ad.place)
    return Example(task, (_say(task, rng, product=sentence),), ad.caption, image, ad.place)


def _draft(caption: str, rng: np.random.Generator) -> str:
    """A caption spoilt: phrases left out and the rest shuffled."""
    phrases = phrases_of(caption)
    n = int(rng.integers(1, len(phrases) + 1))
    return ", ".join(phrases[int(k)] for k in rng.permutation(len(phrases))[:n])


def _asked(item: Item, corpus: Corpus, config: TasksConfig, rng: np.random.Generator) -> Item:
    """The product as it is asked about: its title with words left out, or one made up.

    A made title names the category and stands beside any product's picture: a picture learnt by
    heart must not be what the answer is read from where words say what the product is.
    """
    if rng.random() < config.made_title_share:
        words = [_pick(corpus.idle_words, rng) for _ in range(rng.integers(*MADE_WORDS))]
        # Titles name one thing, catalogues many: "frying pan" for "Frying pans".
        *before, last = item.category.lower().split()
        name = [*before, _pick(sorted(category_words(last)), rng)]
        at = int(rng.integers(len(words) + 1))
        title = " ".join([*words[:at], *name, *words[at:]])
        return item._replace(title=title, cutout=_pick(corpus.items, rng).cutout)
    if rng.random() < WORDLESS_SHARE:
        return item._replace(title="")
    words = item.title.split()
    kept = [word for word in words if rng.random() >= config.word_dropout]
    return item._replace(title=" ".join(kept or words))


def _say(task: str, which: "np.random.Generator | int", **parts: str) -> str:
    wordings = TEMPLATES[task]
    text = wordings[which] if isinstance(which, int) else _pick(wordings, which)
    # In one pass: a title may hold braces of its own. An empty part leaves no gap.
    filled = re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], text)
    return " ".join(filled.split())


def _pick(choices: Sequence[Choice], rng: np.random.Generator) -> Choice:
    return choices[int(rng.integers(len(choices)))]
