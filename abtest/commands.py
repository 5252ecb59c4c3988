"""``caig lift``: from an impression log to a run with the lift tables and the report."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def lift(
    *log: str,
    config: Path | None = None,
    history: Path | None = None,
    cube: bool = False,
    from_cube: bool = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Per-category CTR lift from an impression log, with health checks and a report.

    Reads Parquet, CSV, TSV or NDJSON (also gzipped); one row an impression, or rows that are sums.
    Prints the verdict and the table; the last line is the run's folder, which holds lift_table,
    lift_daily, health, sample_ratio and arm_summary (Parquet), report.html and report.md. A log
    that cannot be right is refused with the reason, and nothing is written.

    Args:
        log: Files, globs, folders, run folders that hold an impression_log, or one table of an
            engine: duckdb:PATH.db::TABLE, ibis:URL::TABLE, spark:PATH_OR_TABLE.
        config: TOML file: columns, design, analysis, health, ...; see docs/lift.md.
        history: Log of a period before the experiment with the same units, for adjusted lifts
            (CUPED); it needs no arm.
        cube: Write the mergeable cube too; see docs/lift.md.
        from_cube: LOG are runs that hold a cube: analyse their cubes, added up, not the log.
        set_: One value over the file's, as section.key=value, e.g. --set columns.arm=variant.
        runs: Folder of all runs.
    """
    from abtest.api import Analysis, analyse_source
    from abtest.config import LiftConfig
    from abtest.counting.engines import is_engine_table
    from abtest.from_cube import analyse_cubes
    from abtest.from_engine import analyse_table
    from abtest.reading.sources import find_log
    from abtest.reporting.console import ReadingProgress, print_result
    from caig.config import load_config
    from caig.errors import CaigError

    if not log:
        raise CaigError("name the log: caig lift LOG... (files, a glob, a folder, or a run)")
    settings = load_config(LiftConfig, config, (*set_, *(("units.cube=true",) if cube else ())))
    tables = [name for name in log if is_engine_table(name)]
    if (tables or from_cube) and history:
        raise CaigError("--history needs counts by unit: name files of the log beside it")
    if tables and (len(log) > 1 or from_cube):
        raise CaigError(f"{tables[0]}: a table of an engine is analysed alone")
    analysis: Analysis
    if tables:
        analysis = analyse_table(tables[0], settings)
    elif from_cube:
        analysis = analyse_cubes(log, settings)
    else:
        source = find_log(log)
        before = find_log([str(history)]) if history else None
        with ReadingProgress(source.files) as progress:
            analysis = analyse_source(source, settings, progress.advance, history=before)
    path = analysis.write_run(runs)
    print_result(analysis.result, analysis.ingested, settings)
    print(path)
