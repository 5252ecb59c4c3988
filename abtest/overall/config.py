"""Configuration of what is said about the whole traffic."""

from typing import Literal

from pydantic import Field, field_validator

from caig.config import Config

GuardrailMetric = Literal["ctr", "clicks_per_unit", "impressions_per_unit"]


class Overall(Config):
    """Guardrails, and when a shift of the category mix is worth a statement."""

    guardrails: dict[GuardrailMetric, float] = Field(default_factory=dict)
    """Metric to the relative loss that is still tolerated, a fraction: 0.02 means that treatment
    must be shown not to lose 2 % or more. Where impressions were randomised, only ``ctr`` can be
    judged."""
    material_mix_share: float = Field(default=0.25, gt=0)
    """A mix shift is material if it is significant and at least this large relative to the lift
    within categories."""

    @field_validator("guardrails")
    @classmethod
    def _margins_are_losses(cls, margins: dict[str, float]) -> dict[str, float]:
        for metric, margin in margins.items():
            if not 0 < margin < 1:
                raise ValueError(f"the margin of {metric} must be above 0 and below 1")
        return margins
