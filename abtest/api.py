"""Lift analysis from Python: the same path as ``caig lift``, from a log to tables.

from abtest.api import analyse_log

analysis = analyse_log("logs/*.parquet", settings={"columns.arm": "variant"})
print(analysis.result.lift_table)
for sentence in analysis.sentences():
    print(sentence)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.lift import LiftResult, analyse_sums
from abtest.reading.ingest import Ingested, ingest
from abtest.reading.sources import LogFile, LogSource, find_log
from abtest.reporting.record import record_run
from abtest.reporting.summary import category_sentence, summarise
from abtest.unit_level import NO_UNITS, UnitLevel, look_at_units, needs_counts
from caig.config import load_config
from caig.errors import DataError


@dataclass(frozen=True)
class Analysis:
    """What a log says, and what it was read with.

    Attributes:
        result: Tables; see :class:`abtest.lift.LiftResult`.
        config: Configuration used, defaults included.
        source: Files read.
        ingested: What was read of them.
        started_at: When the work began (UTC).
        history: Files of the period before, if there is one.
    """

    result: LiftResult
    config: LiftConfig
    source: LogSource
    ingested: Ingested
    started_at: datetime
    history: LogSource | None = None

    def sentences(self) -> list[str]:
        """What the statistics allow to be said: for every contrast, overall, then by category."""
        said = []
        for summary in summarise(self.result):
            said.append(f"{summary.contrast}: {summary.headline}")
            said += [category_sentence(row) for row in summary.categories]
        return said

    def write_run(self, runs: Path | str = "runs") -> Path:
        """Write tables, report and manifest as a run, as ``caig lift`` does.

        Args:
            runs: Folder of all runs.

        Returns:
            The run's folder.
        """
        return record_run(
            Path(runs),
            self.config,
            source=self.source,
            ingested=self.ingested,
            result=self.result,
            started_at=self.started_at,
            history=self.history,
        )


def analyse_log(
    *log: str | Path,
    config: LiftConfig | Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    history: str | Path | None = None,
) -> Analysis:
    """Read a log and analyse it.

    Args:
        log: Files, globs, folders, or run folders that hold an ``impression_log``.
        config: A configuration, or the TOML file that holds one; the defaults without.
        settings: Single values over those of a file, by ``section.key``; with a configuration that
            is an object already, use its own ``model_copy``.
        history: Log of a period before the experiment, with the same units; it needs no arm.

    Raises:
        DataError: The log cannot be right, or arms cannot be compared.
        ConfigError: The configuration is not valid.
    """
    if isinstance(config, LiftConfig):
        assert not settings, "settings go over a file; this configuration is an object already"
        chosen = config
    else:
        overrides = [f"{key}={_as_toml(value)}" for key, value in (settings or {}).items()]
        chosen = load_config(LiftConfig, Path(config) if config else None, overrides)
    return analyse_source(
        find_log([str(name) for name in log]),
        chosen,
        history=None if history is None else find_log([str(history)]),
    )


def analyse_source(
    source: LogSource,
    config: LiftConfig,
    on_batch: Callable[[LogFile, int], None] = lambda _file, _rows: None,
    *,
    history: LogSource | None = None,
) -> Analysis:
    """Read the files of a source and analyse them.

    Args:
        source: Files, as :func:`abtest.reading.sources.find_log` finds them.
        config: Columns, design, analysis.
        on_batch: Called after every batch with the file and the batch's rows, for progress.
        history: Log of a period before the experiment, with the same units; it needs no arm.

    Raises:
        DataError: As :func:`analyse_log`.
    """
    started_at = datetime.now(UTC)
    if history is not None and config.design.randomisation != "unit":
        raise DataError(
            f"{history.named()}: a period before belongs to units, but design.randomisation is "
            "impression"
        )
    before = None if history is None else _before(history, config)
    ingested = ingest(source.files, config, on_batch)
    if history is not None and before is not None:
        _refuse_overlap(history, before, ingested)
    try:
        result = analyse_sums(ingested.sums, config, _units(ingested, config, before))
    except DataError as error:
        raise DataError(f"{source.named()}: {error}") from None
    return Analysis(result, config, source, ingested, started_at, history)


def _units(ingested: Ingested, config: LiftConfig, history: pl.DataFrame | None) -> UnitLevel:
    has_units = config.design.randomisation == "unit"
    n_rows = ingested.n_rows
    units = NO_UNITS
    if has_units and needs_counts(config.units, n_rows=n_rows, history=history):
        units = look_at_units(
            ingested.counts, config.units, config.health, n_rows=n_rows, history=history
        )
    return units.with_rows(checks=ingested.row_checks, creatives=ingested.creatives)


def _before(history: LogSource, config: LiftConfig) -> pl.DataFrame:
    """Impressions and clicks of units before the experiment; such a log needs no arm."""
    no_arms = config.columns.model_copy(update={"arm": EACH_ROW})
    ingested = ingest(history.files, config.model_copy(update={"columns": no_arms}))
    return ingested.counts.cells.select("unit_id", "category", "day", "n", "c")


def _refuse_overlap(history: LogSource, before: pl.DataFrame, ingested: Ingested) -> None:
    """Refuse days of the experiment as history: the effect itself would be adjusted away."""
    last, first = before["day"].max(), ingested.sums.daily["day"].min()
    if isinstance(last, date) and isinstance(first, date) and last >= first:
        raise DataError(
            f"{history.named()}: its last day is {last}, but the experiment begins on {first}. "
            "What treatment changed would be taken out of the lift; leave those days out of the "
            "history"
        )


def _as_toml(value: object) -> str:
    """A setting as TOML, on one line; JSON is, but for tables."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_as_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_as_toml, value)) + "]"
    return json.dumps(value, default=str)
