"""What the list of runs says of runs that finished, failed, were killed, or still work."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from caig.errors import ArtifactError
from caig.runs.catalog import find_run, lineage, list_runs
from caig.runs.store import Run, RunWriter

WRITER = """
import os, signal, sys, time
from pathlib import Path
from caig.config import Config
from caig.runs.store import RunWriter

moment = sys.argv[2]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

with RunWriter(Path(sys.argv[1]), "lift", Config()) as run:
    run.write_text("report", "report.md", "# Lift", "text/markdown")
    with (run.path / "lift_table.parquet").open("wb") as file:
        file.write(b"PAR1 half a table")
        file.flush()
        if moment == "while a table is written":
            print("writing", flush=True)
            time.sleep(600)
    if moment == "before the manifest is renamed":
        Path.replace = die
    if moment == "before the partial manifest goes":
        Path.unlink = lambda path, **_: path.name == "manifest.partial.json" and die()
"""


def start_writer(root, moment):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, root, moment], stdout=subprocess.PIPE, text=True
    )


def write_partial(run_id, root, **changes):
    folder = root / run_id
    folder.mkdir(parents=True)
    partial = {
        "run_id": run_id,
        "verb": "lift",
        "started_at": "2026-03-02T09:00:00Z",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "error": None,
    }
    (folder / "manifest.partial.json").write_text(json.dumps(partial | changes))


def test_running_then_killed_mid_write(tmp_path):
    with start_writer(tmp_path, "while a table is written") as process:
        try:
            assert process.stdout.readline() == "writing\n"
            (running,) = list_runs(tmp_path)
            assert (running.status, running.verb) == ("running", "lift")
            assert running.detail == f"process {process.pid}"
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    (killed,) = list_runs(tmp_path)
    assert (killed.status, killed.manifest) == ("failed", None)
    assert killed.detail == f"its process {process.pid} ended without finishing it"
    assert killed.started_at == running.started_at
    with pytest.raises(ArtifactError, match="unfinished or failed run"):
        find_run(tmp_path, killed.run_id)


def test_killed_at_the_last_moment_before_the_manifest_appears(tmp_path):
    with start_writer(tmp_path, "before the manifest is renamed") as process:
        assert process.wait() == -signal.SIGKILL
    (entry,) = list_runs(tmp_path)
    assert entry.status == "failed"
    assert not (entry.path / "manifest.json").exists()


def test_killed_just_after_the_manifest_appeared(tmp_path):
    with start_writer(tmp_path, "before the partial manifest goes") as process:
        assert process.wait() == -signal.SIGKILL
    (entry,) = list_runs(tmp_path)
    assert (entry.path / "manifest.partial.json").exists()
    assert entry.status == "complete"
    assert find_run(tmp_path, "lift").problems() == []


def test_a_writer_of_this_process_is_running_until_it_ends(tmp_path, settings):
    with RunWriter(tmp_path, "lift", settings) as writer:
        (entry,) = list_runs(tmp_path)
        assert (entry.status, entry.detail) == ("running", f"process {os.getpid()}")
    (entry,) = list_runs(tmp_path)
    assert (entry.status, entry.detail, entry.run_id) == ("complete", "", writer.run_id)
    assert entry.manifest == Run.open(writer.path).manifest


def test_an_exception_is_listed_with_its_words(tmp_path, settings):
    with pytest.raises(KeyError), RunWriter(tmp_path, "lift", settings):
        raise KeyError("arm")
    (entry,) = list_runs(tmp_path)
    assert (entry.status, entry.detail) == ("failed", "KeyError: 'arm'")


def test_a_run_killed_before_it_wrote_anything_is_listed(tmp_path):
    (tmp_path / "20260302T090000-make-data-00ff").mkdir()
    (entry,) = list_runs(tmp_path)
    assert (entry.status, entry.verb, entry.started_at) == ("failed", "make-data", None)
    assert entry.detail == "it holds neither manifest.json nor manifest.partial.json"


def test_a_writer_on_another_machine_is_not_said_to_have_ended(tmp_path):
    write_partial("20260302T090000-lift-0001", tmp_path, host="elsewhere", pid=12)
    (entry,) = list_runs(tmp_path)
    assert entry.status == "failed"
    assert entry.detail == "unfinished; its process 12 on elsewhere cannot be seen from here"


def test_a_process_of_another_user_is_alive(tmp_path, monkeypatch):
    def forbidden(_pid, _signal):
        raise PermissionError

    # The tests may run as root, whom no process refuses.
    monkeypatch.setattr("caig.runs.catalog.os.kill", forbidden)
    write_partial("20260302T090000-lift-0001", tmp_path, pid=1)
    (entry,) = list_runs(tmp_path)
    assert (entry.status, entry.detail) == ("running", "process 1")


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**70, "x"])
def test_a_garbled_partial_manifest_is_corrupt(tmp_path, pid):
    write_partial("20260302T090000-lift-0001", tmp_path, pid=pid)
    (entry,) = list_runs(tmp_path)
    assert entry.status == "corrupt"
    assert "manifest.partial.json: 1 validation error" in entry.detail


def test_a_garbled_manifest_is_corrupt(make_run):
    run = make_run()
    (run.path / "manifest.json").chmod(0o644)
    (run.path / "manifest.json").write_text("{")
    (entry,) = list_runs(run.path.parent)
    assert (entry.status, entry.manifest, entry.verb) == ("corrupt", None, "")
    assert "not a readable manifest" in entry.detail


def test_the_list_is_newest_first_and_holds_only_runs(tmp_path):
    root = tmp_path / "runs"
    assert list_runs(root) == []
    for run_id in ("20260302T090000-lift-0001", "20260304T090000-lift-0001"):
        write_partial(run_id, root, error="x")
    write_partial("20260303T090000-make-data-0001", root, error="x", verb="make-data")
    (root / "notes").mkdir()
    (root / "notes.txt").write_text("")
    assert [entry.run_id[:8] for entry in list_runs(root)] == ["20260304", "20260303", "20260302"]
    assert [entry.run_id[:8] for entry in list_runs(root, verb="make-data")] == ["20260303"]
    assert list_runs(root, verb="demo") == []


def test_find_run_by_id_and_by_part(make_run):
    first, second = make_run("make-data"), make_run("lift")
    root = first.path.parent
    assert find_run(root, first.run_id) == first
    assert find_run(root, "-lift-") == second
    with pytest.raises(ArtifactError) as caught:
        find_run(root, "-")
    # The newest run is named first; which is newest within one second is its name's matter.
    both = ", ".join(sorted((first.run_id, second.run_id), reverse=True))
    assert str(caught.value) == f"{root}: 2 runs fit '-': {both}"
    with pytest.raises(ArtifactError) as caught:
        find_run(root, "nothing")
    assert str(caught.value) == f"{root}: 0 runs fit 'nothing': see: caig runs"


def test_a_whole_id_wins_over_ids_that_contain_it(tmp_path, make_run, monkeypatch):
    run = make_run()
    longer = tmp_path / "runs" / f"{run.run_id}-copy"
    longer.mkdir()
    (longer / "manifest.partial.json").write_text("{}")
    assert find_run(tmp_path / "runs", run.run_id) == run


def test_lineage_goes_depth_first(make_run):
    log = make_run("make-data")
    lift = make_run("lift", inputs={"log": log})
    gate = make_run("gate", inputs={"lift": lift, "log": log})
    steps = [(d, role, entry.run_id) for d, role, entry in lineage(log.path.parent, gate)]
    assert steps == [(1, "lift", lift.run_id), (2, "log", log.run_id), (1, "log", log.run_id)]


def test_lineage_of_an_input_that_is_elsewhere(make_run, tmp_path):
    log = make_run("make-data")
    lift = make_run("lift", inputs={"log": log})
    other = tmp_path / "other"
    other.mkdir()
    assert list(lineage(other, lift)) == [(1, "log", f"{log.run_id} (not in {other})")]


def test_lineage_notices_that_an_input_was_changed(make_run):
    log = make_run("make-data")
    lift = make_run("lift", inputs={"log": log})
    manifest = log.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace('"alpha": 0.1', '"alpha": 0.2'))
    steps = list(lineage(log.path.parent, lift))
    assert steps == [(1, "log", f"{log.run_id} (its manifest has changed since)")]
