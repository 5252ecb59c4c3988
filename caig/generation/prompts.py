"""What to paint: prompts from a text, a CSV file, or a run of a prompt model."""

from pathlib import Path

import polars as pl

from caig.contracts.creatives import PROMPTS
from caig.contracts.records import FileInput
from caig.contracts.table import check
from caig.errors import CaigError, DataError, Problem
from caig.runs.files import sha256_file
from caig.runs.store import Run

COMMAND_LINE = "command line"
SHOWN = 3


def read_prompts(
    products: pl.DataFrame, *, text: str | None = None, source: Path | None = None
) -> tuple[pl.DataFrame, tuple[FileInput, ...], dict[str, Run]]:
    """The prompts of a generation, and what they come from.

    Args:
        products: ``products/1``.
        text: One prompt for every product.
        source: A CSV file with a column prompt and, as wanted, product_id and prompt_id; without
            product_id, every prompt is for every product. Or a run folder with prompt_samples.

    Returns:
        ``prompts/1``; files and runs that were read.

    Raises:
        CaigError: Neither or both of ``text`` and ``source`` are given.
        DataError: A column is missing, a prompt is empty, or a product is unknown or has no
            cut-out.
    """
    if (text is None) == (source is None):
        raise CaigError("say what to paint: --prompt TEXT, or --prompts FILE.csv or a run folder")
    files: tuple[FileInput, ...] = ()
    runs: dict[str, Run] = {}
    if source is None:
        frame = _for_all(products, pl.DataFrame({"prompt": [text]}), COMMAND_LINE)
    elif source.is_dir():
        run = Run.open(source)
        runs["prompts"] = run
        frame = run.table("prompt_samples").select(
            pl.col("sample_id").alias("prompt_id"),
            "product_id",
            pl.col("prompt_clean").alias("prompt"),
            pl.lit(run.run_id).alias("source"),
        )
        # A model may write nothing; there is nothing to paint then.
        frame = frame.filter(pl.col("prompt").str.strip_chars() != "")
    else:
        frame = _from_csv(products, source)
        size = source.stat().st_size
        files = (FileInput(path=str(source), sha256=sha256_file(source), n_bytes=size),)
    named = str(source or COMMAND_LINE)
    one_line = pl.col("prompt").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
    frame = frame.with_columns(one_line)
    _refuse_unusable(frame, products, named)
    return check(frame, PROMPTS, source=named), files, runs


def _from_csv(products: pl.DataFrame, file: Path) -> pl.DataFrame:
    try:
        found = pl.read_csv(file, infer_schema=False)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file or run folder") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file}: not readable as CSV: {error}") from None
    if "prompt" not in found.columns:
        raise DataError.from_missing_columns(str(file), ["prompt"], found.columns)
    if "product_id" not in found.columns:
        return _for_all(products, found, file.name)
    if "prompt_id" not in found.columns:
        number = pl.int_range(pl.len()).over("product_id").cast(pl.String)
        found = found.with_columns((pl.col("product_id") + "-" + number).alias("prompt_id"))
    return found.select("prompt_id", "product_id", "prompt", pl.lit(file.name).alias("source"))


def _for_all(products: pl.DataFrame, prompts: pl.DataFrame, source: str) -> pl.DataFrame:
    """Every prompt for every product, those of one product together."""
    numbered = prompts.select("prompt").with_row_index("number")
    return (
        products.select("product_id")
        .join(numbered, how="cross")
        .select(
            (pl.col("product_id") + "-" + pl.col("number").cast(pl.String)).alias("prompt_id"),
            "product_id",
            "prompt",
            pl.lit(source).alias("source"),
        )
    )


def _refuse_unusable(prompts: pl.DataFrame, products: pl.DataFrame, source: str) -> None:
    known = products.filter(pl.col("cutout_path").is_not_null())["product_id"].implode()
    rules = (
        ("prompt", "is empty", pl.col("prompt") == ""),
        ("product_id", "has no product with a cut-out", ~pl.col("product_id").is_in(known)),
    )
    problems = []
    for column, rule, broken in rules:
        rows = prompts.with_row_index("row").filter(broken)
        if rows.height:
            first = rows.head(SHOWN).select("row", "product_id").iter_rows()
            shown = tuple(f"row {row}: product_id={product!r}" for row, product in first)
            problems.append(Problem(column, rule, rows.height, shown))
    if not prompts.height:
        problems.append(Problem("prompt", "there is none"))
    if problems:
        raise DataError.from_problems(source, problems)
