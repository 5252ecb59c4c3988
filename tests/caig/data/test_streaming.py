"""Tables in batches: the same as whole ones, checked, and nothing left behind."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.config import Config
from caig.contracts.creatives import CREATIVE_COUNTS
from caig.data.streaming import scan_table, table_batches, write_batches
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter

COUNTS = pl.DataFrame(
    {
        "creative_id": [f"c{n:04}" for n in range(1000)],
        "n_impressions": range(1000),
        "n_clicks": [0] * 1000,
    },
    schema=CREATIVE_COUNTS.schema,
)


def written(root, batches):
    with RunWriter(root, "test", Config()) as run:
        write_batches(run, CREATIVE_COUNTS, batches)
    return Run.open(run.path)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_batches_make_one_table(tmp_path, rows):
    some = COUNTS.head(20 * rows)
    run = written(tmp_path, some.iter_slices(rows))
    assert_frame_equal(run.table("creative_counts"), some)
    assert run.manifest.artifacts["creative_counts"].n_rows == some.height
    assert_frame_equal(pl.concat(table_batches(run, "creative_counts", batch_rows=64)), some)
    assert run.problems() == []
    names = {path.name for path in run.path.iterdir()}
    assert names == {"creative_counts.parquet", "config.toml", "log.jsonl", "manifest.json"}


def test_no_batches_make_an_empty_table(tmp_path):
    assert_frame_equal(written(tmp_path, []).table("creative_counts"), CREATIVE_COUNTS.empty())


def test_some_columns_of_batches(tmp_path):
    run = written(tmp_path, [COUNTS])
    batch = next(table_batches(run, "creative_counts", columns=["n_clicks"]))
    assert batch.columns == ["n_clicks"]


def test_a_wrong_batch_is_refused_and_leaves_no_run(tmp_path):
    wrong = COUNTS.with_columns(n_clicks=pl.col("n_impressions") + 1)
    with pytest.raises(DataError, match="n_clicks <= n_impressions"):
        written(tmp_path, [COUNTS, wrong])
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "config.toml",
        "log.jsonl",
        "manifest.partial.json",
    }


def test_a_table_that_was_changed(tmp_path):
    run = written(tmp_path, [COUNTS])
    file = run.file("creative_counts")
    file.chmod(0o644)
    COUNTS.with_columns(n_clicks=pl.lit(-1, pl.Int64)).write_parquet(file)
    with pytest.raises(DataError, match="n_clicks: is below 0"):
        list(table_batches(run, "creative_counts"))
    COUNTS.drop("n_clicks").write_parquet(file)
    with pytest.raises(ArtifactError, match="its columns are not those of creative_counts/1"):
        scan_table(run, "creative_counts")
    file.write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="not readable as Parquet"):
        scan_table(run, "creative_counts")
    with pytest.raises(ArtifactError, match="no artifact 'products'"):
        next(table_batches(run, "products"))
