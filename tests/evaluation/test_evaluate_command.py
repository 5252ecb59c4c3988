"""``caig evaluate`` from end to end: what it writes, what it says, what it refuses."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pair_world import data_run, make_world, noisy_logits, pairs_run, scores_of, scores_run

from caig.cli import run
from caig.runs.store import Run
from evaluation.suites.pair_accuracy import ALL, ORACLE

HOSTILE = "<script>alert(1)</script>|*x*"


@pytest.fixture(scope="module")
def world():
    return make_world(0, products=60, categories=3)


@pytest.fixture
def evaluate(tmp_path, capsys):
    def call(*arguments):
        capsys.readouterr()
        code = run(["evaluate", *map(str, arguments), "--runs", str(tmp_path / "evaluations")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def pairs(tmp_path, world):
    return pairs_run(tmp_path / "runs", world.pairs, data_run(tmp_path / "runs", world.ads))


@pytest.fixture
def score(tmp_path, world, pairs):
    def made(name="model", *, noise=0.1, seed=1, side=0.0, of=pairs):
        logits = noisy_logits(world.ads, noise, seed)
        return scores_run(tmp_path / "runs", scores_of(world.pairs, logits, name, side=side), of)

    return made


def opened(out):
    return Run.open(Path(out.splitlines()[-1]))


def test_it_writes_a_run(evaluate, pairs, score):
    scores = [score("good"), score("poor", noise=0.6), score("ref:random", noise=50.0)]
    code, out, err = evaluate(pairs.path, *(s.path for s in scores))
    assert (code, err) == (0, "")
    made = opened(out)
    assert made.problems() == []
    tables = ("suite_results", "scorer_counts", "position_bias", "reliability")
    for name in (*tables, "scorer_comparisons"):
        assert made.table(name).height
    inputs = {role: used.run_id for role, used in made.manifest.inputs.items()}
    assert inputs == {
        "pairs": pairs.run_id,
        "data": pairs.manifest.inputs["data"].run_id,
        **{f"scores_{i}": s.run_id for i, s in enumerate(scores, start=1)},
    }
    results = made.table("suite_results")
    accuracy = results.filter((pl.col("metric") == "accuracy") & (pl.col("slice") == ALL))
    by_name = dict(accuracy.select("subject", "estimate").rows())
    assert by_name["good"] > by_name["poor"] > by_name["ref:random"]
    metrics = made.manifest.metrics
    assert metrics["accuracy: good"] == by_name["good"]
    assert metrics[f"accuracy: {ORACLE}"] == by_name[ORACLE]
    assert 0.5 < metrics["skill_share: good"] < 1.1
    assert out.startswith(f"good picks the ad that was clicked more in {100 * by_name['good']:.1f}")
    assert "The best ruler, ref:random, reaches" in out
    assert "Every model is better than it" in out


def test_the_report_is_one_file_and_names_stay_text(evaluate, pairs, score):
    code, out, _ = evaluate(pairs.path, score(HOSTILE).path, score("ref:random", noise=9.0).path)
    assert code == 0
    html = (opened(out).path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    figures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(figures) == 5
    for figure in figures:
        assert ET.fromstring(figure).find("title").text
    markdown = (opened(out).path / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", markdown)
    tables = [block for block in markdown.split("\n\n") if block.startswith("|")]
    assert len(tables) == 11
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(widths) == 1, table


def test_what_a_reader_must_know_is_said(evaluate, pairs, score, tmp_path, world):
    _, out, _ = evaluate(pairs.path, score("leaning", side=0.4).path)
    flat = " ".join(out.split())
    assert "No ruler is among the scores" in flat
    assert "leaning prefers the left side" in flat
    assert "outside these pairs were not found" not in flat
    thinned = scores_of(world.pairs, noisy_logits(world.ads, 0.1)).slice(7)
    some = scores_run(tmp_path / "runs", thinned, pairs)
    _, out, _ = evaluate(pairs.path, some.path)
    assert "left 7 of " in " ".join(out.split())
    assert "(7 of them scored in one presentation only)" in " ".join(out.split())


def test_a_ruler_that_points_the_wrong_way_is_told(evaluate, tmp_path, world, pairs, score):
    turned = {name: -value for name, value in noisy_logits(world.ads, 0.3).items()}
    ruler = scores_run(tmp_path / "runs", scores_of(world.pairs, turned, "ref:brightness"), pairs)
    _, out, _ = evaluate(pairs.path, score("weak", noise=5.0).path, ruler.path)
    flat = " ".join(out.split())
    assert "ref:brightness is below chance: pointed the other way it would reach" in flat


def test_a_model_that_is_no_better_than_a_ruler_is_told(evaluate, pairs, score):
    _, out, _ = evaluate(
        pairs.path, score("weak", noise=2.0).path, score("ref:random", noise=2.0, seed=5).path
    )
    assert "Not shown to be better than it: weak" in " ".join(out.split())


def test_pairs_of_a_rule_without_their_data_are_told(evaluate, tmp_path, world):
    chosen = world.pairs.with_columns(pl.lit("ge_20").alias("filter"))
    alone = pairs_run(tmp_path / "runs", chosen)
    scores = scores_run(tmp_path / "runs", scores_of(chosen, noisy_logits(world.ads, 0.1)), alone)
    code, out, _ = evaluate(alone.path, scores.path)
    assert code == 0
    assert "Counts of ads outside these pairs were not found" in " ".join(out.split())


def test_runs_may_be_named_by_id(tmp_path, pairs, score, capsys):
    words = ["evaluate", pairs.run_id, score().run_id[-4:], "--runs", str(tmp_path / "runs")]
    assert run(words) == 0
    assert opened(capsys.readouterr().out).manifest.inputs["pairs"].run_id == pairs.run_id


def test_clicks_that_vary_more_than_binomially(evaluate, tmp_path, world):
    rng = np.random.default_rng(0)
    days = pl.concat(
        world.ads.select(
            "creative_id",
            day=pl.lit(f"2026-03-0{day}"),
            n_impressions=pl.lit(2000, pl.Int64),
            n_clicks=pl.Series(
                rng.binomial(2000, 0.03 * np.exp(0.4 * rng.standard_normal(world.ads.height)))
            ),
        )
        for day in range(1, 7)
    )
    data = data_run(tmp_path / "runs", world.ads, days)
    pairs = pairs_run(tmp_path / "runs", world.pairs, data)
    scores = scores_of(world.pairs, noisy_logits(world.ads, 0.1))
    scored = scores_run(tmp_path / "runs", scores, pairs)
    ceilings = []
    for words in ((), ("--set", "statistics.variance_factor=from_days")):
        code, out, _ = evaluate(pairs.path, scored.path, *words)
        assert code == 0
        told = "From day to day clicks vary" in out
        assert told != bool(words)
        ceilings.append(opened(out).manifest.metrics[f"accuracy: {ORACLE}"])
    assert ceilings[1] < ceilings[0] - 0.05


def test_seeds_of_one_model_are_told_apart_by_their_run(evaluate, pairs, score):
    first, second = score("model", seed=1), score("model", seed=2)
    _, out, _ = evaluate(pairs.path, first.path, second.path)
    names = set(opened(out).table("scorer_counts")["scorer"])
    assert names == {f"model @{run.run_id[-4:]}" for run in (first, second)}


def test_another_split(evaluate, tmp_path, world):
    half = world.pairs.height // 2
    split = pl.when(pl.int_range(pl.len()) < half).then(pl.lit("val")).otherwise(pl.lit("test"))
    pairs = pairs_run(tmp_path / "runs", world.pairs.with_columns(split.alias("split")))
    scores = scores_of(world.pairs, noisy_logits(world.ads, 0.1))
    scored = scores_run(tmp_path / "runs", scores, pairs)
    _, out, _ = evaluate(pairs.path, scored.path, "--set", "scoring.split=val")
    assert opened(out).table("scorer_counts")["n_pairs"].to_list() == [half]
    assert "Pairs of split val, not of test" in out


def test_nothing_scored_still_makes_a_report(evaluate, tmp_path, world):
    alike = world.pairs.with_columns(
        pl.lit(100, pl.Int64).alias("left_impressions"),
        pl.lit(100, pl.Int64).alias("right_impressions"),
        pl.lit(5, pl.Int64).alias("left_clicks"),
        pl.lit(5, pl.Int64).alias("right_clicks"),
        pl.lit(0.05).alias("left_ctr"),
        pl.lit(0.05).alias("right_ctr"),
    )
    pairs = pairs_run(tmp_path / "runs", alike)
    scored = scores_run(tmp_path / "runs", scores_of(alike, noisy_logits(world.ads, 0.1)), pairs)
    code, out, _ = evaluate(pairs.path, scored.path)
    assert code == 0
    assert out.startswith("No pair was scored")


def test_what_cannot_be_evaluated_is_refused(evaluate, tmp_path, world, pairs, score):
    other = pairs_run(tmp_path / "runs", world.pairs.head(30))
    scored = score("model")
    nested = scores_run(tmp_path / "other", scores_of(world.pairs, noisy_logits(world.ads, 0.1)))
    for arguments, said in (
        ((pairs.path,), "name one or more runs of scores"),
        ((other.path, scored.path), f"these scores are of the pairs of {pairs.run_id}"),
        ((pairs.path, pairs.path), "no artifact 'pair_scores'"),
        ((scored.path, scored.path), "no artifact 'creative_pairs'"),
        (("none", scored.path), "0 runs fit 'none'"),
        ((pairs.path, scored.path, scored.path), "comes twice"),
        ((pairs.path, scored.path, "--set", "scoring.split=val"), "no pair is of split val"),
        (
            (pairs.path, scored.path, "--set", "statistics.variance_factor=from_days"),
            "there are none",
        ),
        ((pairs.path, scored.path, "--set", "slices.gap_edges=[1, 0]"), "gap_edges must be"),
        ((pairs.path, scored.path, "--set", "statistics.alpha=2"), "statistics.alpha"),
    ):
        code, out, err = evaluate(*arguments)
        assert (code, out) == (2, ""), said
        assert said in err
    assert not (tmp_path / "evaluations").exists()
    assert evaluate(pairs.path, nested.path)[0] == 0  # of no stated pairs, but of these


def test_data_that_changed_since_is_refused(evaluate, pairs, score):
    data = pairs.path.parent / pairs.manifest.inputs["data"].run_id
    manifest = data / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.chmod(0o644)
    manifest.write_text(json.dumps(content | {"seed": 99}))
    code, _, err = evaluate(pairs.path, score().path)
    assert code == 2
    assert "has changed since the pairs were made from it" in err
