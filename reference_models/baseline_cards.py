"""Model cards of trained baselines: what lies in the folder, and what it is no evidence of."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_models.item_lists import ListMetrics

ABOUT = {
    "vam": "VAM (visual-aware ranking model, WWW 2021, arXiv 2102.04033), written anew from its "
    "description.",
    "cg4ctr": "The reward model of CG4CTR (WWW 2024 Companion, arXiv 2401.10934), written anew "
    "from its description.",
}


def card(model: str, kept_epoch: int, metrics: "ListMetrics") -> str:
    """The card, as Markdown.

    Args:
        model: "vam" or "cg4ctr".
        kept_epoch: Epoch whose weights these are.
        metrics: Figures on the validation products.
    """
    return f"""\
# {model.upper()}

{ABOUT[model]} It says which of two ads of one product has the higher click-through rate.

- Weights: epoch {kept_epoch}; configuration and data are in this run's `manifest.json`.
- Validation products: {metrics.pair_accuracy:.4f} of {metrics.n_pairs:,} pairs right (observed
  order, all gaps); CTR of the best-scored ad {metrics.top_1_uplift:+.2%} against that of all.
  The labels carry binomial noise: see the ceiling of the data before calling a figure low.
- Where the kept epoch was chosen by a validation figure, that figure is optimistic. Report on test
  products, with an interval: `caig score`, then `caig evaluate`.
- Limits: it knows only ads like those it was trained on. Trained in the shop world, it is no
  evidence about any real shop, nor about the published model on the published data.
"""
