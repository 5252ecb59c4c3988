"""Rubrics: versioned files of yes/no questions, and what their answers come to.

A question may need others: where one of those is answered no, it has no meaning and is not asked
(as in Davidsonian Scene Graph, Cho et al. 2024). An item satisfies the rubric if every question is
answered yes; one no is a no; otherwise it is unknown.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from caig.config import Config
from caig.errors import ConfigError

Verdict = Literal["yes", "no", "unknown"]

NAME = "^[a-z][a-z0-9_]*$"


class RubricQuestion(Config):
    """One yes/no question; yes is good."""

    id: str = Field(pattern=NAME)
    """Name in the tables."""
    text: str = Field(min_length=1)
    """What is asked."""
    needs: tuple[str, ...] = ()
    """Earlier questions without whose yes this one has no meaning."""


class Rubric(Config):
    """A rubric."""

    name: str = Field(pattern=NAME)
    """Name, without the version."""
    version: int = Field(ge=1)
    """Version; another wording is another version."""
    summary: str
    """What an item is that satisfies it."""
    system: str = Field(min_length=1)
    """What a judge is told beforehand."""
    questions: tuple[RubricQuestion, ...] = Field(min_length=1)
    """Questions, in the order they are asked."""
    sha256: str = ""
    """SHA-256 of the file (hex); set when it is read."""

    @model_validator(mode="after")
    def _in_order(self) -> "Rubric":
        known: set[str] = {self.name}
        for question in self.questions:
            if question.id in known:
                raise ValueError(f"question '{question.id}' comes twice, or is the rubric's name")
            if strays := set(question.needs) - known | set(question.needs) & {self.name}:
                raise ValueError(f"'{question.id}' needs '{min(strays)}', no earlier question")
            known.add(question.id)
        return self

    @property
    def identifier(self) -> str:
        """``name/version``, e.g. ``matching/1``."""
        return f"{self.name}/{self.version}"


def load_rubric(wanted: str) -> Rubric:
    """Read a rubric.

    Args:
        wanted: ``name/version`` of one that is shipped, or a TOML file of one's own.

    Raises:
        ConfigError: There is no such rubric, or the file does not fit.
    """
    if wanted.endswith(".toml"):
        try:
            return _parsed(Path(wanted).read_bytes(), wanted)
        except OSError as error:
            raise ConfigError(f"{wanted}: {error.strerror}") from None
    name, slash, version = wanted.partition("/")
    folder = resources.files("evaluation.judge") / "rubrics"
    file = folder / f"{name}-{version}.toml"
    shipped = sorted(f.name.removesuffix(".toml").replace("-", "/") for f in folder.iterdir())
    if not slash or wanted not in shipped:
        raise ConfigError(
            f"no rubric '{wanted}'; there are: {', '.join(shipped)}, or name a .toml file"
        )
    return _parsed(file.read_bytes(), wanted)


def outcome(rubric: Rubric, verdicts: Mapping[str, Verdict]) -> Verdict:
    """What the answers to all questions come to; a question without answer is unknown."""
    found = [verdicts.get(question.id, "unknown") for question in rubric.questions]
    if "no" in found:
        return "no"
    return "unknown" if "unknown" in found else "yes"


def is_void(question: RubricQuestion, verdicts: Mapping[str, Verdict]) -> bool:
    """True if a question has no meaning, because one that it needs is answered no."""
    return any(verdicts.get(need) == "no" for need in question.needs)


def _parsed(content: bytes, source: str) -> Rubric:
    try:
        values: dict[str, Any] = tomllib.loads(content.decode())
        return Rubric(**values | {"sha256": hashlib.sha256(content).hexdigest()})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'rubric'}: {item['msg']}"
            for item in error.errors()
        ]
        raise ConfigError.from_problems(source, problems) from None
