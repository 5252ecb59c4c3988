"""What judges said: one row a question about an ad."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

TIERS = ("logits", "logprobs", "json_schema", "text")
"""How an answer is got: a local model's own logits, probabilities that an API tells, a JSON object
of a schema, or a line of text."""

VERDICTS = ("yes", "no", "unknown")

JUDGEMENT_STATUSES = (
    "judged",
    "void",
    "no_verdict",
    "low_mass",
    "refused",
    "truncated",
    "failed",
    "bad_picture",
    "not_asked",
)

JUDGEMENTS = TableContract(
    "judgements",
    1,
    "One judge's answer to one question of a rubric about one ad. The row whose question is the "
    "rubric's name is what the answers come to. No answer is unknown, never a default.",
    (
        Column("judge", pl.String, "Judge, e.g. api:openai:gpt-4o; a rule is called scripted."),
        Column("rubric", pl.String, "Rubric and version, e.g. matching/1."),
        Column(
            "control",
            pl.String,
            "Whether the answer is known beforehand: negative, a background of another product; "
            "positive, one known to suit. Controls are in no rate of the ads.",
            allowed=("none", "negative", "positive"),
        ),
        Column("item_id", pl.String, "Ad: its creative_id."),
        Column("product_id", pl.String, "Product shown."),
        Column("category", pl.String, "Its category; null if not known.", nullable=True),
        Column("image_sha256", pl.String, "SHA-256 of the ad's image file, hex."),
        Column("question", pl.String, "Question of the rubric, or the rubric's name."),
        Column("verdict", pl.String, "Answer; yes is good.", allowed=VERDICTS),
        Column(
            "status",
            pl.String,
            "judged, or why it is unknown: void (has no meaning after another answer), no_verdict "
            "(the reply is none), low_mass (yes and no are unlikely), refused, truncated, failed "
            "(after all attempts), bad_picture, not_asked (a bound was met).",
            allowed=JUDGEMENT_STATUSES,
        ),
        Column("detail", pl.String, "More about the status; empty if there is nothing to say."),
        Column(
            "score",
            pl.Float64,
            "P(yes) by the judge: of the first token, or the smoothed share of several replies; of "
            "the rubric's row, the lowest. Null where the tier gives none.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "mass",
            pl.Float64,
            "Probability of yes and no together, of all first tokens; null where not told.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("tier", pl.String, "How the answer is got.", allowed=TIERS),
        Column("n_attempts", pl.Int64, "Attempts that were made (count).", lower=0),
        Column("input_tokens", pl.Int64, "Tokens read, as far as told (count).", lower=0),
        Column("output_tokens", pl.Int64, "Tokens written, as far as told (count).", lower=0),
        Column(
            "cost_usd",
            pl.Float64,
            "Price of all attempts (US dollars); null if that of one is unknown.",
            nullable=True,
            lower=0,
        ),
        Column("seconds", pl.Float64, "Time of all attempts (seconds).", lower=0),
        Column(
            "from_kept",
            pl.Boolean,
            "True if every reply had been paid for before, by another run or for an equal ad.",
        ),
        Column("rationale", pl.String, "The judge's words, shortened; untrusted text."),
    ),
    key=("judge", "rubric", "control", "item_id", "question"),
    invariants=(
        Invariant(
            "a verdict is unknown unless it is judged",
            (pl.col("verdict") == "unknown") == (pl.col("status") != "judged"),
        ),
        Invariant(
            "what is not judged has no score",
            (pl.col("status") == "judged") | pl.col("score").is_null(),
        ),
    ),
)
