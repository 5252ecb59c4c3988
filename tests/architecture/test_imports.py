"""Modules that must stay cheap to import load nothing heavy: not themselves, not through others."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "diffusers", "statsmodels")
TABLES = ("polars", "numpy", "pandas", "streamlit", "altair")

LIGHT = {  # module: what it must not load
    "caig.cli": (*HEAVY, *TABLES, "scipy"),
    "caig.config": (*HEAVY, *TABLES, "scipy", "cyclopts"),
    "caig.errors": (*HEAVY, *TABLES, "scipy", "pydantic", "cyclopts"),
    "caig.text": (*HEAVY, *TABLES, "scipy", "pydantic"),
    "caig.contracts.records": (*HEAVY, *TABLES, "scipy"),
    "caig.contracts.tables": (*HEAVY, "pandas", "streamlit", "altair", "scipy"),
    "caig.runs.store": (*HEAVY, "pandas", "streamlit", "altair", "scipy"),
    "caig.runs.commands": (*HEAVY, "pandas", "streamlit", "altair", "scipy"),
    "abtest.commands": (*HEAVY, "pandas", "streamlit", "altair"),
    "abtest.cubes.commands": (*HEAVY, *TABLES, "scipy"),
    "abtest.cubes.console": (*HEAVY, "pandas", "streamlit", "altair", "jinja2", "abtest.lift"),
    "abtest.planning.commands": (*HEAVY, "pandas", "streamlit", "altair"),
    "abtest.simulation.commands": (*HEAVY, "pandas", "streamlit", "altair"),
    "abtest.config": (*HEAVY, *TABLES, "scipy"),
    "abtest.from_engine": (*HEAVY, "narwhals", "duckdb", "pyspark", "ibis"),
    "evaluation.commands": (*HEAVY, *TABLES, "scipy"),
    "evaluation.config": (*HEAVY, *TABLES, "scipy"),
    "evaluation.judge.commands": (*HEAVY, *TABLES, "scipy", "openai", "anthropic"),
    "evaluation.judge.config": (*HEAVY, *TABLES, "scipy", "openai", "anthropic"),
    "caig.data.commands": (*HEAVY, *TABLES, "scipy", "PIL", "cv2"),
    "caig.data.config": (*HEAVY, *TABLES, "scipy", "PIL", "cv2"),
    "caig.generation.commands": (*HEAVY, *TABLES, "cv2"),
    "caig.generation.config": (*HEAVY, *TABLES, "cv2"),
    "reference_models.registry": (*HEAVY, "PIL", "openai", "anthropic"),
    "reference_models.baselines_commands": (*HEAVY, "PIL", "openai", "anthropic"),
    "reference_models.diffusion.commands": (*HEAVY, "skia", "cv2", "PIL"),
    "reference_models.diffusion.config": (*HEAVY, "skia", "cv2", "PIL"),
    "reference_models.shop.config": (*HEAVY, "skia", "cv2", "PIL"),
    "caig.preference.commands": (*HEAVY, *TABLES, "scipy"),
    "caig.preference.config": (*HEAVY, *TABLES, "scipy"),
    "caig.mllm.commands": (*HEAVY, *TABLES, "scipy"),
    "caig.mllm.config": (*HEAVY, *TABLES, "scipy"),
    "reference_models.commands": (*HEAVY, "pandas", "streamlit", "altair"),
    "dashboards.commands": (*HEAVY, "abtest", "evaluation", "reference_models"),
    "dashboards.charts": (*HEAVY, "abtest", "evaluation", "reference_models"),
}


def loaded_by(module, names):
    script = f"import sys, {module}; print(*[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(("module", "forbidden"), LIGHT.items(), ids=list(LIGHT))
def test_a_light_module_loads_nothing_heavy(module, forbidden):
    assert loaded_by(module, forbidden) == []


def test_the_test_can_fail():
    assert loaded_by("caig.runs.store", ("polars", "torch")) == ["polars"]
