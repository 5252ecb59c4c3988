"""Every table contract: valid frames pass and survive a run; each rule, broken alone, is named."""

import functools
import json
from pathlib import Path

import polars as pl
import pytest
from fitted_tables import fitted
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from caig.config import Config
from caig.contracts.experiments import ALL_CATEGORIES, LIFT_TABLE, TRAFFIC_TRUTH
from caig.contracts.table import Column, TableContract, check
from caig.contracts.tables import TABLES, find_contract
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter

FLOATS = (pl.Float32, pl.Float64)

every_table = pytest.mark.parametrize("contract", TABLES.values(), ids=list(TABLES))


def columns_where(wanted):
    """One test a column of any table that satisfies ``wanted``."""
    cases = [(t, c) for t in TABLES.values() for c in t.columns if wanted(c)]
    return pytest.mark.parametrize(
        ("contract", "column"), cases, ids=[f"{t.name}-{c.name}" for t, c in cases]
    )


# Valid frames


def values(column: Column) -> st.SearchStrategy:
    lower, upper = column.lower, column.upper
    if column.allowed:
        known: st.SearchStrategy = st.sampled_from(column.allowed)
    elif column.dtype == pl.String:
        known = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
        known = known.filter(lambda text: text != ALL_CATEGORIES)
    elif column.dtype in FLOATS:
        known = st.floats(lower, upper, allow_nan=False, allow_infinity=False)
    elif column.dtype == pl.Boolean:
        known = st.booleans()
    elif column.dtype == pl.Date:
        known = st.dates()
    else:
        bits = 31 if column.dtype == pl.Int32 else 63
        known = st.integers(-(2**bits) if lower is None else int(lower), 2**bits - 1)
    return st.none() | known if column.nullable else known


@st.composite
def valid_frames(draw, contract: TableContract) -> pl.DataFrame:
    height = draw(st.integers(0, 4))
    data = {
        column.name: draw(st.lists(values(column), min_size=height, max_size=height))
        for column in contract.columns
    }
    return fitted(pl.DataFrame(data, schema=contract.schema), contract)


@every_table
@given(data=st.data())
@settings(max_examples=25)
def test_valid_frames_pass_in_any_column_order(contract, data):
    frame = data.draw(valid_frames(contract))
    order = data.draw(st.permutations(frame.columns))
    assert_frame_equal(check(frame.select(order), contract), frame)


@every_table
@given(data=st.data())
@settings(max_examples=10)
def test_valid_frames_survive_a_run(contract, data, tmp_path_factory):
    frame = data.draw(valid_frames(contract))
    with RunWriter(tmp_path_factory.getbasetemp() / "runs", "test", Config()) as writer:
        writer.write_table(contract, frame)
    run = Run.open(writer.path)
    artifact = run.manifest.artifacts[contract.name]
    assert (artifact.format, artifact.n_rows) == (contract.identifier, frame.height)
    assert_frame_equal(run.table(contract.name), frame)


@every_table
def test_an_empty_table_is_valid(contract):
    empty = contract.empty()
    assert (empty.schema, empty.height) == (contract.schema, 0)
    assert_frame_equal(check(empty, contract), empty)


# Broken frames


def good_frame(contract: TableContract) -> pl.DataFrame:
    """Four rows that keep all rules, with no null."""
    return _good_frame(contract.identifier)


@functools.cache
def _good_frame(identifier: str) -> pl.DataFrame:
    contract = TABLES[identifier]
    data = {c.name: [_typical(c, row) for row in range(4)] for c in contract.columns}
    frame = fitted(pl.DataFrame(data, schema=contract.schema), contract)
    assert frame.height == 4
    return check(frame, contract)


def _typical(column: Column, row: int) -> object:
    if column.allowed:
        return column.allowed[row % len(column.allowed)]
    if column.dtype == pl.String:
        return f"{column.name}-{row}"
    if column.dtype == pl.Boolean:
        return row % 2 == 0
    if column.dtype == pl.Date:
        return pl.Series([row]).cast(pl.Date)[0]
    if column.dtype in FLOATS:
        return {None: 0.25, 0: -0.5}.get(column.upper, column.upper) * (1 - row / 16)
    return 40 + row


def broken(frame: pl.DataFrame, column: str, value: object, row: int = 1) -> pl.DataFrame:
    """``frame`` with one cell changed."""
    cells = frame[column].to_list()
    cells[row] = value
    return frame.with_columns(pl.Series(column, cells, dtype=frame.schema[column]))


def refusal(frame: pl.DataFrame, contract: TableContract) -> list[str]:
    with pytest.raises(DataError) as caught:
        check(frame, contract, source="runs/x/table")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("runs/x/table: ")
    assert contract.identifier in str(caught.value)
    return lines


def assert_rule(lines: list[str], rule: str, *rows: str) -> None:
    """``rule`` is a line, and the lines under it are ``rows``."""
    at = lines.index(f"  {rule}")
    assert tuple(line.strip() for line in lines[at + 1 : at + 1 + len(rows)]) == rows


@columns_where(lambda column: True)
def test_a_missing_column(contract, column):
    lines = refusal(good_frame(contract).drop(column.name), contract)
    assert lines[0] == "runs/x/table: 1 problem(s)"
    assert lines[1].startswith(f"  '{column.name}': no such column")
    assert lines[2].startswith("columns found: ")
    assert lines[3] == f"format {contract.identifier}"


@every_table
def test_a_column_too_many(contract):
    assert refusal(good_frame(contract).with_columns(surplus=1), contract) == [
        "runs/x/table: 1 problem(s)",
        f"  surplus: is no column of {contract.identifier}",
        f"format {contract.identifier}",
    ]


@columns_where(lambda column: True)
def test_a_wrong_dtype(contract, column):
    expected = contract.schema[column.name]
    wrong = pl.Int8() if expected == pl.String else pl.String()
    frame = good_frame(contract).with_columns(pl.lit(None, wrong).alias(column.name))
    assert refusal(frame, contract) == [
        "runs/x/table: 1 problem(s)",
        f"  {column.name}: has dtype {wrong}, must be {expected}",
        f"format {contract.identifier}",
    ]


@columns_where(lambda column: not column.nullable)
def test_a_null_where_none_may_be(contract, column):
    lines = refusal(broken(good_frame(contract), column.name, None), contract)
    assert lines[0] == "runs/x/table: 1 problem(s)"
    assert_rule(lines, f"{column.name}: is null (1 row)", f"row 1: {column.name}=None")


NO_INTERVAL = {"ci_lower": None, "ci_upper": None, "p_value": None, "state": "undefined"}
WITH_NULL = {
    ("item_scores", "value"): {"unscored_reason": "timeout"},
    ("cutouts", "cutout_path"): {"used": False},
    ("creatives", "generator"): {"source": "logged"},
    ("creative_effects", "ctr_shrunk"): {"status": "alone"},
    ("plan", "ctr"): {"days_needed": None, "status": "no_clicks"},
    ("plan", "days_needed"): {"status": "never"},
    ("lift_intervals", "ci_lower"): NO_INTERVAL,
    ("lift_intervals", "ci_upper"): {"state": "unbounded"},
    ("lift_intervals", "p_value"): NO_INTERVAL,
    ("study_estimates", "mean_ci_lower"): {"status": "one_seed"},
}
"""Cells that must change with one that is null, by table and column."""


@columns_where(lambda column: column.nullable)
def test_a_null_where_unknown_is_an_answer(contract, column):
    frame = broken(good_frame(contract), column.name, None)
    for name, value in WITH_NULL.get((contract.name, column.name), {}).items():
        frame = broken(frame, name, value)
    assert_frame_equal(check(frame, contract), frame)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@columns_where(lambda column: column.dtype in FLOATS)
def test_a_float_that_is_no_number(contract, column, value):
    lines = refusal(broken(good_frame(contract), column.name, value), contract)
    rule = f"{column.name}: is NaN or infinite (1 row)"
    assert_rule(lines, rule, f"row 1: {column.name}={value!r}")


@columns_where(lambda column: column.lower is not None)
def test_a_value_below_its_range(contract, column):
    value = (float if column.dtype in FLOATS else int)(column.lower - 1)
    lines = refusal(broken(good_frame(contract), column.name, value), contract)
    rule = f"{column.name}: is below {column.lower:g} (1 row)"
    assert_rule(lines, rule, f"row 1: {column.name}={value!r}")


@columns_where(lambda column: column.upper is not None)
def test_a_value_above_its_range(contract, column):
    value = column.upper + 0.5
    lines = refusal(broken(good_frame(contract), column.name, value), contract)
    rule = f"{column.name}: is above {column.upper:g} (1 row)"
    assert_rule(lines, rule, f"row 1: {column.name}={value!r}")


@columns_where(lambda column: column.allowed is not None)
def test_a_text_that_is_not_allowed(contract, column):
    lines = refusal(broken(good_frame(contract), column.name, "Nonsense"), contract)
    rule = f"{column.name}: is none of {', '.join(column.allowed)} (1 row)"
    assert_rule(lines, rule, f"row 1: {column.name}='Nonsense'")


@every_table
def test_a_repeated_key(contract):
    frame = good_frame(contract)
    row = frame.row(1, named=True)
    lines = refusal(frame.vstack(frame[1:2]), contract)
    shown = ", ".join(f"{name}={row[name]!r}" for name in contract.key)
    rule = f"{', '.join(contract.key)}: key repeats (1 row)"
    assert lines[0] == "runs/x/table: 1 problem(s)"
    assert_rule(lines, rule, f"row 1: {shown}", f"row 4: {shown}")


BREAKING = {
    (case["table"], case["rule"]): case["cells"]
    for case in json.loads((Path(__file__).parent / "breaking.json").read_text(encoding="utf-8"))
}
"""Cells of row 1 that break one rule between columns, by table and rule."""

INVARIANTS = [(t.name, i.rule) for t in TABLES.values() for i in t.invariants]


@pytest.mark.parametrize(
    ("table", "rule"), INVARIANTS, ids=[f"{table}-{rule}" for table, rule in INVARIANTS]
)
def test_a_broken_rule_between_columns(table, rule):
    contract = find_contract(f"{table}/1")
    frame = good_frame(contract)
    for column, value in BREAKING[table, rule].items():
        frame = broken(frame, column, value)
    lines = refusal(frame, contract)
    at = lines.index(f"  row: breaks '{rule}' (1 row)")
    # The row is named by its key, and the values that disagree are shown.
    row = frame.row(1, named=True)
    assert lines[at + 1].startswith("      row 1: ")
    shown = {*contract.key, *BREAKING[table, rule]}
    assert [n for n in shown if f"{n}={row[n]!r}" not in lines[at + 1]] == []


@pytest.mark.parametrize("upper", [None, 0.05])
def test_an_unbounded_interval_still_needs_its_lower_limit_below(upper):
    frame = broken(good_frame(LIFT_TABLE), "rel_lift", 0.04)
    frame = broken(frame, "rel_lift_ci_upper", upper)
    fine = broken(frame, "rel_lift_ci_lower", 0.01)
    assert_frame_equal(check(fine, LIFT_TABLE), fine)
    lines = refusal(broken(frame, "rel_lift_ci_lower", 0.045), LIFT_TABLE)
    assert "  row: breaks 'rel_lift lies in its interval' (1 row)" in lines


# The whole message


def test_all_problems_at_once_with_the_first_three_rows_of_each():
    frame = pl.DataFrame(
        {
            "experiment_id": ["e"] * 5,
            "category": ["Shoes", "Toys", "Toys", "Tea", None],
            "traffic_share": [0.2, 1.5, 1.25, 3.0, 2.0],
            "control_ctr": [0.02, float("nan"), 0.02, 0.02, 0.02],
            "treatment_ctr": [0.02] * 5,
            "rel_lift": [0.0] * 5,
        }
    )
    with pytest.raises(DataError) as caught:
        check(frame, TRAFFIC_TRUTH)
    assert str(caught.value) == (
        "traffic_truth/1: 4 problem(s)\n"
        "  category: is null (1 row)\n"
        "      row 4: category=None\n"
        "  traffic_share: is above 1 (4 rows)\n"
        "      row 1: traffic_share=1.5\n"
        "      row 2: traffic_share=1.25\n"
        "      row 3: traffic_share=3.0\n"
        "  control_ctr: is NaN or infinite (1 row)\n"
        "      row 1: control_ctr=nan\n"
        "  experiment_id, category: key repeats (1 row)\n"
        "      row 1: experiment_id='e', category='Toys'\n"
        "      row 2: experiment_id='e', category='Toys'\n"
        "format traffic_truth/1"
    )


def test_a_table_without_a_key_may_repeat_rows():
    contract = TableContract("notes", 1, "One note.", (Column("note", pl.String, "Text."),), key=())
    frame = pl.DataFrame({"note": ["a", "a"]})
    assert_frame_equal(check(frame, contract), frame)


# The set of formats


def test_identifiers():
    assert all(identifier == t.identifier for identifier, t in TABLES.items())
    assert find_contract("lift_table/1") is LIFT_TABLE


def test_unknown_formats():
    with pytest.raises(ArtifactError, match=r"'lift_table/9': this release reads lift_table/1$"):
        find_contract("lift_table/9")
    with pytest.raises(ArtifactError, match="unknown table format 'text/html': no such table"):
        find_contract("text/html")


@every_table
def test_a_contract_is_well_formed(contract):
    names = [column.name for column in contract.columns]
    assert len(set(names)) == len(names)
    assert contract.key
    assert [n for n in contract.key if n not in names] == []
    assert [c.name for c in contract.columns if c.name in contract.key and c.nullable] == []
    assert [c.name for c in contract.columns if not c.meaning.endswith(".")] == []
