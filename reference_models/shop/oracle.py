"""Who knows the shop world's truth: true CTRs of prompts, and a judge of ads that is never wrong.

For measuring what an alignment did, and for an arm of a study in which the reward is the truth
itself. It reads what was asked for, not the picture: the look that the painter reads in a prompt.
The noise of a single ad, which no feature explains, is left out.

The click model has no coefficient for a prompt without a scene, which gets a bare backdrop. It is
counted as the least attractive scene with everything else average, and as suiting nothing: text
that fell apart must not pass for a good ad.
"""

import math
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from caig.data.sources import products_of
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run
from reference_models.pointwise import at_pairs, pair_scores
from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.prompts import read
from reference_models.shop.truth import MATCH_EFFECT, ad_id_of, effects, noise, suits, true_logit
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

TRUE_CTRS = pl.Schema({"prompt_id": pl.String(), "suits": pl.Boolean(), "true_ctr": pl.Float64()})


def true_ctrs(prompts: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """What is true of the ads that prompts ask for.

    Args:
        prompts: ``prompts/1``, or any table with prompt_id, product_id and prompt.
        products: ``products/1`` of the shop world.

    Returns:
        prompt_id, suits (the scene suits the category), true_ctr (fraction, noise apart), in the
        order of ``prompts``.

    Raises:
        DataError: A product or a category is not of the shop world.
    """
    known = {category.name for category in CATEGORIES}
    category_of = dict(products.select("product_id", "category").iter_rows())
    rows = []
    for prompt_id, product_id, prompt in prompts.select(
        "prompt_id", "product_id", "prompt"
    ).iter_rows():
        category = category_of.get(product_id)
        if category not in known:
            raise DataError(
                f"prompt {prompt_id!r}: product {product_id!r} of category {category!r} is not of "
                "the shop world; only there the truth is known"
            )
        look = read(prompt).look
        fits = look is not None and suits(category, look.scene)
        rows.append((prompt_id, fits, ctr_of_look(look, category=category, product_id=product_id)))
    return pl.DataFrame(rows, schema=TRUE_CTRS, orient="row")


def ctr_of_look(look: Look | None, *, category: str, product_id: str) -> float:
    """CTR of a look (fraction), noise apart; None is a bare backdrop."""
    return 1 / (1 + math.exp(-_logit_of_look(look, category, product_id)))


def ctr_of_ad(look: Look | None, *, category: str, product_id: str, seed: int | str) -> float:
    """CTR of one ad (fraction), its noise included: what its impressions are clicked at.

    Args:
        look: Its background; None is a bare backdrop.
        category: Category of its product.
        product_id: The product.
        seed: Seed it was painted with. Ads of one product, look and seed are the same ad.
    """
    logit = _logit_of_look(look, category, product_id)
    logit += noise(ad_id_of(look, product_id=product_id, seed=seed))
    return 1 / (1 + math.exp(-logit))


def _logit_of_look(look: Look | None, category: str, product_id: str) -> float:
    if look is None:
        return _bare_logit(category, product_id)
    return true_logit(look, category=category, product_id=product_id)


@lru_cache(maxsize=4096)
def _bare_logit(category: str, product_id: str) -> float:
    """The least attractive scene, suiting nothing, averaged over all that is beside it."""
    worst = SCENES[int(np.argmin(effects().scene))]
    looks = [Look(worst, *rest) for rest in product(LIGHTS, PALETTES, DEPTHS, DECORATIONS)]
    logits = [true_logit(look, category=category, product_id=product_id) for look in looks]
    return float(np.mean(logits)) - MATCH_EFFECT * suits(category, worst)


class OracleScorer:
    """A ``PairScorer`` that knows the truth: its probability is 1, 0, or 1/2 for equal looks.

    Attributes:
        name: "ref:truth".
    """

    name = "ref:truth"

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs; the side an ad is on says nothing.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the run that holds the ads: of the shop world, or painted from
                prompts for its products.

        Returns:
            ``pair_scores/1``: two rows a pair, with true CTRs.

        Raises:
            ArtifactError: The run holds neither truth nor prompts.
            DataError: An ad is not in the run, or not of the shop world.
        """
        ads = _true_ads(Run.open(images))
        left, right = at_pairs(pairs, ads["creative_id"], ads["true_ctr"].to_numpy())
        if np.isnan(left).any() or np.isnan(right).any():
            raise DataError(f"{images}: a pair shows an ad that is not in this run")
        # Looks that are equal differ by rounding at most.
        order = np.where(np.isclose(left, right, rtol=1e-9, atol=0), 0.0, np.sign(left - right))
        return pair_scores(
            pairs, self.name, (1 + order) / 2, left_ctr_hat=left, right_ctr_hat=right
        )


def _true_ads(run: Run) -> pl.DataFrame:
    """creative_id and true_ctr of all ads of a run."""
    if "creative_truth" in run.manifest.artifacts:
        return run.table("creative_truth").select("creative_id", "true_ctr")
    products = products_of(run)
    if "prompts" not in run.manifest.artifacts or products is None:
        raise ArtifactError(
            f"{run.path}: ref:truth needs creative_truth, or prompts and products of the shop world"
        )
    asked = run.table("prompts")
    ads = run.table("creatives").select("creative_id", pl.col("sample_id").alias("prompt_id"))
    return ads.join(true_ctrs(asked, products), on="prompt_id").select("creative_id", "true_ctr")
