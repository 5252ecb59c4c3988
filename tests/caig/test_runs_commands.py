"""``caig runs`` from the command line: what it prints, and its exit codes."""

import pytest

from caig.cli import run as caig
from caig.contracts.records import FileInput
from caig.runs.store import RunWriter


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_no_runs(root, capsys):
    assert caig(["runs", "--runs", str(root)]) == 0
    assert capsys.readouterr().out == f"No runs in {root}. `caig demo` makes some.\n"


def test_list(make_run, settings, root, capsys):
    done = make_run()
    failed = RunWriter(root, "lift", settings)
    with pytest.raises(RuntimeError), failed:
        raise RuntimeError("no [arm] column")
    assert caig(["runs", "--runs", str(root)]) == 0
    heading, *rows = lines(capsys.readouterr().out)
    assert heading == "run state began (UTC) artifacts note"
    began = f"{done.manifest.started_at:%Y-%m-%d %H:%M:%S}"
    assert f"{done.run_id} complete {began} 4" in rows
    assert any(
        row.startswith(f"{failed.run_id} failed ") and row.endswith("RuntimeError: no [arm] column")
        for row in rows
    )
    assert len(rows) == 2


def test_list_of_one_verb(make_run, root, capsys):
    make_run("make-data")
    lift = make_run("lift")
    assert caig(["runs", "--runs", str(root), "--verb", "lift"]) == 0
    assert [row.split()[0] for row in lines(capsys.readouterr().out)] == ["run", lift.run_id]


def test_a_run_id_is_never_folded(make_run, root, capsys, monkeypatch):
    run = make_run()
    manifest = run.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text("{")
    monkeypatch.setenv("COLUMNS", "80")
    assert caig(["runs", "--runs", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"{run.run_id}  corrupt  unknown " in out


def test_show(make_run, root, capsys):
    log = make_run("make-data")
    file = FileInput(path="logs/a.csv", sha256="ab" * 32, n_bytes=12_345)
    run = make_run("lift", inputs={"log": log}, files=(file,))
    assert caig(["runs", "show", "lift", "--runs", str(root)]) == 0
    code, artifacts = run.manifest.code, run.manifest.artifacts
    commit = f", commit {code.git[:12]}" if code.git else ""
    dirty = " with uncommitted changes" if code.dirty else ""
    table = artifacts["traffic_truth"].n_bytes
    assert capsys.readouterr().out.splitlines() == [
        str(run.path),
        f"  lift, version {code.version}{commit}{dirty}"
        f", {run.manifest.started_at:%Y-%m-%d %H:%M} UTC",
        "Made from",
        f"  log: {log.run_id}",
        "  file: logs/a.csv (12,345 bytes, sha256 abababababab)",
        "Artifacts",
        "  config: config.toml (text/toml, 23 bytes)",
        f"  traffic_truth: traffic_truth.parquet (traffic_truth/1, 2 rows, {table:,} bytes)",
        "  report: report.md (text/markdown, 7 bytes)",
        f"  log: log.jsonl (application/jsonl, {artifacts['log'].n_bytes} bytes)",
        "Figures",
        "  clicks: 1,234,567",
        "  rel_lift: 0.0425",
    ]


def test_show_a_run_made_from_nothing_and_lineage_in_depth(make_run, root, capsys):
    log = make_run("make-data")
    lift = make_run("lift", inputs={"log": log})
    make_run("gate", inputs={"lift": lift})
    assert caig(["runs", "show", "make-data", "--runs", str(root)]) == 0
    assert "  nothing but its configuration and seed" in capsys.readouterr().out.splitlines()
    assert caig(["runs", "show", "gate", "--runs", str(root)]) == 0
    made_from = capsys.readouterr().out.splitlines()[3:5]
    assert made_from == [f"  lift: {lift.run_id}", f"    log: {log.run_id}"]


def test_show_says_why_an_input_cannot_be_followed(make_run, root, capsys):
    log = make_run("make-data")
    make_run("lift", inputs={"log": log})
    manifest = log.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text() + "\n")
    assert caig(["runs", "show", "lift", "--runs", str(root)]) == 0
    changed = f"  log: {log.run_id} (its manifest has changed since)"
    assert changed in capsys.readouterr().out.splitlines()


def test_show_of_nothing_is_exit_2(root, capsys):
    assert caig(["runs", "show", "none", "--runs", str(root)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"caig runs: {root}: 0 runs fit 'none': see: caig runs\n"


def test_verify_intact_runs(make_run, root, capsys):
    ids = {make_run("make-data").run_id, make_run("lift").run_id}
    assert caig(["runs", "verify", "--runs", str(root)]) == 0
    assert set(capsys.readouterr().out.splitlines()) == {f"{run_id}: intact" for run_id in ids}


def test_verify_of_chosen_runs_only(make_run, root, capsys):
    chosen, other = make_run("make-data"), make_run("lift")
    (other.path / "report.md").unlink()
    assert caig(["runs", "verify", "make-data", "--runs", str(root)]) == 0
    assert capsys.readouterr().out == f"{chosen.run_id}: intact\n"


def test_verify_finds_altered_missing_and_unreadable(make_run, root, capsys):
    broken, corrupt = make_run("lift"), make_run("gate")
    (broken.path / "config.toml").unlink()
    (broken.path / "report.md").chmod(0o644)
    (broken.path / "report.md").write_text("other")
    (corrupt.path / "manifest.json").chmod(0o644)
    (corrupt.path / "manifest.json").write_text("{")
    assert caig(["runs", "verify", "--runs", str(root)]) == 2
    captured = capsys.readouterr()
    assert captured.out == f"{broken.run_id}: 2 problem(s)\n"
    first, *rest = captured.err.splitlines()
    assert first == f"caig runs: 3 problem(s) in {root}"
    assert len(rest) == 3
    assert rest[0].startswith(f"  {corrupt.run_id}: {corrupt.path}/manifest.json: not a readable")
    assert rest[1] == f"  {broken.path}/config.toml: artifact 'config' is missing"
    assert rest[2].startswith(f"  {broken.path}/report.md: content changed: sha256 ")


def test_verify_of_a_named_corrupt_run_is_exit_2(make_run, root, capsys):
    run = make_run()
    (run.path / "manifest.json").chmod(0o644)
    (run.path / "manifest.json").write_text("{")
    assert caig(["runs", "verify", run.run_id, "--runs", str(root)]) == 2
    assert "not a readable manifest" in capsys.readouterr().err
