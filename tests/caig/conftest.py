"""A small run, and a way to make more of them."""

import polars as pl
import pytest

from caig.config import Config
from caig.contracts.experiments import TRAFFIC_TRUTH
from caig.runs.store import Run, RunWriter


class Settings(Config):
    alpha: float = 0.05
    """Level."""
    name: str = "x"
    """Name."""


@pytest.fixture
def settings():
    """A configuration of which one key was stated."""
    return Settings(alpha=0.1)


@pytest.fixture
def truth():
    """A table of two rows that keeps its contract."""
    return pl.DataFrame(
        [
            ("e", "Shoes", 0.25, 0.02, 0.03, 0.5),
            ("e", "Toys", 0.75, 0.04, 0.04, 0.0),
        ],
        schema=TRAFFIC_TRUTH.schema,
        orient="row",
    )


@pytest.fixture
def make_run(tmp_path, settings, truth):
    """Writes a run under ``tmp_path / "runs"`` and opens it."""

    def make(verb="make-data", **keywords):
        with RunWriter(tmp_path / "runs", verb, settings, **keywords) as run:
            run.write_table(TRAFFIC_TRUTH, truth)
            run.write_text("report", "report.md", "# Lift\n", "text/markdown")
            run.add_metric("clicks", 1_234_567)
            run.add_metric("rel_lift", 0.0425)
        return Run.open(run.path)

    return make
