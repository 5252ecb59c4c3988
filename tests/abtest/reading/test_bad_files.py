"""Files that cannot be read, or must not be: one clear message, exit 2, and nothing written."""

import gzip
import subprocess
import sys

import polars as pl
import pytest


def test_same_file_named_twice(lift, good_log, write_log, tmp_path):
    path = write_log(good_log, "log.csv")
    said = f"{path}: is named twice; its clicks would count twice"
    lift(path, path).assert_refused(said)
    lift(tmp_path / "*.csv", path).assert_refused(said)
    lift(path, tmp_path).assert_refused(said)


def test_copy_under_another_name_in_a_glob(lift, good_log, write_log, tmp_path):
    first = write_log(good_log, "day1.csv")
    (tmp_path / "day1 (copy).csv").write_bytes(first.read_bytes())
    lift(tmp_path / "*.csv").assert_refused(
        f"has the same content as {tmp_path / 'day1 (copy).csv'}; its clicks would count twice"
    )


def test_link_to_another_file(lift, good_log, write_log, tmp_path):
    first = write_log(good_log, "a.csv")
    (tmp_path / "b.csv").symlink_to(first)
    lift(tmp_path).assert_refused(f"{tmp_path / 'b.csv'}: has the same content as {first}")


def test_file_beside_its_packed_copy(lift, good_log, write_log, tmp_path):
    first = write_log(good_log, "log.csv")
    write_log(good_log, "log.csv.gz")
    lift(tmp_path).assert_refused(f"log.csv.gz: has the same content as {first}")


CSV = b"arm,unit_id,category,n_clicks,n_impressions\n"
ROW = b"control,u1,shoes,1,3\n"
JSON = b'{"arm": "control", "unit_id": "u1", "category": "shoes", "n_clicks": 1}\n'
FILE_CASES = {  # name: (file name, content, what is said)
    "no byte, csv": ("log.csv", b"", "the file is empty"),
    "no byte, parquet": ("log.parquet", b"", "the file is empty"),
    "no byte, ndjson": ("log.ndjson", b"", "the file is empty"),
    "header only": ("log.csv", CSV, "the file has no rows"),
    "blank lines only": ("log.csv", b"\n\n", "the file is empty"),
    "blank lines only, ndjson": ("log.ndjson", b"\n\n", "the file has no rows"),
    "empty when unpacked": ("log.csv.gz", gzip.compress(b""), "the file is empty"),
    "UTF-16": ("log.csv", (CSV + ROW).decode().encode("utf-16"), "UTF-16 text; save it as UTF-8"),
    "UTF-16 without a mark": ("log.csv", (CSV + ROW).decode().encode("utf-16-le"), "UTF-16 text"),
    "latin-1": (
        "log.csv",
        CSV + ROW * 2 + "control,u1,Schön,1,3\n".encode("latin-1"),
        "not UTF-8 text: line 4, byte 15 (0xf6), near 'ntrol,u1,Schön,1,3",
    ),
    "latin-1, packed": (
        "log.tsv.gz",
        gzip.compress((CSV + "control,u1,Schön,1,3\n".encode("latin-1")).replace(b",", b"\t")),
        "not UTF-8 text: line 2, byte 15 (0xf6)",
    ),
    "latin-1 header": (
        "log.csv",
        CSV.replace(b"category", "catégory".encode("latin-1")) + ROW,
        "not UTF-8 text: line 1, byte 16 (0xe9)",
    ),
    "latin-1, ndjson": (
        "log.ndjson",
        JSON + JSON.replace(b"shoes", "Schön".encode("latin-1")),
        "not UTF-8 text: line 2, byte 53 (0xf6)",
    ),
    "gzip cut off": (
        "log.csv.gz",
        gzip.compress(CSV + ROW * 9)[:-12],
        "not readable as csv (Compressed file ended before the end-of-stream marker",
    ),
    "gzip cut off, ndjson": (
        "log.jsonl.gz",
        gzip.compress(JSON * 9)[:-12],
        "not readable as ndjson (Compressed file ended before the end-of-stream marker",
    ),
    "too many fields": (
        "log.csv",
        CSV + ROW + b"control,u1,shoes,1,3,5,7\n" + ROW,
        "rows: more fields than the header's 5 (1 row)\n"
        "      row 2 (line 3): 7 fields: 'control,u1,shoes,1,3,5,7'",
    ),
    "open quote": (
        "log.csv",
        CSV + ROW + b'control,"u1,shoes,1,3\n' + ROW,
        "line 3: quotes that do not pair up",
    ),
    "no JSON": (
        "log.ndjson",
        JSON + b"\n" + JSON[:-9] + b"\n" + JSON,
        "lines: no JSON object (1 row)\n      line 3: ",
    ),
    "no JSON after the sample": (
        "log.ndjson",
        JSON * 1500 + b"{'arm': 1}\n",
        "lines: no JSON object (1 row)\n      line 1501: \"{'arm': 1}\"",
    ),
    "JSON of no object": ("log.ndjson", JSON + b"[1, 2]\n", "line 2: '[1, 2]' (not an object)"),
    "JSON with NaN": (
        "log.ndjson",
        JSON + JSON.replace(b'"n_clicks": 1', b'"n_clicks": NaN'),
        "(NaN is no JSON)",
    ),
    "JSON with infinity": (
        "log.ndjson",
        JSON + JSON.replace(b'"n_clicks": 1', b'"n_clicks": 1e999'),
        "(1e999 is no finite number)",
    ),
    "no Parquet": ("log.parquet", CSV + ROW, "not readable as parquet ("),
    "unknown format": ("log.xlsx", CSV + ROW, "unknown log format; known: .parquet, .pq, .csv"),
}


@pytest.mark.parametrize("case", FILE_CASES)
def test_file_that_cannot_be_read(lift, tmp_path, case):
    name, content, said = FILE_CASES[case]
    path = tmp_path / name
    path.write_bytes(content)
    lift(path).assert_refused(str(path), said)


def test_parquet_without_rows(lift, good_log, write_log):
    path = write_log(good_log.clear(), "log.parquet")
    lift(path).assert_refused(f"{path}: the file has no rows")


def test_one_empty_file_among_others(lift, good_log, write_log, tmp_path):
    write_log(good_log, "a.csv")
    empty = write_log(good_log.clear(), "b.csv")
    lift(tmp_path).assert_refused(f"{empty}: the file has no rows")


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01])
def test_truncated_parquet(lift, good_log, write_log, kept):
    path = write_log(good_log, "log.parquet")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    lift(path).assert_refused(
        f"{path}: not readable as parquet", "the file is damaged, cut off, or of another format"
    )


def test_missing_file_and_pattern_without_a_match(lift, tmp_path):
    for name in ("log.csv", "*.csv", "folder/**/*.parquet"):
        path = tmp_path / name
        lift(path).assert_refused(f"{path}: no such file or folder, and no file fits it")


def test_folder_without_a_log(lift, tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    lift(tmp_path).assert_refused(f"{tmp_path}: no log in this folder; known: .parquet")


def test_no_log_named(lift):
    lift().assert_refused("name the log: caig lift LOG...")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"[design\n", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"[design]\ncontroll = 'a'\n", "design.controll: Extra inputs are not permitted"),
        (b"[analysis]\nalpha = 2\n", "analysis.alpha: Input should be less than 1 (got 2)"),
        (b"[columns]\narm = '@row'\n", 'set design.randomisation = "impression"'),
    ],
)
def test_configuration_that_cannot_be_used(lift, good_log, write_log, content, said):
    log = write_log(good_log, "log.csv")
    config = log.with_name("lift.toml")
    if content is not None:
        config.write_bytes(content)
    lift(log, "--config", config).assert_refused(str(config), said)


@pytest.mark.parametrize("kind", ["csv", "tsv.gz", "ndjson", "jsonl.gz"])
def test_byte_order_mark_changes_nothing(lift, good_log, write_log, tmp_path, kind):
    plain = write_log(good_log, f"plain.{kind}")
    packed = kind.endswith("gz")
    content = gzip.decompress(plain.read_bytes()) if packed else plain.read_bytes()
    marked = tmp_path / f"marked.{kind}"
    marked_content = b"\xef\xbb\xbf" + content
    marked.write_bytes(gzip.compress(marked_content) if packed else marked_content)
    expected = lift(plain, runs="plain").run.table("lift_table")
    assert lift(marked, runs="marked").run.table("lift_table").equals(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["truncated.parquet", "negative.csv"])
def test_as_a_process(good_log, write_log, tmp_path, name):
    path = write_log(good_log.with_columns(n_clicks=-pl.col("n_clicks")), tmp_path / name)
    if name == "truncated.parquet":
        path.write_bytes(path.read_bytes()[:-30])
    done = subprocess.run(
        [sys.executable, "-m", "caig", "lift", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("caig lift: ")
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [name]
