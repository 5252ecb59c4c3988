"""Random tables changed so far that they keep the rules between their columns."""

import polars as pl

from caig.contracts.table import TableContract


def fitted(frame: pl.DataFrame, contract: TableContract) -> pl.DataFrame:
    """``frame`` changed so far that it keeps the contract's rules between columns, and its key."""

    def at_most(name: str, limit: str) -> pl.Expr:
        return pl.min_horizontal(name, limit).alias(name)

    def around(value: str, lower: str, upper: str) -> list[pl.Expr]:
        known = pl.col(value).is_not_null()
        low = pl.when(known & pl.col(lower).is_not_null()).then(pl.min_horizontal(lower, value))
        high = pl.when(known & pl.col(upper).is_not_null()).then(pl.max_horizontal(upper, value))
        return [low.otherwise(lower).alias(lower), high.otherwise(upper).alias(upper)]

    adjusted = (
        pl.when(pl.col("p_value_adj").is_not_null())
        .then(pl.max_horizontal("p_value", "p_value_adj"))
        .alias("p_value_adj")
        if "p_value_adj" in contract.schema
        else pl.lit(None)
    )
    has_interval = pl.col("ci_lower").is_not_null()
    is_bounded = has_interval & pl.col("ci_upper").is_not_null()
    fixes: dict[str, list[pl.Expr]] = {
        "creatives": [pl.col("generator").fill_null("procedural")],
        "captions": [(pl.col("caption") + "a").alias("caption")],
        "headlines": [(pl.col("headline") + "a").alias("headline")],
        "creative_pairs": [
            (pl.col("left_id") + "'").alias("right_id"),
            *(at_most(f"{side}_clicks", f"{side}_impressions") for side in ("left", "right")),
            *(
                (pl.min_horizontal(f"{s}_clicks", f"{s}_impressions") / pl.col(f"{s}_impressions"))
                .cast(pl.Float64)
                .alias(f"{s}_ctr")
                for s in ("left", "right")
            ),
        ],
        "creative_counts": [at_most("n_clicks", "n_impressions")],
        "creative_days": [at_most("n_clicks", "n_impressions")],
        "click_prior": [at_most("n_clicks", "n_impressions")],
        "cutouts": [
            (
                pl.col("used")
                & (pl.col("status") != "failed")
                & pl.col("cutout_path").is_not_null()
            ).alias("used")
        ],
        "preference_pairs": [(pl.col("chosen_id") + "'").alias("rejected_id")],
        "study_estimates": [
            pl.when(pl.col("mean_ci_lower").is_null())
            .then(pl.lit("unknown"))
            .otherwise("status")
            .alias("status")
        ],
        "impression_log": [at_most("n_clicks", "n_impressions")],
        "arm_summary": [at_most("n_clicks", "n_impressions")],
        "lift_table": [
            at_most("clicks_control", "impressions_control"),
            at_most("clicks_treatment", "impressions_treatment"),
            *around("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper"),
            adjusted,
            pl.when(pl.col("status") == "ok")
            .then("verdict")
            .otherwise(pl.lit("insufficient"))
            .alias("verdict"),
        ],
        "bot_like_units": [
            at_most(f"{name}_bot", name) for name in ("n_units", "n_impressions", "n_clicks")
        ],
        "aa_test": [at_most("rejections", "tests")],
        "category_intervals": [
            pl.lit(value=False).alias("selected"),
            pl.max_horizontal("p_value_adj", "alpha").alias("p_value_adj"),
            *around("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper"),
        ],
        "category_posterior": around(
            "rel_lift_shrunk", "rel_lift_shrunk_ci_lower", "rel_lift_shrunk_ci_upper"
        ),
        "selected_lifts": [
            pl.min_horizontal("threshold", pl.col("z").abs()).alias("threshold"),
            pl.col("rel_lift").alias("rel_lift_corrected"),
        ],
        "top_categories": [pl.max_horizontal("rank", pl.lit(1, pl.Int64)).alias("rank")],
        "cube": [at_most("n_clicks", "n_impressions")],
        "cube_lifts": [
            at_most("day_from", "day_to"),
            pl.lit(1, pl.Int64).alias("n_days"),
            at_most("clicks_control", "impressions_control"),
            at_most("clicks_treatment", "impressions_treatment"),
            *around("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper"),
            pl.when(pl.col("rel_lift_bootstrap_lower").is_not_null())
            .then(pl.min_horizontal("rel_lift_bootstrap_lower", "rel_lift_bootstrap_upper"))
            .alias("rel_lift_bootstrap_lower"),
            adjusted,
            pl.when(pl.col("status") == "ok")
            .then("verdict")
            .otherwise(pl.lit("insufficient"))
            .alias("verdict"),
        ],
        "judgements": [
            pl.when(pl.col("verdict") == "unknown")
            .then(pl.lit("failed"))
            .otherwise(pl.lit("judged"))
            .alias("status"),
            pl.when(pl.col("verdict") != "unknown").then("score").alias("score"),
        ],
        "error_rates": [at_most("events", "trials")],
        "guardrails": [adjusted],
        "image_tests": [adjusted],
        "creative_effects": [
            at_most("n_clicks", "n_impressions"),
            pl.when(pl.col("ctr_shrunk").is_null())
            .then(pl.lit("alone"))
            .otherwise(pl.lit("ok"))
            .alias("status"),
        ],
        "plan": [
            pl.when(pl.col("ctr").is_not_null()).then("days_needed").alias("days_needed"),
            pl.when(pl.col("ctr").is_null())
            .then(pl.lit("no_clicks"))
            .when(pl.col("days_needed").is_null())
            .then(pl.lit("never"))
            .otherwise(pl.lit("ok"))
            .alias("status"),
        ],
        "looks": [
            pl.when(pl.col("planned")).then("boundary").alias("boundary"),
            pl.when(pl.col("planned"))
            .then(pl.col("z").abs() > pl.col("boundary"))
            .alias("crossed"),
        ],
        "lift_intervals": [
            pl.when(has_interval).then(pl.lit(-1.0)).alias("ci_lower"),
            pl.when(is_bounded).then(pl.lit(1.0)).alias("ci_upper"),
            pl.col("estimate").clip(-1, 1),
            pl.when(has_interval).then(pl.col("p_value").fill_null(0.5)).alias("p_value"),
            pl.when(is_bounded)
            .then(pl.lit("bounded"))
            .when(has_interval)
            .then(pl.lit("unbounded"))
            .otherwise(pl.lit("undefined"))
            .alias("state"),
        ],
        "scorer_counts": [
            # Counts of any size would overflow in their sum.
            *(pl.col(n).clip(0, 2**40).alias(n) for n in ("n_gold_ties", "n_one_order")),
            *(pl.col(n).clip(0, 2**40).alias(n) for n in ("n_no_score", "n_scored")),
            pl.sum_horizontal(
                pl.col(n).clip(0, 2**40)
                for n in ("n_gold_ties", "n_one_order", "n_no_score", "n_scored")
            ).alias("n_pairs"),
            pl.lit(0, pl.Int64).alias("n_model_ties"),
            *(
                pl.min_horizontal(n, pl.col("n_scored").clip(0, 2**40)).alias(n)
                for n in ("n_right", "n_products")
            ),
        ],
        "position_bias": [
            at_most("n_flips", "n_both"),
            pl.min_horizontal("n_flips_first", "n_flips", "n_both").alias("n_flips_first"),
            *around("flip_rate", "flip_rate_ci_lower", "flip_rate_ci_upper"),
            *around("first_share", "first_share_ci_lower", "first_share_ci_upper"),
        ],
        "reliability": [
            at_most("p_from", "p_to"),
            *around("observed", "observed_ci_lower", "observed_ci_upper"),
        ],
        "scorer_comparisons": [
            *around("difference", "difference_ci_lower", "difference_ci_upper"),
            at_most("n_first_ahead", "n_pairs"),
            pl.lit(0, pl.Int64).alias("n_second_ahead"),
            at_most("n_products", "n_pairs"),
            adjusted,
        ],
        "suite_results": around("estimate", "ci_lower", "ci_upper"),
        "item_scores": [
            pl.when(pl.col("value").is_null())
            .then(pl.col("unscored_reason").fill_null("timeout"))
            .alias("unscored_reason")
        ],
    }
    frame = frame.with_columns(fixes.get(contract.name, []))
    return frame.unique(subset=contract.key, maintain_order=True)
