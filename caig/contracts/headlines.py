"""Tables about ads that are words: a headline beside a picture that the log does not hold.

``creatives/1`` is about pictures, and all that read it decode one. A run of headlines has none of
them and so no such table: whatever needs pictures is told that they are not there, by the name of
the table that is missing.
"""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

HEADLINES = TableContract(
    "headlines",
    1,
    "One ad that is a headline, shown beside the same picture as the other ads of its product.",
    (
        Column("creative_id", pl.String, "Identifier."),
        Column(
            "product_id",
            pl.String,
            "What competed: the headlines of one test beside one picture.",
        ),
        Column("headline", pl.String, "Headline as it was shown; untrusted text."),
        Column("picture", pl.String, "Picture beside it, as the log names it."),
        Column("test_id", pl.String, "Randomised test it was shown in."),
        Column(
            "story_id",
            pl.String,
            "Tests that share a headline or a picture, by their first; never in two splits.",
        ),
    ),
    key=("creative_id",),
    invariants=(
        Invariant(
            "headline is not empty", pl.col("headline").str.strip_chars().str.len_bytes() > 0
        ),
    ),
)
