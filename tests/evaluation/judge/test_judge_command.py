"""``caig judge`` from the command line, with judges by rule."""

import json

import polars as pl
import pytest
from hostile_api import Said, chat, pictures_in, serving
from judge_world import make_world

from caig.cli import run
from caig.contracts.gates import ITEM_SCORES
from caig.runs.store import Run
from evaluation.metrics.intervals import wilson


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "runs", 8)


def caig(tmp_path, *words):
    return run(["judge", *map(str, words), "--runs", str(tmp_path / "runs")])


def made(tmp_path, capsys, *words):
    assert caig(tmp_path, *words) == 0
    printed = capsys.readouterr().out
    return Run.open(
        tmp_path / "runs" / printed.strip().splitlines()[-1].rpartition("/")[2]
    ), printed


def test_a_run_with_its_tables_and_figures(world, tmp_path, capsys):
    found, printed = made(tmp_path, capsys, world.ads.path, "--judge", "scripted:bright")
    whole = found.table("judgements").filter(pl.col("question") == "matching")
    expected = ["yes" if world.bright[ad] > 128 else "no" for ad in whole["item_id"]]
    assert whole["verdict"].to_list() == expected
    rate = found.table("suite_results").filter(
        (pl.col("metric") == "matching_rate_naive") & (pl.col("slice") == "all")
    )
    row = rate.row(0, named=True)
    assert (row["suite"], row["subject"], row["n"]) == ("matching/1", "procedural", 8)
    assert (row["ci_lower"], row["ci_upper"]) == pytest.approx(wilson(4, 8))
    assert "own errors are not corrected" in row["ci_method"]
    metrics = found.manifest.metrics
    assert metrics["n_items"] == metrics["n judged"] == 8
    assert metrics["matching_rate_naive: procedural"] == 0.5
    assert metrics["cost_usd"] == 0
    assert set(found.manifest.inputs) == {"ads", "products"}
    assert "procedural: matching 50.0 % [21.5 % to 78.5 %] of 8" in printed
    assert "own errors are not corrected" in printed
    scores = found.table(ITEM_SCORES.name)
    assert scores["item_id"].to_list() == [f"s{i}" for i in range(8)]
    assert scores["value"].to_list() == [float(said == "yes") for said in expected]
    ability = json.loads((found.path / "ability.json").read_text())
    assert (ability["judge"], ability["tier"]) == ("scripted:bright", "text")
    assert found.problems() == []


def test_unknown_is_null_and_never_a_rate(world, tmp_path, capsys):
    found, printed = made(tmp_path, capsys, world.ads.path, "--judge", "scripted:unknown")
    results = found.table("suite_results")
    assert results["estimate"].null_count() == results.height
    assert set(results["n"]) == {0}
    assert found.table(ITEM_SCORES.name)["unscored_reason"].unique().to_list() == ["no_verdict"]
    assert "matching_rate_naive: procedural" not in found.manifest.metrics
    assert "unknown: 8 ads: reply is no verdict" in printed


def test_controls_are_told_beside_and_count_in_no_rate(world, tmp_path, capsys):
    dark = make_world(tmp_path / "runs", 4, levels=(20,))
    bright = make_world(tmp_path / "runs", 4, levels=(230,))
    words = ["--judge", "scripted:bright", "--negative", dark.ads.path, "--positive"]
    found, printed = made(tmp_path, capsys, world.ads.path, *words, bright.ads.path)
    assert found.manifest.metrics["negative_control_rate: procedural"] == 0
    assert found.manifest.metrics["positive_control_rate: procedural"] == 1
    assert found.manifest.metrics["matching_rate_naive: procedural"] == 0.5
    assert found.manifest.metrics["n_items"] == 8
    assert found.table("judgements").height == (8 + 4 + 4) * 5
    assert found.table(ITEM_SCORES.name).height == 8
    assert "negative control 0.0 %" in printed


def test_prompts_of_negative_controls_are_of_other_categories(world, tmp_path, capsys):
    file = tmp_path / "controls.csv"
    assert caig(tmp_path, world.ads.path, "--mismatched", file) == 0
    rows = pl.read_csv(file)
    assert rows["product_id"].to_list() == [f"p{i}" for i in range(8)]
    assert rows["prompt"].to_list() == ["a place for mugs", "a place for lamps"] * 4


def test_a_dry_run_asks_and_writes_nothing(world, tmp_path, capsys):
    before = set((tmp_path / "runs").iterdir())
    with serving(lambda *_: Said(500, "{}")) as api:
        words = ["--judge", "api:local:m", "--set", f"api.base_url={api.url}/v1", "--dry-run"]
        prices = ["usd_per_million_input=1000", "usd_per_million_output=1000"]
        sets = [word for price in prices for word in ("--set", f"api.{price}")]
        assert caig(tmp_path, world.ads.path, *words, *sets) == 0
        assert api.requests == []
    printed = capsys.readouterr().out
    assert "8 ads, 32 questions at most, 0 of them answered before" in printed
    assert "roughly $" in printed
    assert set((tmp_path / "runs").iterdir()) == before


def respond(number, request):
    seen = len(pictures_in(request))
    return Said(body=chat("VERDICT: YES", tokens=(100 + seen, 5)))


def test_a_bound_of_cost_that_is_met_and_then_raised(world, tmp_path, capsys):
    with serving(respond) as api:
        words = ["--judge", "api:local:m", "--set", f"api.base_url={api.url}/v1"]
        for setting in ("tier=text", "api.concurrency=1"):
            words += ["--set", setting]
        assert caig(tmp_path, world.ads.path, *words, "--max-cost", "1") == 2
        assert "a bound of cost needs today's prices" in capsys.readouterr().err
        for price in ("input", "output"):
            words += ["--set", f"api.usd_per_million_{price}=1000"]
        first, _ = made(tmp_path, capsys, world.ads.path, *words, "--max-cost", "2")
        assert first.manifest.metrics["n not_asked"] > 0
        assert 1.8 < first.manifest.metrics["cost_usd"] <= 2
        asked = len(api.requests)
        second, _ = made(tmp_path, capsys, world.ads.path, *words, "--max-cost", "20")
        assert second.manifest.metrics["n judged"] == 8
        # What was answered under the first bound is not asked again: 32 questions, two probes.
        assert len(api.requests) == 32 + 2 * 5
        assert asked < len(api.requests)


def test_a_run_that_was_cut_off_goes_on(world, tmp_path, capsys):
    """A server that goes away for good; the kill itself is tested in test_faults.py."""

    def gone_after(n):
        def answer(number, request):
            return respond(number, request) if number < n else Said(401, "{}")

        return answer

    words = ["--judge", "api:local:m", "--set", "tier=text", "--set", "api.concurrency=1"]
    with serving(gone_after(15)) as api:
        sets = ["--set", f"api.base_url={api.url}/v1"]
        assert caig(tmp_path, world.ads.path, *words, *sets) == 2
        told = capsys.readouterr().err
        folder = told.partition("--resume ")[2].split()[0]
        assert "the key is refused" in told
        assert caig(tmp_path, world.ads.path, "--resume", folder, "--set", "samples=2") == 2
        assert "keeps its configuration" in capsys.readouterr().err
        assert caig(tmp_path, world.products.path, "--resume", folder) == 2
        assert "which is not" in capsys.readouterr().err
        assert caig(tmp_path, world.ads.path, "--resume", world.ads.path) == 2
        assert "no run of caig judge" in capsys.readouterr().err
        kept = (tmp_path / "runs" / "judge-replies.jsonl").read_text()
        assert kept.count('"status": "reply"') == 15 - 5


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "judge: '' is none"),
        (["--judge", "scripted:yes", "--rubric", "matching/9"], "no rubric 'matching/9'"),
        (["--judge", "scripted:yes", "--set", "tier=logits"], "gives text alone"),
        (["--judge", "scripted:yes", "--set", "samples=3"], "samples above 1 need a temperature"),
    ],
)
def test_settings_that_do_not_fit(world, tmp_path, capsys, words, error):
    assert caig(tmp_path, world.ads.path, *words) == 2
    assert error in capsys.readouterr().err


def test_a_run_without_ads(world, tmp_path, capsys):
    assert caig(tmp_path, world.products.path, "--judge", "scripted:yes") == 2
    assert "no artifact 'creatives'" in capsys.readouterr().err
