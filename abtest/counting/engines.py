"""Logs that are tables of an engine: what they are called on the command line, and opening them.

- ``duckdb:PATH.db::TABLE``: a table or view of a DuckDB file, opened for reading only;
- ``ibis:URL::TABLE``: a table of anything Ibis connects to, e.g. ``ibis:postgres://host/db::log``;
- ``spark:PATH_OR_TABLE``: a Parquet path or URL, or a table of the catalogue, in the Spark session
  that the environment configures.

Each needs the packages of the extra ``engines``; nothing of them is imported before it is used.
"""

import importlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from caig.errors import CaigError, DataError, PrerequisiteError

KINDS = ("duckdb", "ibis", "spark")
BETWEEN = "::"
EXTRA = "engines"


class EngineTable(NamedTuple):
    """A table of an engine.

    Attributes:
        name: As the user named it.
        frame: DuckDB relation, Ibis table or Spark DataFrame, for
            :func:`abtest.counting.engine_sums.engine_sums`.
    """

    name: str
    frame: Any


def is_engine_table(name: str) -> bool:
    """Whether a LOG of the command line names a table of an engine, and no file."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in KINDS and not Path(name).exists()


def open_engine(name: str) -> EngineTable:
    """Open a table.

    Args:
        name: E.g. ``duckdb:traffic.db::impressions``.

    Raises:
        PrerequisiteError: The packages are not installed, or Spark finds no Java.
        DataError: There is no such file, database or table.
    """
    kind, _, rest = name.partition(":")
    assert kind in KINDS, f"ask is_engine_table first: {name}"
    if kind == "spark":
        if not rest:
            raise CaigError(f"{name}: write it as spark:PATH_OR_TABLE")
        return EngineTable(name, _spark(name, rest))
    where, between, table = rest.rpartition(BETWEEN)
    if not (where and between and table):
        place = "PATH.db" if kind == "duckdb" else "URL"
        raise CaigError(f"{without_password(name)}: write it as {kind}:{place}{BETWEEN}TABLE")
    return EngineTable(name, (_duckdb if kind == "duckdb" else _ibis)(name, where, table))


def _duckdb(name: str, where: str, table: str) -> Any:
    duckdb = _imported("duckdb", "a DuckDB table")
    if not Path(where).is_file():
        raise DataError(f"{where}: no such file")
    try:
        connection = duckdb.connect(where, read_only=True)
        return connection.table(table)
    except duckdb.CatalogException:
        there = [row[0] for row in connection.sql("show tables").fetchall()]
        raise DataError(f"{name}: no such table; {where} has: {', '.join(there)}") from None
    except duckdb.Error as error:
        raise DataError(f"{name}: {error}") from None


def _ibis(name: str, where: str, table: str) -> Any:
    ibis = _imported("ibis", "an Ibis table")
    try:
        return ibis.connect(where).table(table)
    except Exception as error:  # each backend has errors of its own
        said = without_password(_first_line(error))
        raise DataError(f"{without_password(name)}: {said}") from None


def _spark(name: str, rest: str) -> Any:
    sql = _imported("pyspark.sql", "a Spark table")
    try:
        session = sql.SparkSession.builder.appName("caig").getOrCreate()
    except Exception as error:  # without Java or a master, of several kinds
        raise PrerequisiteError(
            f"{name}: no Spark session: {_first_line(error)}; local Spark needs Java 17, e.g. "
            "apt install openjdk-17-jre-headless"
        ) from None
    is_path = "/" in rest or rest.endswith(".parquet") or Path(rest).exists()
    try:
        return session.read.parquet(rest) if is_path else session.table(rest)
    except Exception as error:
        raise DataError(f"{name}: {_first_line(error)}") from None


def without_password(name: str) -> str:
    """A table's name to be shown: a URL's, with stars for the password."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", name)


def _imported(module: str, what: str) -> Any:
    try:
        importlib.import_module("narwhals")
        return importlib.import_module(module)
    except ImportError:
        raise PrerequisiteError.from_extra(what, EXTRA) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
