"""Pages that are generated are up to date, and no page points at a file that is not there."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

from caig.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    *(page for name in ("README", "CONTRIBUTING", "CHANGELOG") for page in ROOT.glob(f"{name}.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

# What `make docs` does: (module, page it prints).
GENERATED = re.findall(
    r"^\t\S+ -m (\S+) > docs/\.page && mv docs/\.page (\S+)$",
    (ROOT / "Makefile").read_text(encoding="utf-8"),
    re.MULTILINE,
)

CODE_BLOCK = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)


def links(markdown):
    """Targets of a page's links that are files: no addresses, no places on the same page."""
    prose = CODE_SPAN.sub("", CODE_BLOCK.sub("", markdown))
    targets = [first or second for first, second in LINK.findall(prose)]
    files = [target.partition("#")[0] for target in targets if "://" not in target]
    return [file for file in files if file and not file.startswith("mailto:")]


@pytest.mark.parametrize(("module", "page"), GENERATED, ids=[page for _, page in GENERATED])
def test_a_generated_page_is_up_to_date(module, page, capsys):
    runpy.run_path(importlib.util.find_spec(module).origin, run_name="__main__")
    written = (ROOT / page).read_text(encoding="utf-8")
    assert written == capsys.readouterr().out, f"{page} is out of date; run: make docs"


def test_make_docs_writes_the_pages():
    expected = {"docs/cli.md", "docs/configuration.md", "docs/contracts.md"}
    assert {page for _, page in GENERATED} == expected


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_a_section(verb):
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page.count(f"\n## caig {verb}\n") == 1
    assert f"\n```console\ncaig {verb}" in page


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_says_how_to_begin(command):
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    found = links(page.read_text(encoding="utf-8"))
    assert [file for file in found if not (page.parent / file).exists()] == []


def test_links_are_found():
    markdown = (
        "[a](docs/a.md) ![b](b.svg 'x') [c](https://example.org/c.md) [d](#d) [e](e.md#part)\n"
        "`[f](f.md)`\n```\n[g](g.md)\n```\n[h](mailto:h@example.org) [i](<i.md>)\n[j]: j.md\n"
    )
    assert links(markdown) == ["docs/a.md", "b.svg", "e.md", "i.md", "j.md"]
