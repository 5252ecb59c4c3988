"""Configuration of ``caig cube``: which days and groups to ask for, and how to judge them."""

from datetime import date
from typing import Any

from pydantic import Field

from abtest.config import Analysis, Design
from abtest.counting.config import CubeSlice
from abtest.health.config import HealthCheckName
from caig.config import Config
from caig.errors import CaigError
from caig.runs.store import Run


class Override(Config):
    """Health checks whose failure shall not withhold verdicts."""

    override: tuple[HealthCheckName, ...] = ()
    """Names of checks; recorded and printed."""


class Bootstrap(Config):
    """The Poisson bootstrap whose interval stands beside that of the delta method."""

    replicates: int = Field(default=2_000, ge=0, le=100_000)
    """Draws; 0 makes no bootstrap interval."""
    seed: int = Field(default=0, ge=0)
    """Same seed, same interval."""


class CubeConfig(Config):
    """Configuration of one question to a cube.

    Sections ``design``, ``analysis`` and ``health`` are those of the first run named, unless stated
    here.
    """

    design: Design = Design()
    """How traffic was split. Only ``control`` and ``control_rule`` have a say here."""
    analysis: Analysis = Analysis()
    """What to test. ``anytime_lift`` and ``one_arm_categories`` have no say here."""
    health: Override = Override()
    """Health checks whose failure shall not withhold verdicts."""
    cube: CubeSlice = CubeSlice()
    """Days and groups to ask for."""
    bootstrap: Bootstrap = Bootstrap()
    """The Poisson bootstrap."""


def implied_by(run: Run) -> dict[str, Any]:
    """How a run's cube was judged before: values below those that the user states.

    Args:
        run: A run of ``caig lift`` or ``caig cube``.
    """
    config = run.manifest.config
    override = config.get("health", {}).get("override", ())
    sections: dict[str, Any] = {
        name: config[name] for name in ("design", "analysis") if name in config
    }
    return {**sections, "health": {"override": override}}


def with_choices(
    config: CubeConfig,
    *,
    first: str | None,
    last: str | None,
    groups: dict[str, str],
    replicates: int | None,
    seed: int | None,
) -> CubeConfig:
    """What was chosen on the command line over a configuration; None leaves a value as it is.

    Args:
        config: A configuration.
        first: First day, as written.
        last: Last day, as written.
        groups: Category to its group; none leaves those of the configuration.
        replicates: Draws of the bootstrap.
        seed: Their seed.

    Raises:
        CaigError: A day is none, or the last is before the first.
    """
    days = {"first_day": _day("--from", first), "last_day": _day("--to", last)}
    drawn = {"replicates": replicates, "seed": seed}
    cube = config.cube.model_copy(
        update=_known(days) | ({"groups": groups} if groups else {}),
    )
    if cube.first_day and cube.last_day and cube.last_day < cube.first_day:
        raise CaigError(f"the last day, {cube.last_day}, is before the first, {cube.first_day}")
    return config.model_copy(
        update={"cube": cube, "bootstrap": config.bootstrap.model_copy(update=_known(drawn))}
    )


def _day(option: str, written: str | None) -> date | None:
    if written is None:
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise CaigError(f"{option} {written}: no such day; write it like 2026-03-02") from None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
