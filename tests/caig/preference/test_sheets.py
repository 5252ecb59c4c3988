"""``caig sheets``: the same products in every column, and what is told of each ad."""

import base64
import re

import polars as pl
import pytest
from preference_world import changed

from caig import cli
from caig.errors import DataError
from caig.preference.align import align_run
from caig.preference.policy import open_policy
from caig.preference.sheets import epochs_of, sheets_run
from caig.runs.catalog import list_runs
from caig.runs.store import Run


@pytest.fixture(scope="module")
def alignments(policy_run, shop):
    runs = shop.path.parent
    made = []
    for weight in (0.0, 1.0):
        settings = changed(loss={"pcpo_weight": weight}, epochs=1)
        made.append(align_run(open_policy(policy_run), shop, settings, runs=runs, say=len))
    return [Run.open(path) for path in made]


def test_every_epoch_shows_the_same_products_before_and_after(alignments, shop):
    runs = shop.path.parent
    names = ["--name", "DPO <i>", "--name", "PCPO"]
    words = ["sheets", *(run.run_id for run in alignments), *names, "--products", "2"]
    assert cli.run([*words, "--runs", str(runs)]) == 0
    page = Run.open(list_runs(runs, verb="sheets")[0].path).file("sheets").read_text()
    assert "DPO &lt;i&gt;" in page
    assert "<i>" not in page
    first, second = page.split('id="epoch-1"')
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', second)
    # Two products, in columns: before, and both alignments.
    assert len(pictures) == 2 * 3
    assert len(re.findall("data:image", first)) == 2
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert second.count("suits") + second.count("does not suit") >= 6
    found = [epochs_of(run, runs) for run in alignments]
    prompts = [epoch[1].samples["prompt_clean"][0] for epoch in found]
    assert all(f"<bdi>{prompt}</bdi>" in second for prompt in prompts)


def test_what_is_told_of_an_ad_is_what_the_judge_said(alignments, shop):
    path = sheets_run(alignments[:1], ["one"], products=1, runs=shop.path.parent)
    page = Run.open(path).file("sheets").read_text()
    epoch = epochs_of(alignments[0], shop.path.parent)[1]
    means = epoch.scores.group_by("pair_id").agg(100 * pl.col("p_left").mean())
    told = dict(means.iter_rows())
    product = epoch.samples["product_id"].sort()[0]
    if f"{product}-0" in told:
        assert f"beats the ad before: {told[f'{product}-0']:.0f} %" in page
    else:
        assert "the same ad as before" in page


def test_alignments_that_began_differently_are_no_comparison(alignments, policy_run, shop):
    runs = shop.path.parent
    other = align_run(open_policy(alignments[0]), shop, changed(epochs=1), runs=runs, say=len)
    with pytest.raises(DataError, match="different prompt models"):
        sheets_run([alignments[0], Run.open(other)], ["a", "b"], products=1, runs=runs)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the runs"),
        (["{align}", "--name", "a", "--name", "b"], "2 names for 1 alignments"),
        (["{align}", "--products", "0"], "show at least one"),
        (["{start}"], "not of caig align"),
    ],
)
def test_what_cannot_be_shown_is_said(alignments, shop, capsys, words, message):
    start = alignments[0].manifest.inputs["policy"].run_id
    named = {"{align}": alignments[0].run_id, "{start}": start}
    words = [named.get(word, word) for word in words]
    assert cli.run(["sheets", *words, "--runs", str(shop.path.parent)]) == 2
    assert message in capsys.readouterr().err
