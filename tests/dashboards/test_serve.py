"""``caig dashboard``: what it refuses, how it starts, and how it ends."""

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from caig.errors import CaigError, PrerequisiteError
from dashboards import commands

Served = Callable[[Path], AbstractContextManager[Any]]


def _caig(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "caig", "dashboard", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines that would have replaced this process."""
    commands_: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, command: commands_.append(command))
    return commands_


def test_missing_folder_is_an_error(tmp_path: Path, replaced: list[list[str]]) -> None:
    with pytest.raises(CaigError, match="no such folder"):
        commands.serve(tmp_path / "nowhere")
    assert replaced == []


def test_taken_port_is_an_error(tmp_path: Path, replaced: list[list[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CaigError, match=rf"127\.0\.0\.1:{port}.*--port"):
            commands.serve(tmp_path, port=port)
    assert replaced == []
    commands.serve(tmp_path, port=port)
    assert len(replaced) == 1, "free again"


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_impossible_port_is_an_error(tmp_path: Path, port: int) -> None:
    with pytest.raises(CaigError, match="from 1 to 65535"):
        commands.serve(tmp_path, port=port)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"the dashboard needs .*\[dashboard\]"):
        commands.serve(tmp_path)


def test_server_stays_on_this_machine(tmp_path: Path, replaced: list[list[str]]) -> None:
    commands.serve(tmp_path, port=8599, open_browser=False)
    (words,) = replaced
    assert words[-2:] == ["--", str(tmp_path.resolve())]
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.headless=true" in words
    assert Path(words[words.index("run") + 1]).name == "app.py"


def test_folder_may_be_named_in_two_ways(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    for words in ((missing,), ("--runs", missing)):
        done = _caig(*words)
        assert done.returncode == 2
        assert done.stderr.startswith(f"caig dashboard: {missing}: no such folder")
        assert "Traceback" not in done.stderr


def test_help_lists_what_it_takes() -> None:
    done = _caig("--help")
    assert done.returncode == 0
    for word in ("RUNS --runs", "--port", "--no-open-browser", "Folder of all runs."):
        assert word in done.stdout


def test_interrupt_ends_it_cleanly(make_run: Callable[..., Path], served: Served) -> None:
    root = make_run().parent
    with served(root) as server:
        with urllib.request.urlopen(f"{server.url}/") as answer:
            assert answer.status == 200
        server.process.send_signal(signal.SIGINT)
        said, _ = server.process.communicate(timeout=20)
        assert server.process.returncode == 0
    assert f"Dashboard on {root}: {server.url}" in said
    assert "Traceback" not in said
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url)


def test_no_file_hides_a_package(repository: Path) -> None:
    """Streamlit puts this folder first on the module path; names in it hide others'."""
    import tomllib

    project = tomllib.loads((repository / "pyproject.toml").read_text())
    ours = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    depended = {"streamlit", "altair", "polars", "numpy", "scipy", "pydantic", "jinja2", "rich"}
    names = {path.stem for path in (repository / "dashboards").iterdir() if path.suffix != ".svg"}
    assert names & (set(sys.stdlib_module_names) | ours | depended) == set()
    assert "pages" not in names, "Streamlit would take it for its old kind of pages"
