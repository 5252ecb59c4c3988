"""Configuration: file, overrides, and every mistake named at once."""

import copy
import tomllib
from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from caig.config import Config, load_config, passed_values, to_toml
from caig.errors import ConfigError


class Optim(Config):
    lr: float = Field(default=0.1, gt=0)
    """Step."""
    steps: int = Field(default=100, ge=1)
    """Steps."""


class Recipe(Config):
    name: str = "base"
    """Name."""
    kind: Literal["a", "b"] = "a"
    """Kind."""
    day: date = date(2026, 3, 2)
    """Day."""
    tags: tuple[str, ...] = ()
    """Tags."""
    shares: dict[str, float] = Field(default={})
    """Shares by arm."""
    note: str | None = None
    """Note."""
    flag: bool = False
    """Flag."""
    optim: Optim = Optim()
    """Optimiser."""

    @model_validator(mode="after")
    def _rule(self):
        if self.kind == "b" and self.note is None:
            raise ValueError("kind b needs a note")
        return self


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(*arguments, **keywords):
    with pytest.raises(ConfigError) as caught:
        load_config(Recipe, *arguments, **keywords)
    return str(caught.value)


def test_defaults_alone():
    assert load_config(Recipe) == Recipe()


def test_file_over_defaults_and_override_over_file(tmp_path):
    path = write(tmp_path, 'name = "file"\n[optim]\nlr = 0.5\nsteps = 7\n')
    loaded = load_config(
        Recipe,
        path,
        ["optim.steps=9"],
        defaults={"name": "implied", "note": "implied", "optim": {"lr": 0.9}},
    )
    assert loaded == Recipe(name="file", note="implied", optim=Optim(lr=0.5, steps=9))


def test_a_section_in_the_file_keeps_the_keys_below_it(tmp_path):
    path = write(tmp_path, "[optim]\nsteps = 7\n")
    loaded = load_config(Recipe, path, defaults={"optim": {"lr": 0.9}})
    assert loaded.optim == Optim(lr=0.9, steps=7)


def test_loading_leaves_the_callers_defaults_alone():
    defaults = {"optim": {"lr": 0.9}, "shares": {"control": 0.5}}
    before = copy.deepcopy(defaults)
    loaded = load_config(Recipe, None, ["optim.lr=0.2", "shares.control=1.0"], defaults=defaults)
    assert loaded.optim.lr == 0.2
    assert defaults == before


def test_all_problems_at_once_with_key_and_value(tmp_path):
    path = write(tmp_path, 'kind = "c"\n[optim]\nlr = -1\nstepz = 3\n')
    assert refusal(path) == (
        f"{path}: 3 problem(s)\n"
        "  kind: Input should be 'a' or 'b' (got 'c')\n"
        "  optim.lr: Input should be greater than 0 (got -1)\n"
        "  optim.stepz: Extra inputs are not permitted (got 3)"
    )


def test_a_misspelt_section_is_refused(tmp_path):
    path = write(tmp_path, "[optimm]\nlr = 1\n")
    assert "  optimm: Extra inputs are not permitted (got {'lr': 1})" in refusal(path)


def test_a_rule_between_keys_is_told_without_a_dump_of_everything():
    message = refusal(None, ["kind=b"])
    assert message == (
        "configuration with --set kind=b: 1 problem(s)\n  Value error, kind b needs a note"
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_no_figure_may_be_nan_or_infinite(value):
    message = refusal(None, [f"optim.lr={value}"])
    assert f"optim.lr: Input should be a finite number (got {value})" in message


def test_no_such_file(tmp_path):
    path = tmp_path / "none.toml"
    assert refusal(path) == f"{path}: no such file"


def test_a_folder_is_no_file(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path}: Is a directory"


def test_not_utf8(tmp_path):
    path = write(tmp_path, b'name = "\xff"\n')
    assert refusal(path) == f"{path}: not UTF-8 text; TOML must be"


def test_not_toml_names_the_line(tmp_path):
    path = write(tmp_path, 'name = "a"\nlr = = 3\n')
    message = refusal(path)
    assert message.startswith(f"{path}: not valid TOML: ")
    assert "line 2" in message


@pytest.mark.parametrize(
    ("override", "attribute", "expected"),
    [
        ("name=plain words", "name", "plain words"),
        ('name="3"', "name", "3"),
        ("name=", "name", ""),
        ("name=a=b", "name", "a=b"),
        (" name =x", "name", "x"),
        ("flag=true", "flag", True),
        ("day=2026-12-24", "day", date(2026, 12, 24)),
        ('tags=["x", "y"]', "tags", ("x", "y")),
        ("shares.control=0.25", "shares", {"control": 0.25}),
        ("shares={control = 0.5, treatment = 0.5}", "shares", {"control": 0.5, "treatment": 0.5}),
        ("optim.steps=1_000", "optim", Optim(steps=1000)),
        ("optim.lr=1e-3", "optim", Optim(lr=0.001)),
    ],
)
def test_override_values_are_typed(override, attribute, expected):
    found = getattr(load_config(Recipe, None, [override]), attribute)
    assert found == expected
    assert type(found) is type(expected)


def test_the_last_override_wins():
    assert load_config(Recipe, None, ["name=a", "name=b"]).name == "b"


def test_the_message_names_the_overrides(tmp_path):
    path = write(tmp_path, "")
    message = refusal(path, ["optim.lr=0", "flag=7x"])
    assert message.startswith(f"{path} with --set optim.lr=0 --set flag=7x: 2 problem(s)\n")
    assert "optim.lr: Input should be greater than 0 (got 0)" in message
    assert "flag: Input should be a valid boolean" in message


@pytest.mark.parametrize("override", ["name", "=3", "optim.=3", ".lr=3", "optim..lr=3", "", " =1"])
def test_an_override_of_bad_form(override):
    assert refusal(None, [override]) == f"--set {override}: write it as section.key=value"


def test_an_override_below_a_value():
    message = refusal(None, ["name=x", "name.more=1"])
    assert message == "--set name.more=1: 'name' is a value, not a section"


def test_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().name = "other"


def test_passed_values_are_only_what_was_stated():
    loaded = load_config(Recipe, None, ["optim.lr=0.5", "day=2026-01-01"])
    assert passed_values(loaded) == {"optim": {"lr": 0.5}, "day": "2026-01-01"}
    assert passed_values(Recipe()) == {}


def test_to_toml_is_readable():
    assert to_toml(Recipe(tags=("x",))) == (
        'name = "base"\nkind = "a"\nday = "2026-03-02"\ntags = [\n    "x",\n]\nflag = false\n\n'
        "[shares]\n\n[optim]\nlr = 0.1\nsteps = 100\n"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

RECIPES = st.builds(
    Recipe,
    name=TEXT,
    day=st.dates(),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    shares=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    note=st.none() | TEXT,
    flag=st.booleans(),
    optim=st.builds(
        Optim,
        lr=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
        steps=st.integers(1, 2**62),
    ),
)


@given(RECIPES)
def test_to_toml_reads_back_to_an_equal_object(tmp_path_factory, recipe):
    text = to_toml(recipe)
    assert Recipe.model_validate(tomllib.loads(text)) == recipe
    path = tmp_path_factory.getbasetemp() / "round_trip.toml"
    path.write_bytes(text.encode())
    assert load_config(Recipe, path) == recipe
