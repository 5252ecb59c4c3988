"""A small log that is right, ways to write it, and ``caig lift`` as a user calls it."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from caig.cli import run
from caig.runs.store import Run


@dataclass(frozen=True)
class Outcome:
    """What one call of ``caig lift`` did."""

    code: int
    out: str
    err: str
    runs: Path

    @property
    def run(self) -> Run:
        """The run it wrote; its path is the last line printed."""
        assert self.code == 0, self.err
        return Run.open(Path(self.out.splitlines()[-1]))

    def assert_refused(self, *fragments: str) -> None:
        """Exit 2, a message that holds every fragment, no result, and nothing written."""
        assert self.code == 2, self.out + self.err
        missing = [fragment for fragment in fragments if fragment not in self.err]
        assert not missing, f"not said: {missing}\n{self.err}"
        assert self.err.startswith("caig lift: ")
        assert "Traceback" not in self.err
        assert self.out == ""
        assert not self.runs.exists()


Lift = Callable[..., Outcome]


@pytest.fixture
def lift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lift:
    """``caig lift`` in this process, with a runs folder of its own."""

    def call(*arguments: str | Path, runs: str = "runs") -> Outcome:
        root = tmp_path / runs
        capsys.readouterr()
        code = run(["lift", *map(str, arguments), "--runs", str(root)])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err, root)

    return call


@pytest.fixture
def good_log() -> pl.DataFrame:
    """40 units in two arms, two categories, three days; every unit has an impression or more."""
    n = 40
    return pl.DataFrame(
        {
            "arm": ["control" if i % 2 else "treatment" for i in range(n)],
            "unit_id": [f"u{i}" for i in range(n)],
            "category": ["shoes" if i % 4 < 2 else "hats" for i in range(n)],
            "day": [f"2026-03-0{1 + i % 3}" for i in range(n)],
            "n_clicks": [int(i % 8 < 5) for i in range(n)],
            "n_impressions": [3 + i % 3 for i in range(n)],
        }
    )


WriteLog = Callable[[pl.DataFrame, str | Path], Path]


@pytest.fixture
def write_log(tmp_path: Path) -> WriteLog:
    """Write a table as the name's suffix says, under ``tmp_path`` unless the name is absolute."""

    def write(frame: pl.DataFrame, where: str | Path) -> Path:
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.name.removesuffix(".gz")
        if name.endswith((".parquet", ".pq")):
            frame.write_parquet(path)
            return path
        if name.endswith((".ndjson", ".jsonl")):
            content = _as_ndjson(frame.to_dicts())
        else:
            content = frame.write_csv(separator="\t" if name.endswith(".tsv") else ",").encode()
        path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
        return path

    return write


def _as_ndjson(rows: Sequence[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()
