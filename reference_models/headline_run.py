"""What a run of ``caig train-baseline headline`` holds: weights that can be read, and a card."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from caig.runs.store import RunWriter
from reference_models.headline import Trained
from reference_models.headline_model import CHARACTERS, STYLE, WORDS

SHOWN = 12


def write_headline(run: RunWriter, trained: Sequence[Trained]) -> None:
    """Write a model into a run: its weights, what was tried, a card, figures.

    Args:
        run: Run being written.
        trained: One model, or one a fold.
    """
    (run.path / "checkpoint").mkdir()
    relative = "checkpoint/weights.parquet"
    weights = pl.concat(
        one.model.weights.select(pl.lit(fold).alias("fold"), pl.all())
        for fold, one in enumerate(trained)
    )
    weights.write_parquet(run.path / relative, compression="zstd")
    run.adopt_file("headline_weights", relative, "application/vnd.apache.parquet")
    history = [
        {"fold": fold, "kept": tried == one.kept, **tried._asdict()}
        for fold, one in enumerate(trained)
        for tried in one.tried
    ]
    run.write_frame("training_history", pl.DataFrame(history))
    run.write_text("card", "checkpoint/README.md", headline_card(trained), "text/markdown")
    n_pairs = np.array([one.n_pairs for one in trained])
    for name in ("pair_accuracy", "log_loss"):
        values = [getattr(one.kept, name) for one in trained]
        run.add_metric(f"val_{name}", float(np.average(values, weights=n_pairs)))
    run.add_metric("val_n_pairs", int(n_pairs.sum()))
    run.add_metric("strength", float(np.median([one.kept.strength for one in trained])))


def headline_card(trained: Sequence[Trained]) -> str:
    """The card, as Markdown; of several folds it describes the first one's model."""
    first = trained[0]
    kept, weights, config = first.kept, first.model.weights, first.model.config
    counts = {kind: weights.filter(pl.col("kind") == kind).height for kind in (CHARACTERS, WORDS)}
    n_styles = weights.filter(pl.col("kind") == STYLE).height
    is_common = pl.col("scale") < math.log(100)  # in at least one headline of a hundred
    common = weights.filter((pl.col("kind") == WORDS) & is_common).with_columns(
        moves=pl.col("weight") * pl.col("scale")
    )
    fitted_to = "training and validation ads" if config.learn_from_val else "training ads"
    cross_fitted = (
        f"\n- Cross-fitted over {len(trained)} folds of stories: each story is scored by the model "
        "that has not\n  seen it. Figures and words below are of the first fold's model."
        if config.folds
        else ""
    )
    return f"""\
# Headline model

It says which of two headlines of one test has the higher click-through rate: a linear model of
{counts[CHARACTERS]:,} runs of characters, {counts[WORDS]:,} words and runs of words, and
{n_styles} measures of style, fitted to randomised tests by ridge regression.
{cross_fitted}
- Strength {kept.strength:g}, chosen by log-loss on the validation pairs; the weights here are
  fitted to {fitted_to}.
- Validation pairs, fitted to training ads alone: {kept.pair_accuracy:.4f} of {first.n_pairs:,}
  right (observed order, all gaps), log-loss {kept.log_loss:.4f}. As the strength was chosen on
  them, both are optimistic. Report on test stories, with an interval: `caig score`, then
  `caig evaluate`.
- It reads words, and nothing of the picture, the story, or the day. Its scores compare headlines of
  one test; between tests they mean little.
- Limits: one publisher's headlines and readers of 2013 to 2015, in English. What got clicked there
  is no advice on what to write.

Of what at least one headline in a hundred has, these words and runs of words move a score up most
(`<` and `>` are a headline's ends): {_listed(common, descending=True)}.

These move it down most: {_listed(common, descending=False)}.
"""


def _listed(words: pl.DataFrame, *, descending: bool) -> str:
    most = words.sort("moves", "term", descending=[descending, False]).head(SHOWN)
    return ", ".join(f"`{term}`" for term in most["term"])
