"""``caig train-baseline``: from a data run to scores, both models, stops and wrong use."""

import json

import numpy as np
import polars as pl
import pytest

from caig import cli
from caig.config import Config
from caig.contracts.creatives import CREATIVE_PAIRS, PAIR_SCORES
from caig.contracts.table import check
from caig.errors import ArtifactError
from caig.runs.catalog import list_runs
from caig.runs.store import Run, RunWriter
from reference_models import training_net
from reference_models.registry import load_scorer

SETTINGS = {
    "vam": (
        "backbone=scratch",
        "widths=[4, 8]",
        "depths=[1, 1]",
        "resize=20",
        "crop=16",
        "batch_items=4",
        "epochs=2",
    ),
    "cg4ctr": (
        "image.name=scratch",
        "image.size=16",
        "image.width=8",
        "image.depths=[1, 1]",
        "image.heads=[1, 2]",
        "image.window=2",
        "image.domain_epochs=1",
        "hidden=[16, 8]",
        "feedforward=16",
        "batch_items=4",
        "epochs=2",
    ),
}
every_model = pytest.mark.parametrize("model", SETTINGS)


def train(model, data, runs, *more):
    settings = [word for value in SETTINGS[model] for word in ("--set", value)]
    words = ["train-baseline", model, str(data.path), *settings, "--runs", str(runs), *more]
    return cli.run(words)


def finished(runs):
    """The one that is complete."""
    (one,) = [e for e in list_runs(runs, verb="train-baseline") if e.status == "complete"]
    return Run.open(one.path)


@every_model
def test_from_data_to_scores(world, tmp_path, model, capsys):
    assert train(model, world.data, tmp_path) == 0
    run = finished(tmp_path)
    assert capsys.readouterr().out == f"{run.path}\n"
    assert run.problems() == []
    assert set(run.manifest.inputs) == {"data"}
    assert {f"{model}_weights", "training_history", "card", "config"} <= set(run.manifest.artifacts)
    assert run.manifest.metrics["val_n_pairs"] == 3 * 6
    assert not (run.path / "state").exists()
    assert "no evidence about any real shop" in " ".join(run.file("card").read_text().split())

    scorer = load_scorer(f"ref:{model}:{run.run_id}", runs=tmp_path)
    scores = scorer.score_pairs(world.pairs, world.data.path)
    check(scores, PAIR_SCORES)
    assert scorer.name == f"ref:{model}:{run.run_id}"
    assert scores["pair_id"].to_list() == np.repeat(world.pairs["pair_id"], 2).tolist()
    p = scores["p_left"].to_numpy().reshape(-1, 2)
    assert np.array_equal(p[:, 0], p[:, 1])  # it does not know on which side an ad stands
    alone = scorer.score_pairs(world.pairs[5:6], world.data.path)
    assert alone["p_left"][0] == pytest.approx(p[5, 0], abs=1e-5)
    # The kept epoch's figure, from the weights that were stored and the scorer's own road.
    val = world.pairs.with_columns(p=pl.Series(p[:, 0])).filter(pl.col("split") == "val")
    said = np.sign(val["p"].to_numpy() - 0.5)
    truth = np.sign((val["left_ctr"] - val["right_ctr"]).to_numpy())
    assert run.manifest.metrics["val_pair_accuracy"] == pytest.approx(
        ((said * truth + 1) / 2).mean()
    )


def test_the_split_of_a_run_of_pairs_is_taken(world, tmp_path):
    runs = world.data.path.parent
    moved = world.pairs.with_columns(
        split=pl.when(pl.col("product_id") == "p0").then(pl.lit("val")).otherwise("split")
    )
    with RunWriter(runs, "pairs", Config(), inputs={"data": world.data}) as pairs:
        pairs.write_table(CREATIVE_PAIRS, moved)
    assert train("vam", Run.open(pairs.path), tmp_path) == 0
    run = finished(tmp_path)
    assert set(run.manifest.inputs) == {"data", "pairs"}
    assert run.manifest.metrics["val_n_pairs"] == 4 * 6


@every_model
def test_an_interrupted_training_goes_on_to_the_same_weights(world, tmp_path, model, monkeypatch):
    assert train(model, world.data, tmp_path / "whole") == 0

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_net, "_forget_all_but", stop)  # in the first epoch, state written
        assert train(model, world.data, tmp_path / "broken") == 130
    (entry,) = list_runs(tmp_path / "broken")
    assert entry.status == "failed"
    assert train(model, world.data, tmp_path / "broken", "--resume", str(entry.path)) == 0
    whole, resumed = finished(tmp_path / "whole"), finished(tmp_path / "broken")
    name = f"{model}_weights"
    assert whole.manifest.artifacts[name].sha256 == resumed.manifest.artifacts[name].sha256
    assert whole.manifest.metrics == resumed.manifest.metrics
    lines = [json.loads(line) for line in resumed.file("log").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [2]


def test_what_cannot_be_gone_on_from(world, tmp_path, capsys):
    assert train("vam", world.data, tmp_path, "--resume", str(tmp_path / "gone")) == 2
    assert "no finished epoch to go on from" in capsys.readouterr().err


def test_a_split_without_products_is_said(new_world, tmp_path, capsys):
    small = new_world(n_products=2)  # training products alone
    assert train("vam", small.data, tmp_path) == 2
    assert "no product of the split 'val' has two ads" in capsys.readouterr().err


def test_data_without_splits_is_said(new_world, tmp_path, capsys):
    assert train("vam", new_world(with_products=False).data, tmp_path) == 2
    assert "give a run of `caig pairs`" in capsys.readouterr().err


def test_altered_weights_are_refused(world, tmp_path):
    assert train("vam", world.data, tmp_path) == 0
    run = finished(tmp_path)
    file = run.file("vam_weights")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="content changed since training"):
        load_scorer(f"ref:vam:{run.run_id}", runs=tmp_path)
