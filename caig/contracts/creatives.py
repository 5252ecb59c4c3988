"""Tables about products, their ads, and preferences between ads."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

SPLITS = ("train", "val", "test")
"""A split belongs to a product, never to a pair: two splits must not share a product."""

UNCATEGORISED = "uncategorised"
"""Category of every product of a log that names no categories."""

PAIR_FILTERS = ("caig_5_20", "ge_20", "any", "significant")
"""Which pairs are kept, by the relative CTR gap: 5 to 20 % (the paper's), at least 20 %, any; or
where a test of two proportions tells the gap from chance."""

PRODUCTS = TableContract(
    "products",
    1,
    "One product of the catalogue.",
    (
        Column("product_id", pl.String, "Identifier."),
        Column(
            "title",
            pl.String,
            "Title as the shop shows it; untrusted text, empty where the log has none.",
        ),
        Column("category", pl.String, "Leaf category; 'uncategorised' where the log has none."),
        Column("category_path", pl.String, "Categories from root to leaf, joined by ' > '."),
        Column(
            "cutout_path",
            pl.String,
            "RGBA cut-out, relative to the run folder; null where there is none.",
            nullable=True,
        ),
        Column("split", pl.String, "Data split of the product.", allowed=SPLITS),
    ),
    key=("product_id",),
)

CREATIVES = TableContract(
    "creatives",
    1,
    "One ad image. An ad image is a creative; there is no second type.",
    (
        Column("creative_id", pl.String, "Identifier."),
        Column("product_id", pl.String, "Product shown."),
        Column("image_path", pl.String, "Image file, relative to the run folder."),
        Column("image_sha256", pl.String, "SHA-256 of the image file, hex."),
        Column("source", pl.String, "Where the image is from.", allowed=("logged", "generated")),
        Column("sample_id", pl.String, "Prompt it was painted from: its prompt_id.", nullable=True),
        Column("generator", pl.String, "Generator's name; 'procedural' is said.", nullable=True),
        Column("seed", pl.Int64, "Generator seed.", nullable=True),
        Column("width", pl.Int32, "Width (px).", lower=1),
        Column("height", pl.Int32, "Height (px).", lower=1),
    ),
    key=("creative_id",),
    invariants=(
        Invariant(
            "a generated creative names its generator",
            (pl.col("source") == "logged") | pl.col("generator").is_not_null(),
        ),
    ),
)

CREATIVE_COUNTS = TableContract(
    "creative_counts",
    1,
    "What one creative gathered while it was shown, over all days together.",
    (
        Column("creative_id", pl.String, "Creative."),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=0),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
    ),
    key=("creative_id",),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
    ),
)

CREATIVE_DAYS = TableContract(
    "creative_days",
    1,
    "What one creative gathered on one day.",
    (
        Column("creative_id", pl.String, "Creative."),
        Column("day", pl.String, "Day as the log names it; as texts, days sort in order."),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=0),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
    ),
    key=("creative_id", "day"),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
    ),
)

LEFT_OUT = TableContract(
    "left_out",
    1,
    "One creative of a log that was left out on request, and why.",
    (
        Column("creative_id", pl.String, "Creative."),
        Column("product_id", pl.String, "Product it was to show."),
        Column(
            "reason",
            pl.String,
            "What is wrong with it.",
            allowed=(
                "missing_image",
                "broken_image",
                "same_picture",
                "lone_creative",
                "faulty_week",
                "no_picture",
            ),
        ),
        Column("file", pl.String, "File that names it first, as the user named it."),
        Column("file_row", pl.Int64, "Line, row or entry of that file, from 1.", lower=1),
        Column("detail", pl.String, "The value found, and what is wrong with it; untrusted text."),
    ),
    key=("creative_id",),
)

CLICK_PRIOR = TableContract(
    "click_prior",
    1,
    "How much the ads of one product differ, in one category: the prior behind p_left_better.",
    (
        Column("category", pl.String, "Category."),
        Column("n_products", pl.Int64, "Products with an ad that counts.", lower=1),
        Column("n_creatives", pl.Int64, "Ads that count: of enough impressions.", lower=1),
        Column("n_impressions", pl.Int64, "Their impressions (count).", lower=1),
        Column("n_clicks", pl.Int64, "Their clicks (count).", lower=0),
        Column(
            "spread",
            pl.Float64,
            "Standard deviation of the log-odds of a click between ads of one product; pooled.",
            lower=0,
        ),
    ),
    key=("category",),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
    ),
)

CAPTIONS = TableContract(
    "captions",
    1,
    "The background of one ad in words, as whoever made or described the ad wrote it.",
    (
        Column("creative_id", pl.String, "Creative."),
        Column(
            "caption",
            pl.String,
            "Background in short phrases joined by ', ', its place first; untrusted text.",
        ),
    ),
    key=("creative_id",),
    invariants=(
        Invariant("caption is not empty", pl.col("caption").str.strip_chars().str.len_bytes() > 0),
    ),
)

CREATIVE_PAIRS = TableContract(
    "creative_pairs",
    1,
    "Two creatives of one product with their observed clicks. Left and right are screen positions.",
    (
        Column("pair_id", pl.String, "Identifier."),
        Column("product_id", pl.String, "Product both creatives show."),
        Column("category", pl.String, "Category of the product."),
        Column("left_id", pl.String, "Creative on the left."),
        Column("right_id", pl.String, "Creative on the right."),
        Column("left_impressions", pl.Int64, "Impressions of the left creative (count).", lower=1),
        Column("right_impressions", pl.Int64, "Impressions of the right creative.", lower=1),
        Column("left_clicks", pl.Int64, "Clicks of the left creative (count).", lower=0),
        Column("right_clicks", pl.Int64, "Clicks of the right creative (count).", lower=0),
        Column("left_ctr", pl.Float64, "left_clicks / left_impressions.", lower=0, upper=1),
        Column("right_ctr", pl.Float64, "right_clicks / right_impressions.", lower=0, upper=1),
        Column(
            "p_left_better",
            pl.Float64,
            "Posterior probability that the left creative's CTR is the higher (Beta model).",
            lower=0,
            upper=1,
        ),
        Column("filter", pl.String, "Pair rule that kept it.", allowed=PAIR_FILTERS),
        Column("split", pl.String, "Split of the product.", allowed=SPLITS),
    ),
    key=("pair_id",),
    invariants=(
        Invariant(
            "left_clicks <= left_impressions", pl.col("left_clicks") <= pl.col("left_impressions")
        ),
        Invariant(
            "right_clicks <= right_impressions",
            pl.col("right_clicks") <= pl.col("right_impressions"),
        ),
        Invariant("left_id != right_id", pl.col("left_id") != pl.col("right_id")),
        Invariant(
            "left_ctr = left_clicks / left_impressions",
            (pl.col("left_ctr") - pl.col("left_clicks") / pl.col("left_impressions")).abs() < 1e-12,
        ),
        Invariant(
            "right_ctr = right_clicks / right_impressions",
            (pl.col("right_ctr") - pl.col("right_clicks") / pl.col("right_impressions")).abs()
            < 1e-12,
        ),
    ),
)

PAIR_SCORES = TableContract(
    "pair_scores",
    1,
    "One scorer's answer to one pair in one presentation; means over presentations are computed, "
    "never stored.",
    (
        Column("pair_id", pl.String, "Pair asked about."),
        Column("scorer", pl.String, "Scorer's name."),
        Column(
            "presentation",
            pl.String,
            "Whether the scorer saw the pair as it is or with its sides swapped.",
            allowed=("as_is", "swapped"),
        ),
        Column(
            "p_left",
            pl.Float64,
            "Probability, in the pair's own order, that the left creative's CTR is the higher.",
            lower=0,
            upper=1,
        ),
        Column(
            "left_ctr_hat",
            pl.Float64,
            "Predicted CTR of the left one.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "right_ctr_hat",
            pl.Float64,
            "Predicted CTR of the right one.",
            nullable=True,
            lower=0,
            upper=1,
        ),
    ),
    key=("pair_id", "scorer", "presentation"),
)

PROMPTS = TableContract(
    "prompts",
    1,
    "One picture to be painted: a product and the words its background is painted from.",
    (
        Column("prompt_id", pl.String, "Identifier; of the prompt sample, if it comes from one."),
        Column("product_id", pl.String, "Product the picture is for."),
        Column("prompt", pl.String, "Text that is rendered; untrusted text."),
        Column("source", pl.String, "Where it is from: a file, a run id, or 'command line'."),
    ),
    key=("prompt_id",),
)

CUTOUTS = TableContract(
    "cutouts",
    1,
    "One picture of a product, cut out or refused.",
    (
        Column("product_id", pl.String, "Product shown."),
        Column("source_path", pl.String, "Picture, as the source names it; untrusted text."),
        Column("source_sha256", pl.String, "SHA-256 of its file, hex.", nullable=True),
        Column(
            "method",
            pl.String,
            "How it was cut out; null if it could not be read.",
            nullable=True,
            allowed=("alpha", "ground", "rembg"),
        ),
        Column(
            "mask_score",
            pl.Float64,
            "How far the mask can be trusted; null if there is none.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "status",
            pl.String,
            "Whether it can be used; a doubtful one is used on request only.",
            allowed=("ok", "doubtful", "failed"),
        ),
        Column("reason", pl.String, "Why it is not ok; empty if it is."),
        Column("notes", pl.String, "What was done to the picture on reading; empty if nothing."),
        Column("used", pl.Boolean, "True if it is the cut-out of its product."),
        Column("cutout_path", pl.String, "RGBA, relative to the run folder.", nullable=True),
        Column("width", pl.Int32, "Width as read (px).", nullable=True, lower=1),
        Column("height", pl.Int32, "Height as read (px).", nullable=True, lower=1),
    ),
    key=("product_id", "source_path"),
    invariants=(
        Invariant(
            "a cut-out that is used has a file",
            ~pl.col("used") | pl.col("cutout_path").is_not_null(),
        ),
        Invariant("a failed cut-out is not used", ~pl.col("used") | (pl.col("status") != "failed")),
    ),
)
