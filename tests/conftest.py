"""What all tests share: where real data lie, and reproducible property tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Nets of the tests are small: threads only get in each other's way. Read when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every machine and every day: a red test is then a change of the code.
settings.register_profile("caig", deadline=None, derandomize=True)
settings.load_profile("caig")


def _real_data() -> Path:
    return Path(os.environ.get("CAIG_REAL_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def _main_module_stays() -> Iterator[None]:
    """A page that is run in a test takes the place of the main module, and leaves it so.

    New processes begin by loading the main module: they would die of it in a later test.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_data") and not _real_data().is_dir():
        pytest.skip(
            f"no public logs in {_real_data()}; set CAIG_REAL_DATA to a folder that has them"
        )


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder of public logs, for tests marked ``real_data``; those are skipped without it."""
    return _real_data()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return ROOT
