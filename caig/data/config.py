"""Configuration of ``caig ingest`` and ``caig pairs``."""

from typing import Literal

from pydantic import Field, model_validator

from caig.config import Config

Rule = Literal["caig_5_20", "ge_20", "any", "significant"]


class SplitConfig(Config):
    """How products are divided, where the source does not say it itself."""

    val_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the products that models are chosen on."""
    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the products that results are reported on."""
    salt: str = "caig"
    """Text hashed with a product's identifier: another salt, another division."""

    @model_validator(mode="after")
    def _some_train(self) -> "SplitConfig":
        if self.val_share + self.test_share >= 1:
            raise ValueError("val_share + test_share must leave products to train on")
        return self


class ColumnsConfig(Config):
    """Columns of a table of counts. The last four may be absent; '' says that they are."""

    product: str = "product_id"
    """Product shown."""
    image: str = "image"
    """Image file, relative to the folder of images."""
    impressions: str = "impressions"
    """Impressions (count)."""
    clicks: str = "clicks"
    """Clicks (count)."""
    creative: str = "creative_id"
    """Identifier of the ad; product and image together where absent."""
    day: str = "day"
    """Day of the counts; they are added up over days."""
    category: str = "category"
    """Category of the product."""
    title: str = "title"
    """Title of the product."""
    split: str = "split"
    """Split of the product: train, val or test."""


class ProblemsConfig(Config):
    """What to do with rows that are not plainly wrong but cannot be used as they are.

    Counts that are no numbers, and clicks above impressions, are always refused.
    """

    missing_image: Literal["refuse", "skip"] = "refuse"
    """An image file that is not there."""
    broken_image: Literal["refuse", "skip"] = "refuse"
    """An image file that cannot be decoded to its end."""
    same_picture: Literal["refuse", "merge", "keep"] = "refuse"
    """Two ads of one product with the same picture: merge adds their counts to the first."""
    lone_creative: Literal["refuse", "skip", "keep"] = "refuse"
    """A product with one ad: it makes no pair."""
    repeated_rows: Literal["refuse", "add"] = "refuse"
    """Two rows of one ad (and day): add takes both as parts of its counts."""
    faulty_week: Literal["skip", "keep"] = "skip"
    """Headlines alone: an ad of a week whose readers were not assigned at random."""
    no_picture: Literal["refuse", "skip"] = "refuse"
    """Headlines alone: an ad whose picture has no name, so that none can be said to share it."""


class IngestConfig(Config):
    """How a log of ads becomes a run."""

    kind: Literal["auto", "creative_ranking", "creative_ranking_json", "table", "upworthy"] = "auto"
    """What the source is; auto judges by its files."""
    pictures: Literal["copy", "link"] = "copy"
    """Copy pictures into the run, or point at them where they lie."""
    columns: ColumnsConfig = ColumnsConfig()
    """Columns."""
    problems: ProblemsConfig = ProblemsConfig()
    """Problems."""
    split: SplitConfig = SplitConfig()
    """Splits."""


class PriorConfig(Config):
    """The Beta prior behind p_left_better."""

    pooling: float = Field(default=100.0, gt=0)
    """Ads of the average category that every category's own spread is pooled with."""


class PairsConfig(Config):
    """Which pairs of ads are made, and from what."""

    rule: Rule = "any"
    """caig_5_20: the higher CTR is 1.05 to 1.20 times the lower; ge_20: at least 1.20 times; any:
    they differ; significant: they differ by a test of two proportions at 5 %. Both CTRs are above
    zero."""
    min_impressions: int = Field(default=1000, ge=1)
    """An ad counts with more impressions than this."""
    shared_picture: Literal["refuse", "drop", "keep"] = "refuse"
    """A picture in two splits: drop takes its ads out of train, then out of val."""
    near_copies: bool = False
    """Whether resized and re-encoded copies count as the same picture; it reads every picture."""
    prior: PriorConfig = PriorConfig()
    """Prior."""
    split: SplitConfig = SplitConfig()
    """Splits, where the run has no table of products."""
