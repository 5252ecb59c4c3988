"""Records: they survive JSON, and refuse what contradicts itself."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from caig.contracts.records import (
    RECORDS,
    Artifact,
    ArtifactRef,
    CodeVersion,
    Environment,
    FileInput,
    GateCheck,
    GatePolicyRef,
    GateReport,
    LiftReport,
    PartialManifest,
    RunInput,
    RunManifest,
)

SHA = "0123456789abcdef" * 4
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SHAS = st.text("0123456789abcdef", min_size=64, max_size=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NOT_NEGATIVE = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)
TIMES = st.datetimes(timezones=st.just(UTC))
STATUSES = ("pass", "fail", "inconclusive", "error", "waived", "not_applicable")


def gate_check(status="pass", *, blocking=True, **changes):
    values = {"id": "a", "status": status, "required": ">= 0.90", "blocking": blocking}
    return values | changes


def report(verdict, *checks, **changes):
    values = {
        "subject": "run-2",
        "policy": {"name": "strict.toml", "sha256": SHA},
        "checks": checks,
        "verdict": verdict,
        "created_at": "2026-03-02T09:30:00Z",
    }
    return values | changes


def manifest(**changes):
    values = {
        "run_id": "20260302T093000-lift-00ff",
        "verb": "lift",
        "config": {"alpha": 0.05, "columns": {"arm": "variant"}},
        "config_passed": {},
        "seed": None,
        "inputs": {"log": {"run_id": "r", "manifest_sha256": SHA}},
        "files": [{"path": "a.csv", "sha256": SHA, "n_bytes": 3}],
        "artifacts": {"config": {"path": "c", "format": "text/toml", "sha256": SHA, "n_bytes": 1}},
        "metrics": {"rel_lift": 0.04},
        "code": {"version": "0.1.0"},
        "environment": {"python": "3.11", "platform": "Linux", "packages": {}, "device": "cpu"},
        "started_at": "2026-03-02T09:30:00Z",
        "finished_at": "2026-03-02T09:31:00Z",
    }
    return values | changes


def lift_report():
    return {
        "run_id": "20260301T000000-lift-abcd",
        "made_at": "2026-03-01T00:00:00Z",
        "n_rows": 10,
        "n_rows_quarantined": 0,
        "files": [],
        "config": {},
        "contrasts": [
            {
                "experiment_id": "e",
                "contrast": "treatment vs control",
                "verdict": "flat",
                "headline": "No significant difference overall",
                "notes": [],
                "categories": [],
            }
        ],
        "tables": {"lift_table/1": [{"category": "__all__"}]},
    }


EXAMPLES = {
    "gate_report/1": (GateReport, report("ship", gate_check())),
    "lift_report/1": (LiftReport, lift_report()),
    "run/1": (RunManifest, manifest()),
}

every_record = pytest.mark.parametrize(("record", "values"), EXAMPLES.values(), ids=list(EXAMPLES))


def problems(record, values):
    with pytest.raises(ValidationError) as caught:
        record.model_validate(values)
    return {
        ".".join(map(str, error["loc"])): error["msg"].removeprefix("Value error, ")
        for error in caught.value.errors()
    }


# Valid records


def test_every_record_format_is_tested():
    assert {name: record for name, (record, _) in EXAMPLES.items()} == RECORDS


CHECKS = st.builds(
    GateCheck,
    id=TEXT,
    status=st.sampled_from(STATUSES),
    observed=st.none() | FINITE,
    ci_lower=st.none() | FINITE,
    ci_upper=st.none() | FINITE,
    n=st.none() | COUNTS,
    evidence=st.none() | st.builds(ArtifactRef, run_id=TEXT, artifact=TEXT, sha256=SHAS),
)


@st.composite
def gate_reports(draw):
    checks = tuple(draw(st.lists(CHECKS, max_size=4)))
    blocking = {check.status for check in checks if check.blocking}
    if "fail" in blocking:
        verdict = "reject"
    elif blocking <= {"pass", "waived"} and any(check.status == "pass" for check in checks):
        verdict = draw(st.sampled_from(["ship", "review", "reject"]))
    else:
        verdict = draw(st.sampled_from(["review", "reject"]))
    policy = GatePolicyRef(name=draw(TEXT), sha256=draw(SHAS))
    return GateReport(
        subject="run-2", policy=policy, checks=checks, verdict=verdict, created_at=draw(TIMES)
    )


MANIFESTS = st.builds(
    RunManifest,
    config=st.dictionaries(TEXT, st.none() | st.booleans() | FINITE | TEXT, max_size=3),
    config_passed=st.just({}),
    seed=st.none() | COUNTS,
    inputs=st.dictionaries(TEXT, st.builds(RunInput, manifest_sha256=SHAS), max_size=2),
    files=st.lists(st.builds(FileInput, sha256=SHAS, n_bytes=COUNTS), max_size=2).map(tuple),
    artifacts=st.dictionaries(
        TEXT,
        st.builds(Artifact, sha256=SHAS, n_bytes=COUNTS, n_rows=st.none() | COUNTS),
        max_size=2,
    ),
    metrics=st.dictionaries(TEXT, FINITE, max_size=3),
    code=st.builds(CodeVersion),
    environment=st.builds(Environment),
    started_at=TIMES,
    finished_at=TIMES,
)


@pytest.mark.parametrize("records", [gate_reports(), MANIFESTS], ids=["gate_report", "run"])
@given(data=st.data())
def test_a_valid_record_survives_json(records, data):
    record = data.draw(records)
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_formats_are_written_into_the_file():
    assert '"format":"run/1"' in RunManifest.model_validate(manifest()).model_dump_json()
    written = GateReport.model_validate(report("ship", gate_check())).model_dump_json()
    assert '"format":"gate_report/1"' in written


# Refusals that all records share


@every_record
def test_a_key_too_many(record, values):
    assert problems(record, values | {"extra": 1}) == {"extra": "Extra inputs are not permitted"}


@every_record
def test_each_required_key(record, values):
    required = [name for name, field in record.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        without = {key: value for key, value in values.items() if key != name}
        assert problems(record, without) == {name: "Field required"}


@every_record
def test_frozen(record, values):
    built = record.model_validate(values)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(built, next(iter(values)), "other")


@pytest.mark.parametrize("sha", ["", "0" * 63, "0" * 65, "G" * 64, SHA.upper(), f"{SHA}\n"])
def test_a_bad_sha(sha):
    pattern = "String should match pattern '^[0-9a-f]{64}$'"
    assert problems(GatePolicyRef, {"name": "n", "sha256": sha}) == {"sha256": pattern}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ArtifactRef, {"run_id": "r", "artifact": "a", "sha256": "x"}),
        (GatePolicyRef, {"name": "n", "sha256": "x"}),
        (Artifact, {"path": "p", "format": "f", "n_bytes": 1, "sha256": "x"}),
        (FileInput, {"path": "p", "n_bytes": 1, "sha256": "x"}),
        (RunInput, {"run_id": "r", "manifest_sha256": "x"}),
    ],
)
def test_a_bad_sha_in_a_part(kind, values):
    assert [key.endswith("sha256") for key in problems(kind, values)] == [True]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_nan_nor_infinity(value):
    finite = "Input should be a finite number"
    assert problems(GateCheck, gate_check(observed=value)) == {"observed": finite}
    assert problems(RunManifest, manifest(metrics={"x": value})) == {"metrics.x": finite}


@pytest.mark.parametrize(
    ("record", "values", "key"),
    [
        (GateCheck, gate_check(n=-1), "n"),
        (GateCheck, gate_check("skipped"), "status"),
        (FileInput, {"path": "p", "sha256": SHA, "n_bytes": -1}, "n_bytes"),
        (RunManifest, manifest(format="run/2"), "format"),
        (GateReport, report("ship", gate_check(), format="gate_report/2"), "format"),
        (GateReport, report("perhaps", gate_check()), "verdict"),
    ],
)
def test_values_out_of_range(record, values, key):
    assert list(problems(record, values)) == [key]


# GateReport


@pytest.mark.parametrize("status", ["fail", "inconclusive", "error", "not_applicable"])
def test_nothing_ships_past_a_blocking_check_that_did_not_pass(status):
    message = {"": "a blocking check neither passed nor waived forbids 'ship'"}
    assert problems(GateReport, report("ship", gate_check(), gate_check(status))) == message
    verdict = "reject" if status == "fail" else "review"
    accepted = GateReport.model_validate(report(verdict, gate_check(), gate_check(status)))
    assert accepted.verdict == verdict


@pytest.mark.parametrize("status", STATUSES)
def test_a_check_that_does_not_block_does_not_prevent_ship(status):
    checks = gate_check(), gate_check(status, blocking=False)
    assert GateReport.model_validate(report("ship", *checks)).verdict == "ship"


def test_a_blocking_fail_must_reject():
    message = {"": "a blocking fail must reject"}
    assert problems(GateReport, report("review", gate_check("fail"))) == message


@pytest.mark.parametrize(
    "checks", [(), (gate_check("waived"),), (gate_check("fail", blocking=False),)]
)
def test_nothing_unchecked_ships(checks):
    message = {"": "nothing was checked, so nothing ships"}
    assert problems(GateReport, report("ship", *checks)) == message


def test_a_waived_check_beside_a_passed_one_ships():
    checks = gate_check(), gate_check("waived")
    assert GateReport.model_validate(report("ship", *checks)).verdict == "ship"


# PartialManifest


@pytest.mark.parametrize(
    ("pid", "fits"), [(1, True), (2**31 - 1, True), (0, False), (2**31, False)]
)
def test_a_process_id_is_one_the_system_can_have(pid, fits):
    values = {"run_id": "r", "verb": "lift", "started_at": NOW, "pid": pid, "host": "h"}
    if fits:
        assert PartialManifest.model_validate(values).pid == pid
    else:
        assert list(problems(PartialManifest, values)) == ["pid"]
