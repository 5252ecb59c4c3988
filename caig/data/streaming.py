"""Tables that do not fit into memory: written in checked pieces, read the same way.

One Parquet file results, so that the table is an artifact as any other, and ``Run.table`` reads it
whole where it does fit.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from caig.contracts.table import TableContract, check
from caig.contracts.tables import find_contract
from caig.errors import ArtifactError
from caig.runs.store import Run, RunWriter

ROW_GROUP = 1 << 17
"""Rows of a row group: what a reader has to hold at once."""


def write_batches(run: RunWriter, contract: TableContract, batches: Iterable[pl.DataFrame]) -> int:
    """Write a table batch by batch.

    Args:
        run: Run being written.
        contract: Format of the table. Its key is checked within a batch; that no key is in two
            batches is for the caller to see to.
        batches: Its rows, in order.

    Returns:
        Rows written (count).

    Raises:
        DataError: A batch breaks the contract.
    """
    relative = f"{contract.name}.parquet"
    pieces = run.path / f".{contract.name}.pieces"
    pieces.mkdir()
    n_rows = 0
    try:
        contract.empty().write_parquet(pieces / "empty.parquet")
        for number, batch in enumerate(batches):
            checked = check(batch, contract, source=f"{run.run_id}/{contract.name}")
            checked.write_parquet(pieces / f"{number:08}.parquet", compression="zstd")
            n_rows += checked.height
        files = sorted(pieces.iterdir())
        pl.scan_parquet(files, glob=False).sink_parquet(
            run.path / relative, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True
        )
    finally:
        shutil.rmtree(pieces)
    run.adopt_table(contract, relative, n_rows)
    return n_rows


def scan_table(run: Run, name: str) -> pl.LazyFrame:
    """A table of a run, lazily. Its columns are checked; its values were when it was written.

    Args:
        run: Complete run.
        name: Artifact.

    Raises:
        ArtifactError: No such artifact, an unknown format, or a file that is not what it says.
    """
    path = run.file(name)
    contract = find_contract(run.manifest.artifacts[name].format)
    lazy = pl.scan_parquet(path, glob=False)
    try:
        found = lazy.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ArtifactError(f"{path}: not readable as Parquet: {error}") from None
    if found != contract.schema:
        raise ArtifactError(
            f"{path}: its columns are not those of {contract.identifier}; "
            f"see: caig runs verify {run.run_id} --runs {run.path.parent}"
        )
    return lazy


def table_batches(
    run: Run, name: str, *, columns: Sequence[str] = (), batch_rows: int = ROW_GROUP
) -> Iterator[pl.DataFrame]:
    """Rows of a table in order, a batch at a time, every batch checked against its contract.

    Args:
        run: Complete run.
        name: Artifact.
        columns: Columns to keep; all by default.
        batch_rows: Rows of a batch.

    Raises:
        ArtifactError: As by :func:`scan_table`.
        DataError: A batch breaks the contract.
    """
    lazy = scan_table(run, name)
    contract = find_contract(run.manifest.artifacts[name].format)
    for batch in lazy.collect_batches(chunk_size=batch_rows, maintain_order=True):
        checked = check(batch, contract, source=str(run.file(name)))
        yield checked.select(columns) if columns else checked
