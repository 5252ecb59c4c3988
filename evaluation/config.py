"""Configuration of ``caig evaluate``: which pairs, which ties, which slices."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from caig.config import Config

Split = Literal["train", "val", "test", "all"]


class Scoring(Config):
    """What counts as right."""

    split: Split = "test"
    """Pairs of which split; a model is judged on products it has not seen."""
    model_ties: Literal["half", "wrong"] = "half"
    """What a scorer's tie counts as. Pairs whose ads had the same CTR have no right answer and are
    left out."""
    tie_tolerance: float = Field(default=0.0, ge=0, lt=0.5)
    """A scorer's answer is a tie if its probability is no further than this from 1/2."""
    rulers: tuple[str, ...] = (
        "ref:random",
        "ref:position",
        "ref:file_size",
        "ref:brightness",
        "ref:saturation",
        "ref:sharpness",
        "ref:title_length",
        "ref:headline_length",
        "ref:headline_words",
        "ref:headline_number",
        "ref:headline_question",
        "ref:headline_capitals",
    )
    """Scorers that look at no content, by name."""


class Slices(Config):
    """Parts of the data that accuracy is shown for."""

    by_category: bool = True
    """One slice a category."""
    confidence_edges: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0)
    """Limits of slices by max(p_left_better, 1 - p_left_better)."""
    gap_edges: tuple[float, ...] = (0.0, 0.05, 0.2, 0.5, 1.0)
    """Limits of slices by the larger CTR over the smaller, minus 1; the last has no upper limit."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "Slices":
        for name, edges in (
            ("confidence_edges", self.confidence_edges),
            ("gap_edges", self.gap_edges),
        ):
            if len(edges) < 2 or any(a >= b for a, b in pairwise(edges)):
                raise ValueError(f"{name} must be two or more values that rise")
        return self


class Statistics(Config):
    """Levels, draws and bins."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of tests; intervals are at 1 minus it, each for itself."""
    correction: Literal["holm", "none"] = "holm"
    """Correction of the comparisons of scorers, over all of them."""
    n_bootstrap: int = Field(default=2000, ge=100)
    """Draws of products for the bootstrap of a comparison."""
    n_bins: int = Field(default=10, ge=2, le=100)
    """Bins of calibration."""
    variance_factor: Annotated[float, Field(ge=1)] | Literal["from_days"] = 1.0
    """Variance of clicks over the binomial one; the ceiling falls with it. "from_days" estimates it
    from the data's counts by day."""
    seed: int = 0
    """Seed of the draws."""


class EvaluateConfig(Config):
    """Configuration of one evaluation of pair scorers."""

    scoring: Scoring = Scoring()
    """What counts as right."""
    slices: Slices = Slices()
    """Parts of the data."""
    statistics: Statistics = Statistics()
    """Levels, draws and bins."""
