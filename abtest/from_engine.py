"""The analysis of a log that is a table of an engine: only its sums leave the engine."""

from datetime import UTC, datetime
from typing import NoReturn

from abtest.api import Analysis
from abtest.config import LiftConfig
from abtest.counting.engines import open_engine, without_password
from abtest.lift import analyse_sums
from abtest.reading.ingest import Ingested
from abtest.reading.sources import LogSource
from caig.errors import DataError


def analyse_table(name: str, config: LiftConfig) -> Analysis:
    """Sum a table where it lies, and analyse the sums.

    Args:
        name: E.g. ``duckdb:traffic.db::impressions``; see :mod:`abtest.counting.engines`.
        config: Columns, design, analysis. What needs counts by unit cannot be asked for.

    Raises:
        DataError: The table cannot be right, or arms cannot be compared.
        PrerequisiteError: The engine's packages are not installed.
    """
    started_at = datetime.now(UTC)
    shown = without_password(name)
    if config.units.cube or config.units.aa_replicates:
        raise DataError(
            f"{shown}: cubes and re-randomising need counts by unit; name files instead"
        )
    if config.columns.impression or config.columns.assigned or config.creatives.tables:
        raise DataError(
            f"{shown}: columns.impression, columns.assigned and creatives.tables need the rows, "
            "which stay in the engine; leave them out, or name files instead"
        )
    table = open_engine(name)
    # Only now: it needs narwhals, and opening says what to install.
    from abtest.counting.engine_sums import engine_sums

    counted = engine_sums(table.frame, config, source=name)

    def stay() -> NoReturn:
        raise AssertionError("counts by unit do not leave an engine")

    ingested = Ingested(
        sums=counted.sums,
        things=counted.things,
        columns=counted.columns,
        n_rows=counted.n_rows,
        n_rows_quarantined=0,
        n_rows_without_impressions=counted.n_rows_without_impressions,
        quarantine=None,
        zones={},
        recount=stay,
    )
    try:
        result = analyse_sums(ingested.sums, config)
    except DataError as error:
        raise DataError(f"{shown}: {error}") from None
    source = LogSource((), {}, tables=(shown,))
    return Analysis(result, config, source, ingested, started_at)
