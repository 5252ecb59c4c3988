"""``caig train-rm`` and ``caig score`` from runs to runs."""

import json
import shutil

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from caig.errors import ArtifactError, ConfigError, DataError
from caig.reward import commands, scoring_run
from caig.runs.catalog import list_runs
from caig.runs.store import Run

SMALL = (
    "model.widths=[16, 16]",
    "model.look_size=8",
    "model.image_size=16",
    "train.epochs=2",
    "train.products_per_step=4",
    "train.threads=1",
)


@pytest.fixture(scope="module")
def runs(shop, tmp_path_factory):
    """A folder of runs with data and pairs."""
    root = tmp_path_factory.mktemp("work") / "runs"
    shutil.copytree(shop[0].path.parent, root)
    return root


@pytest.fixture(scope="module")
def pairs(shop, runs):
    return runs / shop[1].path.name


@pytest.fixture(scope="module")
def trained(runs, pairs):
    return made_by(runs, "train-rm", lambda: commands.train(pairs, set_=SMALL, runs=runs))


def made_by(runs, verb, do):
    """The run that a command makes; runs of one second have no order."""
    before = {entry.run_id for entry in list_runs(runs, verb=verb)}
    do()
    (made,) = (e for e in list_runs(runs, verb=verb) if e.run_id not in before)
    return Run.open(made.path)


def test_training_run_holds_checkpoint_card_and_history(trained, shop):
    files = {f"checkpoint/{n}" for n in ("model.safetensors", "config.json", "README.md")}
    assert files | {"training_history"} <= set(trained.manifest.artifacts)
    assert not trained.problems()
    card = trained.file("checkpoint/README.md").read_text()
    assert f"Pairs of run {shop[1].run_id} (rule any)" in card
    assert "| train | 8 | 24 | 24 | 480,000 |" in card
    rows = [json.loads(row) for row in trained.file("training_history").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert trained.manifest.metrics["val_accuracy"] == max(row["val_accuracy"] for row in rows)
    assert not (trained.path / "state.pt").exists()


def test_score_run_holds_the_test_pairs_in_both_presentations(runs, pairs, trained):
    scorer = f"run:{trained.run_id}"
    run = made_by(runs, "score", lambda: commands.score(pairs, scorer=scorer, runs=runs))
    scores = run.table("pair_scores")
    wanted = Run.open(pairs).table("creative_pairs").filter(pl.col("split") == "test")
    assert set(scores["pair_id"]) == set(wanted["pair_id"])
    assert scores.height == 2 * wanted.height
    assert set(run.manifest.inputs) == {"pairs", "model"}
    assert not (run.path / "parts").exists()


def test_scoring_that_broke_off_goes_on(runs, pairs, trained, monkeypatch):
    options = {"scorer": f"run:{trained.run_id}", "split": "all", "runs": runs}
    whole = made_by(runs, "score", lambda: commands.score(pairs, **options)).table("pair_scores")
    asked = []

    class _Breaks:
        def __init__(self, scorer, parts):
            self.name, self._scorer, self._parts = scorer.name, scorer, parts

        def score_pairs(self, some, images):
            if len(asked) == self._parts:
                raise KeyboardInterrupt
            asked.append(some.height)
            return self._scorer.score_pairs(some, images)

    real = scoring_run.scorer_from_text
    for parts in (2, 100):
        monkeypatch.setattr(
            scoring_run,
            "scorer_from_text",
            lambda *a, parts=parts, **k: _Breaks(real(*a, **k), parts),
        )
        if parts == 2:
            with pytest.raises(KeyboardInterrupt):
                commands.score(pairs, set_=("part_pairs=10",), **options)
            broken = next(e for e in list_runs(runs, verb="score") if e.status == "failed")
    rest = {"set_": ("part_pairs=10",), "resume": broken.run_id, **options}
    resumed = made_by(runs, "score", lambda: commands.score(pairs, **rest)).table("pair_scores")
    assert asked == [10, 10, 10, 6]
    assert resumed.drop("p_left", "left_ctr_hat", "right_ctr_hat").equals(
        whole.drop("p_left", "left_ctr_hat", "right_ctr_hat")
    )
    assert (resumed["p_left"] - whole["p_left"]).abs().max() < 1e-5
    with pytest.raises(ArtifactError, match="of other pairs; start anew"):
        commands.score(pairs, set_=("part_pairs=7",), resume=broken.run_id, **options)


def test_what_cannot_be_done_is_said(runs, pairs, trained):
    with pytest.raises(ArtifactError, match="nothing to resume"):
        commands.train(pairs, set_=SMALL, resume=trained.run_id, runs=runs)
    with pytest.raises(ConfigError, match="side_by_side"):
        commands.train(pairs, set_=('model.layout="side_by_side"',), runs=runs)
    with pytest.raises(ConfigError, match="warm start"):
        commands.train(pairs, set_=("loss.buckets=3",), runs=runs)
    with pytest.raises(ArtifactError, match="0 runs fit"):
        commands.score(pairs, scorer="run:gone", runs=runs)
    with pytest.raises(ConfigError, match="split"):
        commands.score(pairs, scorer="run:gone", split="none", runs=runs)
    only_test = Run.open(pairs).table("creative_pairs").filter(pl.col("split") == "test")
    assert only_test.height
    with pytest.raises(DataError, match="no pair of split"):
        _score_nothing(runs, pairs)


def _score_nothing(runs, pairs):
    from caig.config import Config
    from caig.contracts.creatives import CREATIVE_PAIRS
    from caig.runs.store import RunWriter

    source = Run.open(pairs)
    data = Run.open(runs / source.manifest.inputs["data"].run_id)
    with RunWriter(runs, "pairs", Config(), inputs={"data": data}) as run:
        table = source.table("creative_pairs").filter(pl.col("split") == "train")
        run.write_table(CREATIVE_PAIRS, table)
    commands.score(run.path, scorer="collections:Counter", runs=runs)


def test_an_earlier_model_learns_new_clicks_in_its_last_layer_alone(runs, pairs, trained):
    again = (
        *SMALL,
        f"model.start=run:{trained.run_id}",
        "train.epochs=0",
        "train.solve_last_layer=true",
    )
    run = made_by(runs, "train-rm", lambda: commands.train(pairs, set_=again, runs=runs))
    assert run.manifest.inputs["start"].run_id == trained.run_id
    before, after = (load_file(r.path / "checkpoint" / "model.safetensors") for r in (trained, run))
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"value.weight", "value.bias", "taste", "level", "scale"}
    assert json.loads(run.file("training_history").read_text() or "[]") == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("train.epochs=0",), "learn no order"),
        (("loss.caption_epochs=1",), "has no captions"),
        (("loss.caption=0", "loss.caption_epochs=1"), "loss.caption above 0"),
        (("model.start=run:nowhere",), "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_said(runs, pairs, wrong, message):
    with pytest.raises((ArtifactError, ConfigError, DataError), match=message):
        commands.train(pairs, set_=(*SMALL, *wrong), runs=runs)
