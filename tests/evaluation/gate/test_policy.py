"""Policies: what must be stated, what contradicts itself, and the one that is shipped."""

import hashlib

import pytest
from pydantic import ValidationError

from caig.errors import ConfigError
from evaluation.gate.policy import Check, GatePolicy, read_policy

CHECK = {"id": "a", "metric": "m", "at_least": 0.5}
WHOLE = {
    "format": "gate_policy/1",
    "evidence": {"max_error_rate": 0.02, "min_coverage": 0.95},
    "checks": [CHECK],
}
WAIVER = {"check": "a", "owner": "o", "reason": "r", "expires": "2026-12-31"}


def test_the_shipped_policy_is_read(repository):
    path = repository / "configs" / "evaluation" / "gate.toml"
    read = read_policy(path)
    assert [check.id for check in read.policy.checks] == [
        "accuracy",
        "skill",
        "no-worse",
        "categories",
        "calibration",
    ]
    assert read.name == "gate.toml"
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("bound", "threshold", "sign"),
    [
        ({"at_least": 0.9}, 0.9, 1),
        ({"at_most": 0.1}, 0.1, -1),
        ({"margin": 0.02}, -0.02, 1),
        ({"margin": 0.02, "better": "lower"}, 0.02, -1),
    ],
)
def test_a_bound_has_a_side(bound, threshold, sign):
    check = Check(id="a", metric="m", **bound)
    assert (check.threshold, check.sign) == (threshold, sign)


def without(key):
    rules = {"max_error_rate": 0.02, "min_coverage": 0.95}
    del rules[key]
    return WHOLE | {"evidence": rules}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (without("max_error_rate"), "max_error_rate"),
        (without("min_coverage"), "min_coverage"),
        (WHOLE | {"format": "gate_policy/2"}, "gate_policy/1"),
        (WHOLE | {"checks": []}, "at least 1 item"),
        (WHOLE | {"checks": [CHECK | {"at_most": 1}]}, "states at_least and at_most"),
        (WHOLE | {"checks": [{"id": "a", "metric": "m"}]}, "states no bound"),
        (WHOLE | {"checks": [CHECK | {"bound": "point"}]}, "looks at no interval"),
        (WHOLE | {"checks": [CHECK | {"by": "category", "slice": "x"}]}, "slice and by"),
        (WHOLE | {"checks": [CHECK, CHECK]}, "checks of one id: a"),
        (WHOLE | {"checks": [CHECK | {"severity": "warn"}]}, "decides nothing"),
        (WHOLE | {"checks": [CHECK | {"id": "A b"}]}, "should match pattern"),
        (WHOLE | {"waivers": [WAIVER | {"check": "b"}]}, "do not exist: b"),
        (WHOLE | {"waivers": [WAIVER | {"owner": ""}]}, "at least 1 character"),
        (WHOLE | {"waivers": [WAIVER | {"reason": ""}]}, "at least 1 character"),
        (WHOLE | {"checks": [CHECK | {"marign": 1}]}, "Extra inputs"),
    ],
)
def test_what_is_no_policy_is_refused(values, said):
    with pytest.raises(ValidationError, match=said):
        GatePolicy.model_validate(values)


def test_a_waiver_needs_a_day_of_expiry():
    waiver = {key: WAIVER[key] for key in ("check", "owner", "reason")}
    with pytest.raises(ValidationError, match="expires"):
        GatePolicy.model_validate(WHOLE | {"waivers": [waiver]})


def test_every_problem_of_a_file_is_told(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text('format = "gate_policy/1"\n[evidence]\nmax_error_rate = 2\n')
    with pytest.raises(ConfigError) as caught:
        read_policy(path)
    for key in ("evidence.max_error_rate", "evidence.min_coverage", "checks"):
        assert key in str(caught.value)
