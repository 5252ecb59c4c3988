"""The journal of a generation: which pictures are painted, so that a killed run can go on.

A batch's line is written after its pictures are durable, and is durable before the next batch is
begun. So a batch is in the journal, whole, or it is painted again, with the same outcome; a torn
last line is left out. The batches are the same however often a run was cut off.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from caig.contracts.creatives import CREATIVES

JOURNAL = "creatives.partial.jsonl"
TABLE = f"{CREATIVES.name}.parquet"


class Journal:
    """A journal being written; a context manager.

    Args:
        run: Folder of the run.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / JOURNAL
        self._file = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, creatives: pl.DataFrame) -> None:
        """Record a batch whose pictures are durable."""
        self._file.write(json.dumps(creatives.to_dicts()) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_journal(run: Path) -> pl.DataFrame:
    """What a run has painted, cut off or complete: ``creatives/1``, in no order to rely on."""
    path = run / JOURNAL
    if not path.is_file():
        table = run / TABLE
        return pl.read_parquet(table) if table.is_file() else CREATIVES.empty()
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows += json.loads(line)
    found = pl.DataFrame(rows, schema=CREATIVES.schema)
    return found.unique("sample_id", keep="first", maintain_order=True)


def remaining_batches(
    prompts: pl.DataFrame, done: pl.DataFrame, size: int
) -> Iterator[pl.DataFrame]:
    """Batches that are not done; where batches begin does not depend on what is done."""
    painted = set(done["sample_id"])
    for batch in prompts.iter_slices(size):
        if not painted.issuperset(batch["prompt_id"]):
            yield batch
