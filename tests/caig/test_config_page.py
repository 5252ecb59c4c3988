"""docs/configuration.md says what the configuration classes say."""

from pathlib import Path

from caig.config_page import config_page

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == config_page(), "run `make docs`"


def test_every_key_has_a_meaning():
    rows = [line for line in config_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert all(len(line.split(" | ")[2].strip(" |")) > 10 for line in rows)
