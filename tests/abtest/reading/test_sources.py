"""Which files a log is, and reading them in batches."""

import contextlib
import gzip
import hashlib
import os
import random
from datetime import date

import polars as pl
import pytest

from abtest.reading.sources import batches, column_types, expected_rows, find_log
from caig.config import Config
from caig.contracts.experiments import IMPRESSION_LOG, TRAFFIC_TRUTH
from caig.errors import ArtifactError, DataError
from caig.runs.store import RunWriter

TEXT_FORMATS = ("csv", "csv.gz", "tsv", "tsv.gz", "ndjson", "ndjson.gz", "jsonl", "jsonl.gz")


class Settings(Config):
    """Of a run that a test writes."""


@pytest.fixture
def impressions():
    """A minimal ``impression_log/1``."""
    n = 12
    return pl.DataFrame(
        {
            "experiment_id": ["e"] * n,
            "day": [date(2026, 3, 1)] * n,
            "arm": ["control", "treatment"] * (n // 2),
            "unit_id": [f"u{i}" for i in range(n)],
            "unit_kind": ["user"] * n,
            "creative_id": ["c"] * n,
            "product_id": ["p"] * n,
            "category": ["shoes"] * n,
            "n_impressions": [2] * n,
            "n_clicks": [1] * n,
        }
    )


@pytest.fixture
def write_run(tmp_path):
    def write(log):
        with RunWriter(tmp_path / "made", "make-data", Settings()) as run:
            run.write_table(IMPRESSION_LOG, log)
            truth = pl.DataFrame(
                [("e", "shoes", 1.0, 0.1, 0.1, 0.0)], TRAFFIC_TRUTH.schema, orient="row"
            )
            run.write_table(TRAFFIC_TRUTH, truth)
        return run.path

    return write


def found(tmp_path, *names):
    """Paths found, relative to ``tmp_path``."""
    return [
        str(f.path.relative_to(tmp_path))
        for f in find_log([str(tmp_path / n) for n in names]).files
    ]


@pytest.fixture
def tree(tmp_path, good_log, write_log):
    """Parts of a log in folders, beside what is none of it."""
    names = (
        "a.csv",
        "b.csv",
        "sub/c.csv",
        "sub/deep/d.csv",
        "_old/e.csv",
        ".cache/f.csv",
        "_g.csv",
    )
    for i, name in enumerate(names):
        write_log(good_log[i:], name)
    (tmp_path / "notes.txt").write_text("no log")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b.csv", "a.csv"], ["b.csv", "a.csv"]),
        (["."], ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]),
        (["sub", "a.csv"], ["sub/c.csv", "sub/deep/d.csv", "a.csv"]),
        (["[ab].csv"], ["a.csv", "b.csv"]),
        (["sub/*.csv"], ["sub/c.csv"]),
        (["sub/**/*.csv"], ["sub/c.csv", "sub/deep/d.csv"]),
        (["sub/**"], ["sub/c.csv", "sub/deep/d.csv"]),
        (["s?b"], ["sub/c.csv", "sub/deep/d.csv"]),
        (["_g.csv"], ["_g.csv"]),
    ],
)
def test_names(tree, names, expected):
    assert found(tree, *names) == expected


def test_name_with_pattern_characters_is_a_file_first(good_log, write_log, tmp_path):
    write_log(good_log, "log[1].csv")
    write_log(good_log[1:], "log1.csv")
    assert found(tmp_path, "log[1].csv") == ["log[1].csv"]


def test_folder_called_like_a_file(good_log, write_log, tmp_path):
    write_log(good_log, "out/log.parquet/part-0.parquet")
    (tmp_path / "out" / "log.parquet" / "_SUCCESS").touch()
    assert found(tmp_path, "out") == ["out/log.parquet/part-0.parquet"]


def test_linked_folder_is_not_followed_into_a_loop(good_log, write_log, tmp_path):
    write_log(good_log, "logs/a.csv")
    (tmp_path / "logs" / "self").symlink_to(tmp_path / "logs")
    assert found(tmp_path, "logs") == ["logs/a.csv"]


def test_suffixes_in_capitals(good_log, write_log, tmp_path):
    path = write_log(good_log, "log.csv").rename(tmp_path / "LOG.CSV")
    (log,) = find_log([str(path)]).files
    assert log.format == "csv"


def test_files_are_recorded_with_checksum_and_size(good_log, write_log):
    path = write_log(good_log, "log.csv")
    (file,) = find_log([str(path)]).outside_runs
    content = path.read_bytes()
    assert file.path == str(path)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.n_bytes == len(content)


# Runs --------------------------------------------------------------------------------------------


def test_run_folder_gives_its_impression_log_and_lineage(impressions, write_run):
    run = write_run(impressions)
    source = find_log([str(run)])
    assert [file.path for file in source.files] == [run / "impression_log.parquet"]
    assert {role: used.run_id for role, used in source.runs.items()} == {"impression_log": run.name}
    assert source.outside_runs == ()


def test_several_runs_by_pattern_beside_a_file(impressions, write_run, write_log):
    first, second = write_run(impressions[:6]), write_run(impressions[6:])
    extra = write_log(impressions.with_columns(experiment_id=pl.lit("f")), "extra.parquet")
    source = find_log([str(first.parent / "*"), str(extra)])
    expected = sorted((first, second))
    assert [run.path for run in source.runs.values()] == expected
    assert list(source.runs) == ["impression_log", "impression_log_2"]
    assert [file.path for file in source.outside_runs] == [str(extra)]


def test_run_without_an_impression_log(tmp_path):
    with RunWriter(tmp_path / "made", "other", Settings()) as run:
        pass
    with pytest.raises(ArtifactError, match="no artifact 'impression_log'; it has: config, log"):
        find_log([str(run.path)])


def test_altered_run(impressions, write_run):
    run = write_run(impressions)
    log = run / "impression_log.parquet"
    log.chmod(0o644)
    impressions[1:].write_parquet(log)
    with pytest.raises(ArtifactError, match=r"is not what its run wrote.*caig runs verify"):
        find_log([str(run)])


def failed_run(root, log):
    run = RunWriter(root, "make-data", Settings())
    with contextlib.suppress(RuntimeError), run:
        run.write_table(IMPRESSION_LOG, log)
        raise RuntimeError
    return run.path


def test_failed_run_is_no_log_however_it_is_named(impressions, tmp_path):
    run = failed_run(tmp_path / "made", impressions)
    for name in (run, run / "impression_log.parquet", run.parent, run.parent / "*/*.parquet"):
        with pytest.raises(ArtifactError, match="unfinished or failed run"):
            find_log([str(name)])


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*TEXT_FORMATS, "parquet", "pq"])
@pytest.mark.parametrize("batch_rows", [1, 7, 40, 1000])
def test_batches_hold_every_row_once_in_order(good_log, write_log, kind, batch_rows):
    (file,) = find_log([str(write_log(good_log, f"log.{kind}"))]).files
    parts = list(batches(file, ["unit_id", "n_clicks"], batch_rows))
    assert all(part.height <= batch_rows for part in parts)
    rows = pl.concat(parts)
    assert rows["__row__"].to_list() == list(range(1, 41))
    assert rows["unit_id"].to_list() == [f"u{i}" for i in range(40)]
    assert rows["n_clicks"].cast(pl.Int64).to_list() == good_log["n_clicks"].to_list()


@pytest.mark.parametrize("kind", TEXT_FORMATS)
def test_text_formats_are_read_as_text(good_log, write_log, kind):
    (file,) = find_log([str(write_log(good_log, f"log.{kind}"))]).files
    assert column_types(file) == dict.fromkeys(good_log.columns, pl.String)


def test_csv_with_quotes_line_breaks_and_windows_line_ends(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b'arm,category\r\ncontrol,"a,b"\r\ntreatment,"c ""d""\r\ne"\r\n')
    (file,) = find_log([str(path)]).files
    (batch,) = batches(file, ["arm", "category"], 10)
    assert batch["category"].to_list() == ["a,b", 'c "d"\r\ne']


def test_ndjson_values_of_any_kind_become_text(tmp_path):
    path = tmp_path / "log.ndjson"
    path.write_text(
        '{"n": 1, "arm": "\\u00e9"}\n\n{"n": "2"}\n{"arm": null, "n": 9007199254740993}\n'
        '{"n": true, "other": [1]}\n{"n": 0.5}\n'
    )
    (file,) = find_log([str(path)]).files
    (batch,) = batches(file, ["arm", "n"], 10)
    assert batch["n"].to_list() == ["1", "2", "9007199254740993", "true", "0.5"]
    assert batch["arm"].to_list() == ["\N{LATIN SMALL LETTER E WITH ACUTE}", *[None] * 4]


def test_gzip_is_known_by_its_content_not_by_its_name(good_log, write_log, tmp_path):
    packed = tmp_path / "packed.csv"
    packed.write_bytes(gzip.compress(write_log(good_log, "a.csv").read_bytes()))
    (file,) = find_log([str(packed)]).files
    assert pl.concat(batches(file, ["arm"], 100)).height == 40
    assert expected_rows(file) is None


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_expected_rows(write_log, kind):
    frame = pl.DataFrame({"arm": ["control"] * 20_000, "n": [1] * 20_000})
    (file,) = find_log([str(write_log(frame, f"log.{kind}"))]).files
    assert expected_rows(file) == pytest.approx(20_000, rel=0 if kind == "parquet" else 0.01)


def test_expected_rows_of_a_damaged_file(good_log, write_log):
    path = write_log(good_log, "log.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    (file,) = find_log([str(path)]).files
    with pytest.raises(DataError, match="not readable as parquet"):
        expected_rows(file)


@pytest.mark.slow
def test_damaged_parquet_is_never_read_in_part(write_log, capfd):
    """Flipped bits either leave every row in place or are refused; no row group is lost unsaid."""
    n = 3_000
    frame = pl.DataFrame({"arm": ["a", "b"] * (n // 2), "n": [i * 7919 % 1000 for i in range(n)]})
    path = write_log(frame, "log.parquet")
    frame.write_parquet(path, row_group_size=500)
    content = path.read_bytes()
    rng = random.Random(1)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        damaged = bytearray(content)
        # Most damage must hit the footer, where the row groups are described.
        for place in (rng.randrange(len(content)), len(content) - 1 - rng.randrange(600)):
            damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            (file,) = find_log([str(path)]).files
            column_types(file)
            height = sum(part.height for part in batches(file, ["arm", "n"], 1000))
        except DataError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert height == n
    capfd.readouterr()  # the reader's own complaints
    assert outcomes["refused"] > 100
    assert outcomes["read"] > 20


def test_unreadable_file(good_log, write_log):
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = write_log(good_log, "log.csv")
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        find_log([str(path)])
