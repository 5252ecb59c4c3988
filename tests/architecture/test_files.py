"""Rules about files that no linter knows."""

import ast
import importlib
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGES = ("caig", "abtest", "evaluation", "dashboards", "reference_models")
ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE_FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))

MAX_LINES = 400
# Python 3.12 has tokens for the parts of an f-string.
STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}

NOT_ASCII = {  # file: which signs that have no ASCII form people see because of it
    "abtest/reporting/figures.py": "an ellipsis where a label is cut",
    "dashboards/charts.py": "arrows beside the words of an axis",
    "dashboards/components.py": "a dot between facts of one line",
    "dashboards/phrases.py": "marks of verdicts, told apart without colour",
    "dashboards/picker.py": "a dot between facts of one line",
}


def relative(file):
    return str(file.relative_to(ROOT))


every_file = pytest.mark.parametrize("file", PACKAGE_FILES + TEST_FILES, ids=relative)
every_package = pytest.mark.parametrize("package", PACKAGES)


@every_file
def test_a_file_is_short(file):
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{lines} lines; the second idea leaves"


@pytest.mark.parametrize("file", PACKAGE_FILES, ids=relative)
def test_a_module_says_what_it_is_for(file):
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


@every_file
def test_code_is_ascii(file):
    with file.open("rb") as source:
        foreign = [t for t in tokenize.tokenize(source.readline) if not t.string.isascii()]
    if relative(file) in NOT_ASCII:
        assert foreign, "all is ASCII; strike the file from NOT_ASCII"
    # Texts of tests repeat what people see, and what foreign files hold.
    if relative(file) in NOT_ASCII or file in TEST_FILES:
        foreign = [token for token in foreign if token.type not in STRINGS]
    found = [f"{relative(file)}:{token.start[0]}: {token.string!a}" for token in foreign]
    assert found == [], r"write \N{NAME}, or give the reason in NOT_ASCII"


@every_package
def test_the_five_packages_are_there_and_typed(package):
    module = importlib.import_module(package)
    assert Path(module.__file__) == ROOT / package / "__init__.py"
    assert (ROOT / package / "py.typed").is_file()


def test_tests_are_no_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_dashboards_shadow_no_module():
    # Streamlit puts the folder of its script first on sys.path: a file there hides a package of
    # its name for the whole process. A folder named pages would start its own page discovery.
    names = {entry.name.removesuffix(".py") for entry in (ROOT / "dashboards").iterdir()}
    assert names & {*PACKAGES, *sys.stdlib_module_names, "pages"} == set()
