"""The report of the suite ``pair_accuracy``: HTML that opens from disk, and Markdown.

Nothing is computed here. The HTML runs no script and loads nothing. Names of scorers, categories
and runs are untrusted: escaped in HTML, defused in Markdown.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import jinja2
import numpy as np
import polars as pl
from markupsafe import Markup

from caig import text
from evaluation.config import EvaluateConfig
from evaluation.reading import Evidence
from evaluation.reports import words
from evaluation.reports.figures import (
    accuracy_plot,
    bucket_name,
    buckets_plot,
    reliability_plot,
)
from evaluation.reports.words import Row, limits, ordered, share
from evaluation.suites.pair_accuracy import ALL, ORACLE, SuiteTables

MAX_COLUMNS = 6
"""Scorers shown side by side in a table of slices; the run's table has all."""


def report_view(tables: SuiteTables, evidence: Evidence, config: EvaluateConfig) -> dict[str, Any]:
    """Texts of both forms of the report, but for the run's name and time.

    Args:
        tables: What the suite found.
        evidence: What it was found from.
        config: Ties, slices and levels.
    """
    scorers = ordered(tables)
    best = scorers[0]["subject"]
    found = {(r["subject"], r["metric"], r["slice"]): r for r in tables.results.to_dicts()}
    shown = [row["subject"] for row in scorers[:MAX_COLUMNS]]
    sliced = {what: _slices(tables, what) for what in ("confidence", "gap", "category")}
    return {
        "headline": words.headline(tables),
        "notes": words.notes(tables, evidence, config),
        "facts": _facts(evidence, found),
        "chart": Markup(accuracy_plot(scorers, found.get((ORACLE, "accuracy", ALL)))),
        "charts": [
            Markup(
                buckets_plot(
                    [found[ORACLE, "accuracy", part] for part in sliced[what]],
                    [found[best, "accuracy", part] for part in sliced[what]],
                    heading,
                    name=best,
                )
            )
            for what, heading in (
                ("confidence", "by how sure the label is (%)"),
                ("gap", "by gap in observed CTR (%)"),
            )
        ],
        "best": best,
        "scorers": [_scorer(row, found) for row in scorers],
        "counts": [_count(row) for row in scorers],
        "position": _position(tables, scorers),
        "slice_columns": shown,
        "slices": [
            {
                "title": title,
                "rows": [_slice(part, what, shown, found) for part in sliced[what]],
                "is_long": what == "category",
            }
            for what, title in (
                ("confidence", "By how sure the label is"),
                ("gap", "By gap in observed CTR"),
                ("category", "By category"),
            )
            if sliced[what]
        ],
        "calibration": [_calibration(row["subject"], found) for row in scorers if row["n"]],
        "reliability_charts": [
            {
                "name": binning.replace("_", " "),
                "chart": Markup(reliability_plot(_bins(tables, best, binning), name=best)),
            }
            for binning in ("equal_width", "equal_mass")
        ],
        "bins": [
            {"binning": binning.replace("_", "-"), **_bin(row)}
            for binning in ("equal_width", "equal_mass")
            for row in _bins(tables, best, binning)
        ],
        "comparisons": [_comparison(row) for row in tables.comparisons.to_dicts()],
        "adjustment": tables.comparisons["adjustment"][0] if tables.comparisons.height else "",
        "rules": [_rules(row["subject"], found) for row in scorers if row["n"]],
        "methods": words.methods(evidence, config),
        "runs": [f"{role}: {run.run_id}" for role, run in evidence.runs.items()],
        "confidence": f"{100 * (1 - config.statistics.alpha):g} %",
    }


def render_html(view: dict[str, Any], *, run_id: str, made_at: datetime) -> str:
    """The report as one HTML page."""
    return _rendered("pair_accuracy.html.j2", view, run_id, made_at, autoescape=True)


def render_markdown(view: dict[str, Any], *, run_id: str, made_at: datetime) -> str:
    """The report as Markdown."""
    rendered = _rendered("pair_accuracy.md.j2", view, run_id, made_at, autoescape=False)
    return re.sub(r"\n{3,}", "\n\n", rendered)


def defused(value: str) -> str:
    """Untrusted text for Markdown: on one line, its special characters without effect."""
    flat = " ".join(value.split())
    return re.sub(r"([\\`*_{}\[\]()#!|<>~])", r"\\\1", flat)


def _rendered(
    template: str, view: dict[str, Any], run_id: str, made_at: datetime, *, autoescape: bool
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evaluation.reports"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = defused
    return environment.get_template(template).render(
        view, run_id=run_id, made_at=f"{made_at:%Y-%m-%d %H:%M}"
    )


def _slices(tables: SuiteTables, what: str) -> list[str]:
    parts = tables.results.filter(
        (pl.col("subject") == ORACLE) & pl.col("slice").str.starts_with(f"{what}=")
    )
    return parts["slice"].to_list()


def _bins(tables: SuiteTables, name: str, binning: str) -> list[Row]:
    return tables.reliability.filter(
        (pl.col("scorer") == name) & (pl.col("binning") == binning)
    ).to_dicts()


def _facts(evidence: Evidence, found: dict[tuple[str, str, str], Row]) -> list[dict[str, str]]:
    data, oracle = evidence.pairs, found[ORACLE, "accuracy", ALL]
    spread = data.spread
    tau = None if spread is None or spread.pooled <= 0 else spread.pooled**0.5
    named = [
        ("pairs with a label", text.count(oracle["n"])),
        ("pairs of equal CTR, left out", text.count(int((data.gold == 0).sum()))),
        ("pair rule", ", ".join(evidence.filter_names)),
        ("products", text.count(int(np.unique(data.product).size))),
        ("categories", text.count(len(data.categories))),
        ("ceiling of accuracy", text.percent(oracle["estimate"])),
        ("its interval", limits(oracle)),
        ("spread of logit CTR within products", text.UNKNOWN if tau is None else f"{tau:.3f}"),
        ("median clicks of an ad", text.count(data.clicks_per_ad)),
    ]
    seen = evidence.seen_by_day
    if seen is not None and seen.estimate is not None:
        named.append(("variance over binomial, by days", f"{seen.estimate:.2f}"))
    return [{"name": name, "value": value} for name, value in named]


def _scorer(row: Row, found: dict[tuple[str, str, str], Row]) -> dict[str, str]:
    def estimate(metric: str) -> Row:
        empty = {"estimate": None, "ci_lower": None, "ci_upper": None}
        return found.get((row["subject"], metric, ALL), empty)

    skill, corrected = estimate("skill_share"), estimate("noise_corrected_accuracy")
    return {
        "name": row["subject"],
        "kind": row["kind"],
        "accuracy": text.percent(row["estimate"]),
        "interval": limits(row),
        "ceiling": text.percent(row["ceiling"]),
        "skill": share(skill["estimate"]),
        "skill_interval": limits(skill, percent=False),
        "corrected": text.percent(corrected["estimate"]),
        "corrected_interval": limits(corrected),
        "as_is": text.percent(estimate("accuracy_as_is")["estimate"]),
        "swapped": text.percent(estimate("accuracy_swapped")["estimate"]),
        "n": text.count(row["n"]),
        "n_unscored": text.count(row["n_unscored"]),
    }


def _count(row: Row) -> dict[str, str]:
    columns = (
        "n_pairs",
        "n_gold_ties",
        "n_no_score",
        "n_one_order",
        "n_scored",
        "n_model_ties",
        "n_right",
        "n_products",
    )
    return {"name": row["subject"], "run": row["scores_run"]} | {
        name: text.count(row[name]) for name in columns
    }


def _position(tables: SuiteTables, scorers: Sequence[Row]) -> list[dict[str, str]]:
    rows = {row["scorer"]: row for row in tables.position.to_dicts()}
    return [
        {
            "name": name,
            "n_both": text.count(row["n_both"]),
            "n_flips": text.count(row["n_flips"]),
            "flip_rate": text.percent(row["flip_rate"]),
            "flip_interval": limits(row, "flip_rate_ci"),
            "n_first": text.count(row["n_flips_first"]),
            "first_share": text.percent(row["first_share"]),
            "first_interval": limits(row, "first_share_ci"),
            "p": text.p_value(row["p_value"]),
        }
        for name, row in ((s["subject"], rows[s["subject"]]) for s in scorers)
    ]


def _slice(
    part: str, what: str, shown: Sequence[str], found: dict[tuple[str, str, str], Row]
) -> dict[str, Any]:
    oracle = found[ORACLE, "accuracy", part]
    rows = [found[name, "accuracy", part] for name in shown]
    return {
        "name": part.partition("=")[2] if what == "category" else bucket_name(part),
        "n": text.count(oracle["n"]),
        "ceiling": text.percent(oracle["estimate"]),
        "cells": [
            {
                "accuracy": text.percent(row["estimate"]),
                "interval": "" if row["ci_lower"] is None else limits(row),
            }
            for row in rows
        ],
    }


def _calibration(name: str, found: dict[tuple[str, str, str], Row]) -> dict[str, str]:
    def figure(metric: str) -> str:
        return f"{found[name, metric, ALL]['estimate']:.3f}"

    squares = found[name, "brier", ALL]
    known = squares["ci_lower"] is not None
    return {
        "name": name,
        "brier": figure("brier"),
        "brier_interval": f"[{squares['ci_lower']:.3f}, {squares['ci_upper']:.3f}]"
        if known
        else text.UNKNOWN,
        "width": figure("ece_equal_width"),
        "width_noise": figure("ece_equal_width_of_noise"),
        "mass": figure("ece_equal_mass"),
        "mass_noise": figure("ece_equal_mass_of_noise"),
        "n": text.count(squares["n"]),
    }


def _bin(row: Row) -> dict[str, str]:
    return {
        "range": f"{row['p_from']:.3f}\N{EN DASH}{row['p_to']:.3f}",
        "n": text.count(row["n"]),
        "mean": text.percent(row["p_mean"]),
        "observed": text.percent(row["observed"]),
        "interval": limits(row, "observed_ci"),
    }


def _comparison(row: Row) -> dict[str, str]:
    bootstrap = {
        "ci_lower": row["difference_bootstrap_lower"],
        "ci_upper": row["difference_bootstrap_upper"],
    }
    return {
        "scorer": row["scorer"],
        "other": row["other"],
        "n": text.count(row["n_pairs"]),
        "products": text.count(row["n_products"]),
        "difference": _points(row["difference"]),
        "interval": limits(row, "difference_ci"),
        "bootstrap": limits(bootstrap),
        "ahead": f"{row['n_first_ahead']:,} : {row['n_second_ahead']:,}",
        "p": text.p_value(row["p_value"]),
        "p_adj": text.p_value(row["p_value_adj"]),
        "mcnemar": text.p_value(row["p_mcnemar"]),
        "smallest": text.UNKNOWN
        if row["smallest_found"] is None
        else f"{100 * row['smallest_found']:.1f}",
    }


def _points(value: float | None) -> str:
    return text.UNKNOWN if value is None else text.lift(value).removesuffix(" %")


def _rules(name: str, found: dict[tuple[str, str, str], Row]) -> dict[str, str]:
    rules = ("half_credit", "rewardbench", "hpsv2", "pickscore")
    return {"name": name} | {
        rule: text.percent(found[name, f"accuracy_{rule}", ALL]["estimate"]) for rule in rules
    }
