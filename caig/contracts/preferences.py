"""Tables of preference optimisation: prompts sampled, which of two wins, what came of it."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

PAIR_VERDICTS = (
    "used",
    "same_picture",
    "unfinished",
    "invalid",
    "tie",
    "sides_disagree",
    "unsure",
)
"""Whether a pair is trained on, or the first reason why it is not."""

PROMPT_SAMPLES = TableContract(
    "prompt_samples",
    1,
    "One background prompt sampled from a prompt model.",
    (
        Column("sample_id", pl.String, "Identifier."),
        Column("product_id", pl.String, "Product the prompt is for."),
        Column("policy_run", pl.String, "Run id of the prompt model."),
        Column("epoch", pl.Int32, "Alignment epoch of the prompt model; 0 is before any.", lower=0),
        Column("instruction", pl.String, "What was asked, beside the cut-out; untrusted text."),
        Column(
            "prompt_text",
            pl.String,
            "Text as sampled, white space at its ends apart: what is trained on.",
        ),
        Column("prompt_clean", pl.String, "Cleaned text: what is rendered; may be empty."),
        Column("logp_sum", pl.Float64, "Log-probability of the sampled text (nats).", upper=0),
        Column("n_tokens", pl.Int32, "Tokens sampled, the end token too (count).", lower=1),
        Column("ended", pl.Boolean, "True if the model ended the text itself."),
        Column("temperature", pl.Float64, "Sampling temperature.", lower=0),
        Column("seed", pl.Int64, "Seed of this sample alone, whatever else is sampled with it."),
    ),
    key=("sample_id",),
)

PREFERENCE_PAIRS = TableContract(
    "preference_pairs",
    1,
    "The reward model's preference between two prompt samples of one product.",
    (
        Column("product_id", pl.String, "Product."),
        Column("epoch", pl.Int32, "Alignment epoch.", lower=0),
        Column("chosen_id", pl.String, "Sample whose ad the reward model prefers."),
        Column("rejected_id", pl.String, "The other sample."),
        Column("p_chosen", pl.Float64, "Its probability for the chosen one.", lower=0.5, upper=1),
        Column("swap_agrees", pl.Boolean, "True if both presentations prefer the same ad."),
        Column(
            "rm_run",
            pl.String,
            "What decided: reward model or scorer by its name, or rule:valid, the rule that a "
            "valid prompt beats one that is not.",
        ),
        Column(
            "verdict",
            pl.String,
            "Whether the pair is trained on, or why it is not.",
            allowed=PAIR_VERDICTS,
        ),
    ),
    key=("product_id", "epoch"),
    invariants=(
        Invariant("chosen_id != rejected_id", pl.col("chosen_id") != pl.col("rejected_id")),
    ),
)

ALIGNMENT_CURVES = TableContract(
    "alignment_curves",
    1,
    "One figure of a prompt model at one epoch of alignment, on products it was not trained on.",
    (
        Column("epoch", pl.Int32, "Alignment epoch; 0 is before any.", lower=0),
        Column("metric", pl.String, "Name of the figure; see docs/preference.md."),
        Column("value", pl.Float64, "The figure; null where it cannot be known.", nullable=True),
        Column("n", pl.Int32, "Products, prompts or pairs it is about (count).", lower=0),
    ),
    key=("epoch", "metric"),
)
