"""Which column of a log plays which role."""

from collections.abc import Sequence

import polars as pl

from abtest.config import EACH_ROW, LiftConfig
from abtest.reading.rows import CANONICAL, Columns, type_problems
from abtest.reading.sources import REPEATED, ROW, LogFile, column_types
from caig.errors import DataError, Problem

LOOKS_LIKE_IMPRESSIONS = ("n_impressions", "impressions", "imps", "impression", "views", "shown")
REQUIRED_ROLES = ("arm", "clicks")
SINGLE_ROW_ROLES = ("impression", "assigned")
"""Roles that a row which is a whole arm cannot have."""


def resolve_columns(files: Sequence[LogFile], config: LiftConfig) -> Columns:
    """Which raw column plays which role, the same in every file.

    Raises:
        DataError: A needed or stated column is missing, occurs twice or is of a wrong type, files
            differ, or the log seems to hold sums that the configuration does not name.
    """
    first, *others = [(file, _resolved(file, config)) for file in files]
    for file, columns in others:
        if columns != first[1]:
            only = sorted(set(columns.items()) ^ set(first[1].items()))
            named = ", ".join(f"{column} ({role})" for role, column in only)
            raise DataError(
                f"{file.path}: its columns differ from those of {first[0].path}: {named}"
            )
    return first[1]


def looks_at_creatives(config: LiftConfig) -> bool:
    """Whether creatives are to be collected; a log whose rows are arms has none to compare."""
    return config.creatives.tables and config.columns.arm != EACH_ROW


def _resolved(file: LogFile, config: LiftConfig) -> Columns:
    types = column_types(file)
    found = list(types)
    wanted = config.columns.model_dump()
    stated = config.columns.model_fields_set
    columns: Columns = {}
    missing = []
    for role, name in wanted.items():
        if not name or (role == "arm" and name == EACH_ROW):
            continue
        if role in SINGLE_ROW_ROLES and config.columns.arm == EACH_ROW:
            continue
        if name in found:
            columns[role] = name
        elif role in stated or role in REQUIRED_ROLES:
            missing.append((role, name))
    if config.design.randomisation == "unit" and "unit" not in columns and wanted["unit"]:
        missing.append(("unit", wanted["unit"]))
    if missing:
        roles = ", ".join(f"columns.{role}" for role, _ in dict(missing).items())
        hint = f"set the right name, e.g. --set {roles.split(', ')[0]}=NAME"
        if "unit" in dict(missing):
            hint += '; a log without units needs --set design.randomisation="impression"'
        names = dict.fromkeys(name for _, name in missing)
        raise DataError.from_missing_columns(str(file.path), names, found, hint)
    _refuse_unnamed(file, config, columns, found)
    _refuse_unusable(file, columns, types)
    return columns


def _refuse_unnamed(file: LogFile, config: LiftConfig, columns: Columns, found: list[str]) -> None:
    if config.design.randomisation == "unit" and "unit" not in columns:
        raise DataError(
            f"{file.path}: units were randomised, but columns.unit is empty; name the unit's "
            'column, or say --set design.randomisation="impression"'
        )
    if "assigned" in columns and "day" not in columns:
        raise DataError(
            f"{file.path}: columns.assigned can be compared with a day only; name it: "
            "--set columns.day=NAME"
        )
    if looks_at_creatives(config) and "creative" not in columns:
        wanted = config.columns.creative
        raise DataError(
            f"{file.path}: creatives.tables asks for tables of creatives, but "
            + (f"the log has no column '{wanted}'" if wanted else "columns.creative is empty")
            + "; name the creative's column: --set columns.creative=NAME"
        )
    if "impressions" in columns or "impressions" in config.columns.model_fields_set:
        return
    suspects = [
        name
        for name in found
        if name.lower() in LOOKS_LIKE_IMPRESSIONS and name != columns.get("impression")
    ]
    if suspects:
        raise DataError(
            f"{file.path}: column '{suspects[0]}' looks like impressions, but columns.impressions "
            f"does not name it. Rows that are sums: --set columns.impressions={suspects[0]}. "
            "Rows that are one impression each: --set columns.impressions=''"
        )


def _refuse_unusable(file: LogFile, columns: Columns, types: dict[str, pl.DataType]) -> None:
    problems = type_problems(types, columns)
    for name in dict.fromkeys(columns.values()):
        if REPEATED.format(name) in types:
            problems.append(Problem(f"column {name}", "occurs twice in the header"))
        if name in (*CANONICAL, ROW):
            problems.append(Problem(f"column {name}", "has a name kept for our own; rename it"))
    if problems:
        raise DataError.from_problems(str(file.path), problems)
