"""``caig lift`` from end to end: what it prints, what it writes, and what a crash leaves behind."""

import json
import os
import pty
import select
import subprocess
import sys
import time
import tomllib

import polars as pl
import pytest

from caig.cli import run
from caig.runs.catalog import list_runs
from caig.runs.store import Run

TABLES = (
    "lift_table",
    "lift_daily",
    "heterogeneity",
    "unit_metrics",
    "health",
    "sample_ratio",
    "arm_summary",
    "sequential_ratio",
    "bot_like_units",
    "top_categories",
    "overall_lifts",
    "mix_shift",
    "stratified_tests",
    "adjusted_lifts",
    "guardrails",
    "arm_comparison",
    "joint_heterogeneity",
    "category_intervals",
    "category_posterior",
    "selected_lifts",
    "lift_intervals",
    "looks",
    "lift_by_day",
    "day_effects",
)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """A run of ``caig make-data``: small, but with every category."""
    root = tmp_path_factory.mktemp("traffic")
    assert (
        run(
            [
                "make-data",
                "--set",
                "n_users=4000",
                "--set",
                "ads.per_product=0",
                "--runs",
                str(root),
            ]
        )
        == 0
    )
    (made,) = root.iterdir()
    return made


REPORT_RARE = ("--set", "analysis.one_arm_categories=report")


# A whole run -------------------------------------------------------------------------------------


def test_run_of_simulated_traffic(lift, traffic):
    outcome = lift(traffic, *REPORT_RARE)

    made = outcome.run
    assert outcome.out.splitlines()[-1] == str(made.path)
    assert outcome.err == ""
    formats = {name: artifact.format for name, artifact in made.manifest.artifacts.items()}
    assert formats == {
        "config": "text/toml",
        "log": "application/jsonl",
        **{name: f"{name}/1" for name in TABLES},
        "joint_heterogeneity": "joint_heterogeneity/2",
        "report_html": "text/html",
        "report_md": "text/markdown",
        "report_json": "application/json",
    }
    assert made.problems() == []
    for name in TABLES:
        assert made.table(name).height == made.manifest.artifacts[name].n_rows
    assert made.table("lift_table")["category"].n_unique() == 45
    assert (made.manifest.verb, made.manifest.seed) == ("lift", None)
    log = Run.open(traffic).table("impression_log")
    assert made.manifest.metrics["rows"] == log.height
    overall = made.table("lift_table").filter(pl.col("category") == "__all__").row(0, named=True)
    assert (
        overall["impressions_control"] + overall["impressions_treatment"]
        == log["n_impressions"].sum()
    )
    assert made.manifest.metrics["rel_lift"] == overall["rel_lift"]


def test_lineage_names_the_run_the_log_is_from(lift, traffic):
    made = lift(traffic, *REPORT_RARE).run
    assert made.manifest.inputs == {"impression_log": Run.open(traffic).as_input()}
    assert made.manifest.files == ()


def test_files_are_recorded_where_no_run_holds_them(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    manifest = lift(path).run.manifest
    assert manifest.inputs == {}
    assert [file.path for file in manifest.files] == [str(path)]


def test_log_of_the_run_says_what_was_read(lift, good_log, write_log):
    made = lift(write_log(good_log, "log.csv")).run
    events = [json.loads(line) for line in made.file("log").read_text().splitlines()]
    assert [event["event"] for event in events] == ["started", "read", "finished"]
    assert events[1]["rows"] == 40
    assert events[1]["columns"]["clicks"] == "n_clicks"
    assert events[1]["time_zones"] == {"no zone": 40}


def test_same_log_same_tables(lift, traffic):
    first, second = (lift(traffic, *REPORT_RARE, runs=name).run for name in "ab")
    for name in TABLES:
        assert first.table(name).equals(second.table(name)), name


def test_help_names_the_parts(capsys):
    assert run(["lift", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("LOG", "--config", "--set", "--runs"))


# Settings ----------------------------------------------------------------------------------------


def test_values_over_the_file_keep_their_type(lift, good_log, write_log, tmp_path):
    log = write_log(good_log.rename({"arm": "variant"}), "log.csv")
    config = tmp_path / "lift.toml"
    config.write_text('[columns]\narm = "variant"\n[analysis]\nalpha = 0.01\n')
    made = lift(
        log,
        *("--config", config, "--set", "analysis.alpha=0.1", "--set", "analysis.correction=holm"),
        *("--set", "design.expected_split={control=0.5,treatment=0.5}"),
        *("--set", 'health.override=["missing_days"]', "--set", "ingest.batch_rows=10"),
    ).run
    expected = {
        "columns": {"arm": "variant"},
        "analysis": {"alpha": 0.1, "correction": "holm"},
        "design": {"expected_split": {"control": 0.5, "treatment": 0.5}},
        "health": {"override": ["missing_days"]},
        "ingest": {"batch_rows": 10},
    }
    assert made.manifest.config_passed == expected
    assert made.table("lift_table")["alpha"].unique().to_list() == [0.1]
    used = tomllib.loads(made.file("config").read_text())
    assert (used["columns"]["arm"], used["columns"]["unit"]) == ("variant", "unit_id")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("analysis.alpha=high", "analysis.alpha: Input should be a valid number"),
        ("ingest.batch_rows=0", "ingest.batch_rows: Input should be greater than or equal to 1"),
        ("ingest.bad_rows=drop", "Input should be 'refuse' or 'quarantine' (got 'drop')"),
        ("design.day_zone=Mars/Olympus", "no such time zone"),
        ("columns.arm=", "columns.arm: String should have at least 1 character"),
        ("analysis", "write it as section.key=value"),
    ],
)
def test_setting_that_does_not_fit(lift, good_log, write_log, setting, said):
    lift(write_log(good_log, "log.csv"), "--set", setting).assert_refused(said)


def test_runs_folder_that_cannot_be_made(lift, good_log, write_log, tmp_path):
    (tmp_path / "taken").write_text("a file")
    outcome = lift(write_log(good_log, "log.csv"), runs="taken")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{outcome.runs}: cannot write runs here" in outcome.err


# Names from the log ------------------------------------------------------------------------------

HOSTILE = "[red]sh\x1b]0;owned\x07\x1b[31moes\x9b2J\r\n\u202e[/red]"


def test_names_cannot_steer_the_terminal(lift, good_log, write_log):
    log = good_log.with_columns(
        category=pl.when(pl.col("category") == "shoes").then(pl.lit(HOSTILE)).otherwise("category"),
        experiment_id=pl.lit(f"e {HOSTILE}"),
        arm=pl.when(pl.col("arm") == "treatment").then(pl.lit(f"t {HOSTILE}")).otherwise("arm"),
    )
    outcome = lift(write_log(log, "log.parquet"))
    assert "[red]sh" in outcome.out  # printed as it is, not taken for markup
    assert "[/red]" in outcome.out
    written = outcome.out.replace("\n", "")
    assert "\u202e" not in written  # turns the direction of what follows
    assert not [c for c in written if ord(c) < 32 or 127 <= ord(c) < 160]
    # The stored name is untouched: it is the key of the row.
    assert HOSTILE in outcome.run.table("lift_table")["category"].to_list()


def test_names_outside_ascii(lift, good_log, write_log):
    log = good_log.with_columns(pl.col("category").replace("shoes", "Schuhe für Läufer 鞋"))
    for kind in ("csv", "ndjson", "parquet"):
        outcome = lift(write_log(log, f"log.{kind}"), runs=kind)
        assert "Schuhe für Läufer 鞋" in outcome.out


# Progress ----------------------------------------------------------------------------------------


def command(log, runs):
    words = [sys.executable, "-m", "caig", "lift", log, *REPORT_RARE, "--runs", runs]
    return [str(word) for word in words]


def read_terminal(master):
    shown = b""
    while select.select([master], [], [], 0.2)[0]:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    return shown


@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_and_nowhere_else(traffic, tmp_path):
    master, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            command(traffic, tmp_path / "a"),
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        ) as process:
            os.close(terminal)
            out, _ = process.communicate(timeout=60)
        shown = read_terminal(master)
    finally:
        os.close(master)
    assert process.returncode == 0
    assert b"reading" in shown
    assert b"rows" in shown
    assert b"reading" not in out
    assert b"\x1b" not in out

    piped = subprocess.run(
        command(traffic, tmp_path / "b"), capture_output=True, timeout=60, check=True
    )
    assert piped.stderr == b""
    assert piped.stdout.splitlines()[1:-1] == out.splitlines()[1:-1]


@pytest.mark.slow
def test_damaged_file_on_a_terminal_is_refused_in_words(good_log, write_log, tmp_path):
    """The bar asks the file for its length first; that must not fail in another way."""
    log = write_log(good_log, "log.parquet")
    log.write_bytes(log.read_bytes()[:-9])
    master, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            command(log, tmp_path / "runs"),
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm"},
        ) as process:
            os.close(terminal)
            process.communicate(timeout=60)
        shown = read_terminal(master)
    finally:
        os.close(master)
    assert process.returncode == 2
    assert b"not readable as parquet" in shown
    assert b"Traceback" not in shown


# Killed ------------------------------------------------------------------------------------------


def killed_when(log, runs, moment):
    """Kill the command once ``moment`` is true of its run folder (None before there is one)."""
    with subprocess.Popen(command(log, runs), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            folders = list(runs.iterdir()) if runs.is_dir() else []
            if moment(folders[0] if folders else None):
                process.kill()
                break
            time.sleep(0.0005)
        process.wait(timeout=60)


MOMENTS = {
    "before it writes": lambda folder: folder is None,
    "at the first file": lambda folder: folder is not None,
    "after the first table": lambda folder: folder and (folder / "lift_table.parquet").exists(),
    "at the report": lambda folder: folder and (folder / "report.html").exists(),
    "at the manifest": lambda folder: folder and (folder / "manifest.json").exists(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOMENTS)
def test_killed_run_is_complete_or_listed_as_failed(traffic, tmp_path, name):
    runs = tmp_path / "runs"
    killed_when(traffic, runs, MOMENTS[name])

    entries = list_runs(runs)
    folders = list(runs.iterdir()) if runs.is_dir() else []
    assert sorted(entry.path for entry in entries) == sorted(folders)
    for entry in entries:
        assert entry.status in ("failed", "complete")
        if entry.status == "complete":
            assert set(TABLES) < set(entry.manifest.artifacts)
            assert Run.open(entry.path).problems() == []
        else:
            assert not (entry.path / "manifest.json").exists()
    if name == "before it writes":
        assert entries == []
    elif name == "at the manifest":
        assert [entry.status for entry in entries] == ["complete"]
    else:
        assert len(entries) == 1


# What needs counts by unit -----------------------------------------------------------------------


def test_a_period_before_gives_adjusted_lifts(lift, traffic, tmp_path):
    log = Run.open(traffic).table("impression_log")
    before = tmp_path / "before.parquet"
    # The same units, other luck: what they did on other days, without any arm.
    log.with_columns(pl.col("day").dt.offset_by("-14d")).drop("arm").write_parquet(before)
    made = lift(traffic, *REPORT_RARE, "--history", before).run
    (row,) = (
        made.table("overall_lifts").filter(pl.col("estimator") == "cuped").iter_rows(named=True)
    )
    assert 0 < row["variance_ratio"] < 1
    assert made.table("adjusted_lifts").height > 40
    assert {file.path for file in made.manifest.files} == {str(before)}
    assert lift(traffic, *REPORT_RARE).run.table("adjusted_lifts").is_empty()


def test_days_of_the_experiment_are_no_period_before(lift, traffic, tmp_path):
    log = Run.open(traffic).table("impression_log").drop("arm")
    first = log["day"].min()
    overlapping = tmp_path / "overlapping.parquet"
    log.filter(pl.col("day") == first).write_parquet(overlapping)
    lift(traffic, *REPORT_RARE, "--history", overlapping).assert_refused(
        "overlapping.parquet", f"begins on {first}", "leave those days out"
    )
    impressions = ("--set", "design.randomisation=impression", "--history", overlapping)
    lift(traffic, *REPORT_RARE, *impressions).assert_refused("belongs to units")


def test_bots_are_found_and_the_lift_without_them_is_said(lift, tmp_path):
    settings = [
        "--set",
        "n_users=4000",
        "--set",
        "faults.bot_units=4",
        "--set",
        "ads.per_product=0",
    ]
    assert run(["make-data", *settings, "--runs", str(tmp_path / "bots")]) == 0
    (bots,) = (tmp_path / "bots").iterdir()
    outcome = lift(bots, *REPORT_RARE)
    found = outcome.run.table("bot_like_units")
    assert dict(found.select("arm", "n_units_bot").iter_rows()) == {"control": 0, "treatment": 4}
    assert "Without the units that behave like bots: lift " in outcome.out
    with_bots, without = (
        outcome.run.table(name).filter(pl.col("category") == "__all__")["clicks_treatment"].item()
        for name in ("lift_table", "lift_table_without_bots")
    )
    assert with_bots - without == 800


def test_a_cube_and_the_error_of_the_log_are_made_when_asked_for(lift, traffic):
    made = lift(traffic, *REPORT_RARE, "--cube", "--set", "units.aa_replicates=20").run
    log = Run.open(traffic).table("impression_log")
    assert made.table("cube")["n_clicks"].sum() == log["n_clicks"].sum()
    rates = made.table("aa_test").filter(pl.col("scope") == "overall").row(0, named=True)
    assert rates["tests"] == 20
    assert rates["false_positive_rate"] <= 0.3
