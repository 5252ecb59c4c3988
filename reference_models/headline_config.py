"""Configuration of the headline model: what it counts, and how much each part may say."""

from pydantic import Field, model_validator

from caig.config import Config


class HeadlineConfig(Config):
    """A linear model of headlines, ``caig train-baseline headline``.

    Variances are of log-odds of a click. They were chosen by cross-validation on the training and
    validation stories of the Upworthy archive, see docs/upworthy.md.
    """

    min_impressions: int = Field(default=1000, ge=1)
    """An ad is learned from with more impressions than this."""
    characters: tuple[int, int] = (2, 5)
    """Shortest and longest run of characters."""
    words: int = Field(default=2, ge=1)
    """Longest run of words."""
    least_for_characters: int = Field(default=3, ge=1)
    """Headlines that a run of characters must be in."""
    least_for_words: int = Field(default=2, ge=1)
    """Headlines that a word, or a run of words, must be in."""
    character_variance: float = Field(default=0.02, gt=0)
    """Variance between headlines that runs of characters may account for."""
    word_variance: float = Field(default=0.01, gt=0)
    """... that words may account for."""
    style_variance: float = Field(default=0.002, gt=0)
    """... that length, signs and function words may account for."""
    test_variance: float = Field(default=0.2, gt=0)
    """Variance between tests."""
    product_variance: float = Field(default=0.05, gt=0)
    """Variance between the products (pictures) of a test."""
    own_variance: float = Field(default=0.04, gt=0)
    """Variance between ads of a product that nothing here accounts for."""
    strengths: tuple[float, ...] = Field(default=(0.25, 0.5, 1.0, 2.0, 4.0), min_length=1)
    """What the headline's three variances are multiplied by: tried on the validation pairs."""
    folds: int = Field(default=0, ge=0)
    """Folds of stories to cross-fit over, at least 3; 0: one model, by the splits of the run.
    Cross-fitted, every story is scored by a model that has not seen it, so the pairs of all splits
    may be reported on."""
    learn_from_val: bool = True
    """Whether the model kept is fitted to the validation ads too, once a strength is chosen. Then
    nothing it says of them is an estimate of anything."""

    @model_validator(mode="after")
    def _fits(self) -> "HeadlineConfig":
        if not 1 <= self.characters[0] <= self.characters[1]:
            raise ValueError("characters must be two lengths from 1 that do not fall")
        if any(strength <= 0 for strength in self.strengths):
            raise ValueError("strengths must be above 0")
        if self.folds in (1, 2):
            raise ValueError("folds must be 0, or 3 or more: to learn from, to choose on, to judge")
        return self
