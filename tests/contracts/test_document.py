"""docs/contracts.md says what the contracts say."""

import runpy

import pytest

from caig.contracts import document
from caig.contracts.document import contracts_page
from caig.contracts.records import RECORDS
from caig.contracts.tables import TABLES


def section(heading):
    start = contracts_page().index(f"\n### {heading}\n")
    text = contracts_page()[start + 1 :]
    return text[: text.find("\n##", 1)]


def test_the_page_is_up_to_date(repository):
    written = (repository / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert written == contracts_page(), "docs/contracts.md is out of date; run: make docs"


def test_the_module_prints_the_page(capsys):
    runpy.run_path(document.__file__, run_name="__main__")
    assert capsys.readouterr().out == contracts_page()


@pytest.mark.parametrize("identifier", [*TABLES, *RECORDS])
def test_every_format_is_listed_and_has_a_section(identifier):
    assert f"\n| [`{identifier}`](#{identifier.replace('/', '')}) | " in contracts_page()
    assert contracts_page().count(f"\n### `{identifier}`\n") == 1


@pytest.mark.parametrize("contract", TABLES.values(), ids=list(TABLES))
def test_a_table_section_has_every_column_and_rule(contract):
    text = section(f"`{contract.identifier}`")
    for column in contract.columns:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{column.name}` |")]
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert cells[1] == str(contract.schema[column.name])
        assert cells[2] == ("yes" if column.nullable else "")
        assert [value for value in column.allowed or () if f"`{value}`" not in cells[3]] == []
    assert text.count("\n- ") == len(contract.invariants)


def test_rows_of_a_table_word_for_word():
    text = section("`lift_table/1`")
    assert "\n| `p_value` | Float64 | yes | 0 to 1 | Two-sided, of no lift. |\n" in text
    assert "\n| `impressions_control` | Int64 |  | at least 0 | Impressions in control" in text
    assert "the overall row has category `__all__`." in text
    assert "\nKey: `experiment_id`, `category`, `contrast`.\n" in text
    assert "| `logp_sum` | Float64 |  | at most 0 |" in section("`prompt_samples/1`")


def test_rows_of_a_record_word_for_word():
    text = section("`run/1`")
    assert "| `format` | text |  | yes | `run/1` | Format identifier. |" in text
    assert "| `artifacts` | object of [Artifact](#artifact), by name |" in text
    assert "| `files` | list of [FileInput](#fileinput) |" in text
    assert "| `config` | object |" in text
    assert "| `sha256` | text |  |  | `^[0-9a-f]{64}$` | SHA-256 of" in section("Artifact")
    assert "| `started_at` | time (ISO 8601) |" in text


def test_nested_records_are_described_once():
    for part in ("Artifact", "ArtifactRef", "CodeVersion", "Environment", "FileInput"):
        assert contracts_page().count(f"\n### {part}\n") == 1
    assert "| `dirty` | true or false | yes | yes |" in section("CodeVersion")


def test_the_roles():
    roles = contracts_page().partition("\n## Roles\n")[2]
    found = [line.split("**")[1] for line in roles.splitlines() if line.startswith("- **")]
    assert found == ["PairScorer", "PromptPolicy", "CreativeGenerator"]
    assert "- **PromptPolicy** (`sample_prompts`): Writes background prompts" in roles
