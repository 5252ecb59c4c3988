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
    from abtest.api import analyse_source
    from abtest.config import LiftConfig
    from abtest.reading.sources import find_log
    from abtest.reporting.console import ReadingProgress, print_result
    from caig.config import load_config
    from caig.errors import CaigError

    if not log:
        raise CaigError("name the log: caig lift LOG... (files, a glob, a folder, or a run)")
    settings = load_config(LiftConfig, config, set_)
    source = find_log(log)
    with ReadingProgress(source.files) as progress:
        analysis = analyse_source(source, settings, progress.advance)
    path = analysis.write_run(runs)
    print_result(analysis.result, analysis.ingested, settings)
    print(path)
