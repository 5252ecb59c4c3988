"""Messages: what the user sees, word for word."""

import pytest

from caig.errors import (
    ArtifactError,
    CaigError,
    ConfigError,
    DataError,
    PrerequisiteError,
    Problem,
    indented,
)


@pytest.mark.parametrize("kind", [ConfigError, DataError, PrerequisiteError, ArtifactError])
def test_every_user_error_is_a_caig_error_and_a_value_error(kind):
    assert issubclass(kind, CaigError)
    assert issubclass(kind, ValueError)


def test_config_error_lists_all_problems():
    error = ConfigError.from_problems("lift.toml", ["a.b: must be text (got 3)", "c: unknown"])
    assert str(error) == "lift.toml: 2 problem(s)\n  a.b: must be text (got 3)\n  c: unknown"


def test_prerequisite_error_says_what_to_install():
    error = PrerequisiteError.from_extra("The dashboard", "dashboard")
    assert str(error) == "The dashboard needs more packages: pip install 'caig-toolkit[dashboard]'"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, "n_clicks: is wrong"),
        (1, "n_clicks: is wrong (1 row)"),
        (0, "n_clicks: is wrong (0 rows)"),
        (12345, "n_clicks: is wrong (12,345 rows)"),
    ],
)
def test_problem_counts_rows(count, expected):
    assert Problem("n_clicks", "is wrong", count).lines() == [expected]


def test_problem_shows_rows_then_hint():
    problem = Problem("arm", "is null", 2, ("row 0: arm=None", "row 7: arm=None"), "name the arm")
    assert problem.lines() == [
        "arm: is null (2 rows)",
        "    row 0: arm=None",
        "    row 7: arm=None",
        "    name the arm",
    ]


def test_data_error_with_and_without_hint():
    problem = Problem("arm", "is null", 1, ("row 0: arm=None",))
    bare = "log.csv: 1 problem(s)\n  arm: is null (1 row)\n      row 0: arm=None"
    assert str(DataError.from_problems("log.csv", [problem])) == bare
    assert str(DataError.from_problems("log.csv", [problem], "see docs")) == bare + "\nsee docs"


def test_missing_columns_name_the_nearest_and_what_is_there():
    error = DataError.from_missing_columns("log.csv", ["n_clicks", "zzz"], ["clicks", "day"])
    assert str(error) == (
        "log.csv: 2 problem(s)\n"
        "  'n_clicks': no such column; did you mean 'clicks'?\n"
        "  'zzz': no such column\n"
        "columns found: clicks, day"
    )


def test_missing_columns_of_an_empty_file_with_hint():
    error = DataError.from_missing_columns("log.csv", ["day"], [], "map it in the configuration")
    assert str(error) == (
        "log.csv: 1 problem(s)\n  'day': no such column\n"
        "columns found: none\nmap it in the configuration"
    )


def test_indented():
    assert indented([]) == ""
    assert indented(["a", "b"]) == "  a\n  b"
