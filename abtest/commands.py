"""``caig lift``: from an impression log to a run with the lift tables and the report."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def lift(
    *log: str,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Per-category CTR lift from an impression log, with health checks and a report.

    Reads Parquet, CSV, TSV or NDJSON (also gzipped); one row an impression, or rows that are sums.
    Prints the verdict and the table; the last line is the run's folder, which holds lift_table,
    lift_daily, health, sample_ratio and arm_summary (Parquet), report.html and report.md. A log
    that cannot be right is refused with the reason, and nothing is written.

    Args:
        log: Files, globs, folders, or run folders that hold an impression_log.
        config: TOML file: columns, design, analysis, health, ingest; see docs/lift.md.
        set_: One value over the file's, as section.key=value, e.g. --set columns.arm=variant.
        runs: Folder of all runs.
    """
    from datetime import UTC, datetime

    from abtest.config import LiftConfig
    from abtest.lift import analyse_sums
    from abtest.reading.ingest import ingest
    from abtest.reading.sources import find_log
    from abtest.reporting.console import ReadingProgress, print_result
    from abtest.reporting.record import record_run
    from caig.config import load_config
    from caig.errors import CaigError, DataError

    if not log:
        raise CaigError("name the log: caig lift LOG... (files, a glob, a folder, or a run)")
    started_at = datetime.now(UTC)
    settings = load_config(LiftConfig, config, set_)
    source = find_log(log)
    with ReadingProgress(source.files) as progress:
        ingested = ingest(source.files, settings, progress.advance)
    try:
        result = analyse_sums(ingested.sums, settings)
    except DataError as error:
        raise DataError(f"{source.named()}: {error}") from None
    path = record_run(
        runs, settings, source=source, ingested=ingested, result=result, started_at=started_at
    )
    print_result(result, ingested, settings)
    print(path)
