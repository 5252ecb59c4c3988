"""Configuration of ``caig study``: what all alignments share, and what they differ in."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from caig.config import Config
from caig.preference.config import AlignConfig


class JudgeConfig(Config):
    """One judge that alignments learn from."""

    name: str
    """What it is called in tables."""
    scorer: str
    """As ``caig score`` takes it: ``run:ID``, ``ref:NAME``, ``module:Class``."""
    arms: tuple[str, ...] = ()
    """Arms that learn from it; none named is all of them."""
    rates_of: str = ""
    """Name of the judge under which each arm's learning rate is chosen; unset is this one."""


class StudyConfig(Config):
    """A study of preference optimisation."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of what is reported, each with test products of its own drawing."""
    sweep_seeds: tuple[int, ...] = (100,)
    """Seeds of the choice of a learning rate, on validation products; no reported one."""
    learning_rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3)
    """Rates that every arm tries."""
    least_valid: float = Field(default=0.95, ge=0, le=1)
    """A rate can be chosen if it keeps this share of the start's valid prompts; of those, the one
    whose ads the judge prefers most often. If there is none, the one with most valid prompts."""
    least_valid_of: dict[str, float] = Field(default_factory=dict)
    """Another such share for some arms, by name."""
    baseline: str = "DPO"
    """Arm whose gain in clicks the others' is told as a share of."""
    judges: tuple[JudgeConfig, ...] = (JudgeConfig(name="own", scorer="ref:reward"),)
    """Judges."""
    align: AlignConfig = AlignConfig()
    """What all alignments share; the judge, the seed and the learning rate apart."""
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Arms by name: what is other than in ``align``, as ``"section.key" = value``."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.arms:
            raise ValueError('arms: name at least one, e.g. [arms.DPO] "loss.pcpo_weight" = 0')
        if self.baseline not in self.arms:
            raise ValueError(
                f"baseline: no arm '{self.baseline}'; there are {', '.join(self.arms)}"
            )
        for name, values in (("seeds", self.seeds), ("learning_rates", self.learning_rates)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: name at least one, and none twice")
        if unknown := set(self.least_valid_of) - set(self.arms):
            raise ValueError(f"least_valid_of: no arm '{min(unknown)}'")
        if both := set(self.seeds) & set(self.sweep_seeds):
            raise ValueError(f"seed {min(both)} both chooses a rate and is reported")
        names = [judge.name for judge in self.judges]
        if not names or len(set(names)) < len(names):
            raise ValueError("judges: name at least one, and none twice")
        for judge in self.judges:
            if strange := [arm for arm in judge.arms if arm not in self.arms]:
                raise ValueError(f"judges: {judge.name}: no arm '{strange[0]}'")
            if judge.rates_of and judge.rates_of not in names:
                raise ValueError(f"judges: {judge.name}: rates_of: no judge '{judge.rates_of}'")
        for arm in self.arms:
            arm_config(self, arm)
        return self


def arms_of(study: StudyConfig, judge: JudgeConfig) -> tuple[str, ...]:
    """Arms that learn from a judge, in the order of the study."""
    return tuple(arm for arm in study.arms if not judge.arms or arm in judge.arms)


def arm_config(study: StudyConfig, arm: str, above: Mapping[str, Any] | None = None) -> AlignConfig:
    """Configuration of one arm's alignment.

    Args:
        study: The study.
        arm: Name of the arm.
        above: Values over the arm's, as ``section.key`` to value.

    Raises:
        ValueError: A key does not exist, or a value does not fit.
    """
    values = deepcopy(study.align.model_dump(mode="json", exclude_none=True))
    for key, value in {**study.arms[arm], **(above or {})}.items():
        section = values
        *path, last = key.split(".")
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    try:
        return AlignConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"arms.{arm}: {where}: {first['msg']}") from None
