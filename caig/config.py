"""Configuration: a TOML file plus ``--set section.key=value``, checked into a frozen object.

Files, not hundreds of flags: a file is reviewed, keeps its comments, and is stored beside the
result. Each configuration class lives with the code it configures; this module holds the base and
the loader.
"""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from caig.errors import ConfigError


class Config(BaseModel):
    """Base of every configuration section: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


ConfigT = TypeVar("ConfigT", bound=Config)


def load_config(
    schema: type[ConfigT],
    path: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    defaults: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Read, merge and check a configuration.

    Args:
        schema: The class to build.
        path: A TOML file, or None for the defaults alone.
        overrides: ``section.key=value`` texts; the value is read as TOML, or as text if it is none.
        defaults: Values below the file, e.g. those a run folder implies.

    Raises:
        ConfigError: The file cannot be read, an override has no ``=``, or values do not fit. All
            problems are listed.
    """
    source = str(path) if path else "configuration"
    # A copy: overrides reach into nested sections, which belong to the caller.
    values = _merged(deepcopy(dict(defaults or {})), _read_toml(path) if path else {})
    for override in overrides:
        _apply_override(values, override)
    if overrides:
        source += " with --set " + " --set ".join(overrides)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (got {item['input']!r})"
            if item["loc"]
            else item["msg"]  # a rule between sections belongs to no key and no single value
            for item in error.errors()
        ]
        raise ConfigError.from_problems(source, problems) from None


def to_toml(config: Config) -> str:
    """``config`` as TOML, which :func:`load_config` reads back to an equal object."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def passed_values(config: Config) -> dict[str, Any]:
    """Only what the user stated, without the defaults: for the record of a run."""
    return config.model_dump(mode="json", exclude_unset=True)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; TOML must be") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"--set {override}: write it as section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    section = values
    for part in parts[:-1]:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override}: '{part}' is a value, not a section")
    section[parts[-1]] = value


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            below[key] = _merged(dict(below[key]), value)
        else:
            below[key] = value
    return below
