"""Errors a user can cause. Their message is all the user sees; exit code 2.

Anything else that escapes is our bug and keeps its traceback. A message names the file, the column
or key, the value found, and what to do next; the constructors below build that sentence so that
call sites state facts only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class CaigError(ValueError):
    """Base of every error whose message is meant for the user."""


class ConfigError(CaigError):
    """A configuration file or a ``--set`` is wrong; every problem is listed at once."""

    @classmethod
    def from_problems(cls, source: str, problems: Sequence[str]) -> "ConfigError":
        """One error for all problems of one source.

        Args:
            source: Where the values came from, e.g. ``lift.toml``.
            problems: One line each, ``key: what is wrong (got value)``.
        """
        return cls(f"{source}: {len(problems)} problem(s)\n" + indented(problems))


class PrerequisiteError(CaigError):
    """This machine is not ready: an optional set of packages is missing."""

    @classmethod
    def from_missing(cls, feature: str, module: str) -> "PrerequisiteError | None":
        """What to install for a module that is not there; None if it is in no optional set."""
        package = module.partition(".")[0]
        extras = [extra for extra, packages in EXTRAS.items() if package in packages]
        return cls.from_extra(feature, extras[0]) if extras else None

    @classmethod
    def from_extra(cls, feature: str, extra: str) -> "PrerequisiteError":
        """What to install for ``feature``."""
        return cls(f"{feature} needs more packages: pip install 'caig-toolkit[{extra}]'")


EXTRAS = {
    "images": ("cv2", "PIL", "skia"),
    "train": ("accelerate", "diffusers", "peft", "safetensors", "torch", "transformers", "trl"),
    "dashboard": ("altair", "streamlit"),
}
"""Packages that are not always there, by the optional set that brings them."""


class ArtifactError(CaigError):
    """A run folder or one of its artifacts is missing, altered, or of an unknown format."""


@dataclass(frozen=True)
class Problem:
    """One rule that data broke.

    Attributes:
        column: The column, or columns, the rule is about.
        rule: What is wrong, in words.
        count: How many rows broke it; None where rows are not the measure.
        rows: The first offending rows, already rendered.
        hint: What to do about it; empty where the rule says it all.
    """

    column: str
    rule: str
    count: int | None = None
    rows: tuple[str, ...] = ()
    hint: str = ""

    def lines(self) -> list[str]:
        """The problem as indented lines."""
        counted = "" if self.count is None else f" ({self.count:,} row{'s' * (self.count != 1)})"
        hint = [f"    {self.hint}"] if self.hint else []
        return [f"{self.column}: {self.rule}{counted}", *(f"    {row}" for row in self.rows), *hint]


class DataError(CaigError):
    """Data that cannot be used; nothing was written."""

    @classmethod
    def from_problems(cls, source: str, problems: Sequence[Problem], hint: str = "") -> "DataError":
        """One error for all problems of one file or table."""
        lines = [line for problem in problems for line in problem.lines()]
        closing = f"\n{hint}" if hint else ""
        return cls(f"{source}: {len(problems)} problem(s)\n{indented(lines)}{closing}")

    @classmethod
    def from_missing_columns(
        cls, source: str, missing: Iterable[str], found: Sequence[str], hint: str = ""
    ) -> "DataError":
        """Columns asked for that are not there, with the nearest names that are."""
        problems = []
        for name in missing:
            near = get_close_matches(name, found, n=1, cutoff=0.5)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(Problem(f"'{name}'", f"no such column{guess}"))
        there = "columns found: " + (", ".join(found) if found else "none")
        return cls.from_problems(source, problems, f"{there}{chr(10) + hint if hint else ''}")


def indented(lines: Iterable[str]) -> str:
    """``lines`` joined, each two spaces in."""
    return "\n".join(f"  {line}" for line in lines)
