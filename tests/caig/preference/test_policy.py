"""What a user can name as a prompt model: a run, one that ships, a folder of a checkpoint."""

import shutil

import pytest

from caig.errors import ArtifactError
from caig.preference.policy import adopted_run, open_policy, policy_from_text
from caig.runs.catalog import list_runs


def test_a_run_is_a_prompt_model(policy_run):
    found = policy_from_text(policy_run.run_id, policy_run.path.parent)
    assert (found.run.run_id, found.epoch, found.side) == (policy_run.run_id, 0, 32)


def test_one_that_ships_becomes_a_run_once(tmp_path):
    first = policy_from_text("ref:prompt", tmp_path)
    again = policy_from_text("ref:prompt", tmp_path)
    other = policy_from_text("ref:prompt-broad", tmp_path)
    assert first.run.run_id == again.run.run_id != other.run.run_id
    assert len(list_runs(tmp_path, verb="adopt")) == 2
    assert (first.epoch, first.side) == (0, 64)
    assert first.run.manifest.config["source"] == "ref:prompt"
    assert first.run.problems() == []


def test_a_folder_becomes_a_run_and_a_changed_one_another(policy_run, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(open_policy(policy_run).folder, folder)
    first = policy_from_text(str(folder), tmp_path)
    assert first.side is None
    assert policy_from_text(str(folder), tmp_path).run.run_id == first.run.run_id
    readme = folder / "README.md"
    readme.unlink()  # linked: writing into it would change the run
    readme.write_text("changed")
    assert policy_from_text(str(folder), tmp_path).run.run_id != first.run.run_id
    assert first.run.problems() == []


def test_pickled_weights_are_refused_before_anything_is_written(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ArtifactError, match="pickled"):
        adopted_run(folder, "mine", runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["ref:nobody", "no-such-run"])
def test_what_names_none_is_said(tmp_path, text):
    with pytest.raises(ArtifactError, match=f"{text}|runs fit"):
        policy_from_text(text, tmp_path)
