"""One run: what is on disk when it is written, interrupted, altered, or not ours to read."""

import hashlib
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.contracts.experiments import TRAFFIC_TRUTH
from caig.contracts.records import FileInput, RunInput, RunManifest
from caig.errors import ArtifactError, DataError
from caig.runs.files import sha256_file
from caig.runs.store import Run, RunWriter, read_manifest


def edit_manifest(run, **changes):
    """Overwrite keys of a manifest on disk, as no code of ours would."""
    file = run.path / "manifest.json"
    file.chmod(0o644)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return file


def edit_artifact(run, name, **changes):
    artifacts = run.manifest.model_dump(mode="json")["artifacts"]
    artifacts[name] |= changes
    edit_manifest(run, artifacts=artifacts)
    return Run.open(run.path)


# Writing


def test_a_complete_run(make_run, tmp_path):
    before = datetime.now(UTC)
    run = make_run(seed=7)
    after = datetime.now(UTC)
    assert sorted(file.name for file in run.path.iterdir()) == [
        "config.toml",
        "log.jsonl",
        "manifest.json",
        "report.md",
        "traffic_truth.parquet",
    ]
    manifest = run.manifest
    assert re.fullmatch(r"\d{8}T\d{6}-make-data-[0-9a-f]{4}", run.run_id)
    assert run.run_id == run.path.name == manifest.run_id
    assert run.run_id.startswith(f"{manifest.started_at:%Y%m%dT%H%M%S}")
    assert (manifest.verb, manifest.seed) == ("make-data", 7)
    assert manifest.config == {"alpha": 0.1, "name": "x"}
    assert manifest.config_passed == {"alpha": 0.1}
    assert manifest.metrics == {"clicks": 1_234_567.0, "rel_lift": 0.0425}
    assert before <= manifest.started_at <= manifest.finished_at <= after
    assert (run.path / "config.toml").read_text() == 'alpha = 0.1\nname = "x"\n'
    assert {name: (a.path, a.format, a.n_rows) for name, a in manifest.artifacts.items()} == {
        "config": ("config.toml", "text/toml", None),
        "traffic_truth": ("traffic_truth.parquet", "traffic_truth/1", 2),
        "report": ("report.md", "text/markdown", None),
        "log": ("log.jsonl", "application/jsonl", None),
    }


def test_checksums_sizes_and_read_only_files(make_run):
    run = make_run()
    for artifact in run.manifest.artifacts.values():
        content = (run.path / artifact.path).read_bytes()
        assert artifact.sha256 == hashlib.sha256(content).hexdigest()
        assert artifact.n_bytes == len(content)
    for file in run.path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o444, file
    assert run.problems() == []


def test_a_table_reads_back(make_run, truth):
    assert_frame_equal(make_run().table("traffic_truth"), truth)


def test_a_table_under_another_name_and_a_frame_of_the_users_own(tmp_path, settings, truth):
    own = pl.DataFrame({"row": [3, 9], "why": ["n_clicks > n_impressions", "no arm"]})
    with RunWriter(tmp_path, "lift", settings) as writer:
        writer.write_table(TRAFFIC_TRUTH, truth, "truth_seen")
        writer.write_frame("bad_rows", own)
    run = Run.open(writer.path)
    assert_frame_equal(run.table("truth_seen"), truth)
    assert run.manifest.artifacts["truth_seen"].path == "truth_seen.parquet"
    assert_frame_equal(pl.read_parquet(run.file("bad_rows")), own)
    with pytest.raises(ArtifactError, match=r"unknown table format 'application/vnd\.apache"):
        run.table("bad_rows")


def test_the_log_has_events_in_order(tmp_path, settings):
    with RunWriter(tmp_path, "lift", settings) as writer:
        writer.log("read", rows=12, file=Path("a.csv"))
    lines = [json.loads(line) for line in (writer.path / "log.jsonl").read_text().splitlines()]
    assert [line.pop("event") for line in lines] == ["started", "read", "finished"]
    assert all(datetime.fromisoformat(line.pop("t")).tzinfo is not None for line in lines)
    assert lines == [{"verb": "lift"}, {"rows": 12, "file": "a.csv"}, {}]


def test_an_unknown_figure_is_left_out(tmp_path, settings):
    with RunWriter(tmp_path, "lift", settings) as writer:
        writer.add_metric("unknown", None)
        writer.add_metric("known", 0)
    assert Run.open(writer.path).manifest.metrics == {"known": 0.0}


def test_lineage_pins_run_and_manifest(make_run):
    source = make_run()
    file = FileInput(path="logs/a.csv", sha256="0" * 64, n_bytes=12)
    run = make_run("lift", inputs={"log": source}, files=(file,))
    digest = hashlib.sha256((source.path / "manifest.json").read_bytes()).hexdigest()
    assert run.manifest.inputs == {"log": RunInput(run_id=source.run_id, manifest_sha256=digest)}
    assert run.manifest.files == (file,)


def test_runs_of_one_second_do_not_collide(tmp_path, settings):
    moment = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
    writers = [RunWriter(tmp_path, "lift", settings, started_at=moment) for _ in range(200)]
    assert len({writer.path for writer in writers}) == 200
    assert all(writer.run_id.startswith("20260302T090000-lift-") for writer in writers)


def test_a_taken_name_is_drawn_again(tmp_path, settings, monkeypatch):
    drawn = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("caig.runs.store.secrets.token_hex", lambda _: next(drawn))
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    names = [RunWriter(tmp_path, "x", settings, started_at=moment).run_id for _ in range(2)]
    assert names == ["20260302T000000-x-aaaa", "20260302T000000-x-bbbb"]


def test_a_root_that_is_a_file(tmp_path, settings):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ArtifactError, match="runs: cannot write runs here: File exists"):
        RunWriter(tmp_path / "runs", "lift", settings)


def test_a_table_that_breaks_its_contract_is_not_written(tmp_path, settings, truth):
    writer = RunWriter(tmp_path, "lift", settings)
    with pytest.raises(DataError, match=r"lift-\w{4}/traffic_truth: 1 problem"), writer:
        writer.write_table(TRAFFIC_TRUTH, truth.with_columns(traffic_share=2.0))
    assert not (writer.path / "traffic_truth.parquet").exists()


def test_writing_an_artifact_twice_is_our_bug(tmp_path, settings):
    writer = RunWriter(tmp_path, "lift", settings)
    with pytest.raises(AssertionError, match="artifact 'config' is written twice"), writer:
        writer.write_text("config", "other.toml", "", "text/toml")


# Failing


def test_an_exception_leaves_no_manifest_but_its_reason(tmp_path, settings):
    writer = RunWriter(tmp_path, "lift", settings)
    with pytest.raises(ZeroDivisionError), writer:
        _ = 1 / 0
    assert not (writer.path / "manifest.json").exists()
    partial = json.loads((writer.path / "manifest.partial.json").read_text())
    assert partial["error"] == "ZeroDivisionError: division by zero"
    assert (partial["run_id"], partial["pid"]) == (writer.run_id, os.getpid())
    with pytest.raises(
        ArtifactError, match=r"unfinished or failed run: there is no manifest\.json"
    ):
        Run.open(writer.path)


def test_a_failure_while_completing_is_recorded_too(tmp_path, settings):
    writer = RunWriter(tmp_path, "lift", settings)
    with pytest.raises(ValueError, match="finite number"), writer:
        writer.add_metric("rel_lift", float("nan"))
    assert not (writer.path / "manifest.json").exists()
    partial = json.loads((writer.path / "manifest.partial.json").read_text())
    assert partial["error"].startswith("ValidationError: ")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ArtifactError, match=r"no run: there is no manifest\.json"):
        Run.open(tmp_path / "none")


# Reading what was tampered with


def test_an_altered_artifact(make_run):
    run = make_run()
    file = run.path / "report.md"
    file.chmod(0o644)
    file.write_text("# Lift of 900 %\n")
    written = run.manifest.artifacts["report"].sha256
    assert run.problems() == [
        f"{file}: content changed: sha256 {sha256_file(file)[:12]}..., "
        f"manifest says {written[:12]}..."
    ]


def test_a_missing_artifact(make_run):
    run = make_run()
    file = run.path / "traffic_truth.parquet"
    file.unlink()
    assert run.problems() == [f"{file}: artifact 'traffic_truth' is missing"]
    with pytest.raises(ArtifactError, match="artifact 'traffic_truth' is missing"):
        run.table("traffic_truth")


def test_an_artifact_nobody_wrote(make_run):
    with pytest.raises(ArtifactError) as caught:
        make_run().table("lift_table")
    message = "no artifact 'lift_table'; it has: config, log, report, traffic_truth"
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", "link/outside.txt"])
def test_an_artifact_outside_the_run(make_run, path):
    run = make_run()
    (run.path.parent / "outside.txt").write_text("secret")
    (run.path / "link").symlink_to(run.path.parent)
    run = edit_artifact(run, "report", path=path)
    with pytest.raises(ArtifactError, match="artifact 'report' points outside the run"):
        run.file("report")
    assert run.problems() == [f"{run.path}: artifact 'report' points outside the run"]


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_truncated_parquet_file(make_run, keep):
    run = make_run()
    file = run.path / "traffic_truth.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match=r"traffic_truth\.parquet: not readable as Parquet"):
        run.table("traffic_truth")


def test_a_table_is_checked_when_read(make_run, truth):
    run = make_run()
    file = run.path / "traffic_truth.parquet"
    file.chmod(0o644)
    truth.with_columns(control_ctr=pl.Series([0.02, 1.5])).write_parquet(file)
    with pytest.raises(DataError) as caught:
        run.table("traffic_truth")
    assert str(caught.value) == (
        f"{file}: 1 problem(s)\n  control_ctr: is above 1 (1 row)\n      row 1: control_ctr=1.5\n"
        "format traffic_truth/1"
    )


def test_an_unknown_major_of_a_table(make_run):
    run = edit_artifact(make_run(), "traffic_truth", format="traffic_truth/2")
    with pytest.raises(ArtifactError) as caught:
        run.table("traffic_truth")
    assert str(caught.value) == (
        "unknown table format 'traffic_truth/2': this release reads traffic_truth/1"
    )


@pytest.mark.parametrize(
    ("found", "shown"), [("run/2", "'run/2'"), (None, "None"), (1, "1"), ("", "''")]
)
def test_an_unknown_manifest_format(make_run, found, shown):
    file = edit_manifest(make_run(), format=found)
    with pytest.raises(ArtifactError) as caught:
        read_manifest(file)
    assert str(caught.value) == f"{file}: manifest format {shown}; this release reads run/1"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 3], ids=["empty", "half", "binary", "brackets"]
)
def test_a_manifest_that_is_no_json(make_run, content):
    file = edit_manifest(make_run())
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json: not a readable manifest: "):
        read_manifest(file)


def test_a_manifest_that_is_no_object(make_run):
    file = edit_manifest(make_run())
    file.write_text("[1, 2]")
    with pytest.raises(ArtifactError, match="manifest format None; this release reads run/1"):
        read_manifest(file)


def test_a_manifest_with_wrong_and_unknown_keys(make_run):
    file = edit_manifest(make_run(), seed="seven", extra=1)
    with pytest.raises(ArtifactError) as caught:
        read_manifest(file)
    assert str(caught.value) == f"{file}: manifest does not fit run/1 at: seed, extra"


def test_a_renamed_folder(make_run):
    run = make_run()
    renamed = run.path.rename(run.path.with_name("best-run"))
    with pytest.raises(ArtifactError) as caught:
        Run.open(renamed)
    message = f"{renamed}/manifest.json: is the manifest of {run.run_id}, not of this folder"
    assert str(caught.value) == message


def test_a_run_opens_from_inside_its_folder(make_run, monkeypatch):
    run = make_run()
    monkeypatch.chdir(run.path)
    assert Run.open(Path()).run_id == run.run_id


def test_a_manifest_round_trips(make_run):
    manifest = make_run().manifest
    assert RunManifest.model_validate_json(manifest.model_dump_json()) == manifest
