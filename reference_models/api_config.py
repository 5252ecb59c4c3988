"""Configuration of the zero-shot scorer. No key is in it: keys are in the environment alone."""

from typing import Any

from pydantic import Field

from caig.config import Config
from reference_models.api_words import Layout


class ApiConfig(Config):
    """How a multimodal model is asked over its API, and what that may cost."""

    base_url: str = ""
    """Address of the API, e.g. `http://127.0.0.1:8000/v1` of a local server; empty: the
    provider's own."""
    layout: Layout | None = None
    """`two_images`: each ad is a picture of its own. `side_by_side`: one picture, each ad 512 x 512
    px, as the paper's reward model sees a pair. Left out: two images, but for GLM, whose GLM-4V
    reads one picture a request."""
    tell_title: bool = True
    """Whether the model is told the product's title, where there is one. It is untrusted text."""
    max_side: int = Field(default=1024, ge=16)
    """Longer side of a picture that is sent (px); larger ones are reduced."""
    max_tokens: int = Field(default=64, ge=1)
    """Bound of a reply (tokens). A reply that meets it is no verdict; models that think first need
    some thousand."""
    temperature: float = Field(default=0.0, ge=0)
    """Sampling temperature."""
    send_temperature: bool = True
    """False sends none: some models refuse a request that names one."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request, e.g. `{thinking = {type = "disabled"}}` for later GLM models."""
    max_items: int = Field(default=0, ge=0)
    """Pairs that are asked about at most, the first ones; 0: all. The others have no score."""
    max_minutes: float = Field(default=60.0, gt=0)
    """No question is begun later than this (minutes); those left have no score."""
    max_usd: float = Field(default=0.0, ge=0)
    """No question is begun once this much is spent (US dollars); 0: no bound. Needs both prices.
    Questions that are under way, at most `concurrency`, may exceed it."""
    usd_per_million_input: float = Field(default=0.0, ge=0)
    """Price of a million tokens read (US dollars). Prices change: none is built in."""
    usd_per_million_output: float = Field(default=0.0, ge=0)
    """Price of a million tokens written (US dollars)."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Questions under way at a time."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Time a single attempt may take (seconds)."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after 429, 5xx or a lost connection, each after the time the server asks
    for (`Retry-After`, up to two minutes) or a growing pause."""
    give_up_after: int = Field(default=20, ge=1)
    """So many questions failing in a row end the run; the rest has no score."""
    check_sight: bool = True
    """Ask two questions first, to see whether pictures are read at all: a server of a text model
    may drop them without a word."""
    journal: str = ""
    """File that keeps every reply (JSON lines), and from which an earlier attempt is gone on with
    without asking again; empty: none."""
