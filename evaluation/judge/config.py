"""Configuration of ``caig judge``. No key is in it: keys are in the environment alone."""

from typing import Any, Literal

from pydantic import Field, model_validator

from caig.config import Config

Tier = Literal["logits", "logprobs", "json_schema", "text"]


class LocalConfig(Config):
    """A judge that runs here, from a checkpoint folder."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights; auto is float32 on a CPU and bfloat16 on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""


class ApiConfig(Config):
    """A judge behind an API."""

    base_url: str = ""
    """Address, e.g. `http://127.0.0.1:8000/v1` of a local server; empty: the provider's own."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request. GLM is told not to think first unless this says otherwise."""
    usd_per_million_input: float = Field(default=0.0, ge=0)
    """Price of a million tokens read (US dollars). Prices change: none is built in."""
    usd_per_million_output: float = Field(default=0.0, ge=0)
    """Price of a million tokens written (US dollars)."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Questions under way at most. It begins with two, grows while all is well, and is halved when
    the server says that it is busy."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Time a single attempt may take (seconds)."""
    max_retries: int = Field(default=6, ge=0)
    """Further attempts after 408, 409, 425, 429, 5xx, a lost connection or a broken reply."""
    pause_s: float = Field(default=0.5, gt=0)
    """First pause before another attempt, unless the server names one (`Retry-After`); it doubles
    each time (seconds)."""
    longest_pause_s: float = Field(default=120.0, gt=0)
    """No pause is longer, whoever names it (seconds)."""
    give_up_after: int = Field(default=20, ge=1)
    """So many questions failing in a row end the asking; the rest is not asked."""
    check_sight: bool = True
    """Refuse a server that cannot be seen to read pictures: one of a text model may drop them
    without a word."""


class JudgeConfig(Config):
    """How ads are judged."""

    judge: str = ""
    """`local:FOLDER`, `api:openai:MODEL`, `api:anthropic:MODEL`, `api:glm:MODEL`, `api:local:MODEL`
    (any server of OpenAI's shape), or `scripted:NAME`, which looks at no content."""
    rubric: str = "matching/1"
    """Rubric and version, or a TOML file of one's own."""
    tier: Tier | Literal["auto"] = "auto"
    """How answers are got: `logits` (a local model's own), `logprobs` (told by the API),
    `json_schema`, `text`. auto takes the first that the judge is seen to give; it never changes
    within a run."""
    tell_title: bool = True
    """Whether the judge is told title and category of the product. They are untrusted text."""
    max_side: int = Field(default=1024, ge=16)
    """Longer side of the picture shown (px); larger ones are reduced."""
    min_mass: float = Field(default=0.5, gt=0, le=1)
    """Least probability that yes and no must have together to be an answer (`logits`,
    `logprobs`)."""
    ask_reason: bool = True
    """Whether the judge says why before it says what (`json_schema`, `text`)."""
    max_tokens: int = Field(default=512, ge=1)
    """Bound of a reply (`json_schema`, `text`). A reply that meets it is no verdict; models that
    think first need some thousand."""
    temperature: float = Field(default=0.0, ge=0)
    """Sampling temperature; not sent to models that refuse to be told."""
    samples: int = Field(default=1, ge=1, le=99)
    """Replies a question (`json_schema`, `text`); the majority decides, and the smoothed share of
    yes is the score. More than one needs a temperature above 0."""
    max_items: int = Field(default=0, ge=0)
    """Ads that are judged at most, drawn at random by the seed; 0: all."""
    max_minutes: float = Field(default=0.0, ge=0)
    """No question is begun later than this (minutes); 0: no bound."""
    max_usd: float = Field(default=0.0, ge=0)
    """No question is begun that could take the cost above this (US dollars), earlier attempts of
    the same run included; 0: no bound. Needs both prices."""
    seed: int = 0
    """Seed of drawing ads."""
    local: LocalConfig = LocalConfig()
    """A judge that runs here."""
    api: ApiConfig = ApiConfig()
    """A judge behind an API."""

    @model_validator(mode="after")
    def _fits(self) -> "JudgeConfig":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples above 1 need a temperature above 0: equal replies tell less")
        if self.max_usd and not (
            self.api.usd_per_million_input and self.api.usd_per_million_output
        ):
            raise ValueError(
                "a bound of cost needs today's prices: api.usd_per_million_input and "
                "api.usd_per_million_output"
            )
        return self
