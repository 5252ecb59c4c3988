"""Names of the pair scorers of this package, and how a name becomes a scorer.

Nothing is imported until a scorer is asked for. Others name :func:`load_scorer` by text,
``reference_models.registry:load_scorer``, so that no package below or beside this one imports it.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from caig.errors import ConfigError

if TYPE_CHECKING:
    from caig.contracts.protocols import PairScorer


class Entry(NamedTuple):
    """A kind of scorer.

    Attributes:
        target: ``module:Class`` or ``module:Class:argument``.
        about: What it is, in a line.
        source: Where it is from.
        takes: What stands after its name: "" (nothing), "run", or "model".
        config: ``module:Class`` of its configuration; "" if it has none.
    """

    target: str
    about: str
    source: str
    takes: str = ""
    config: str = ""


def _ruler(measure: str, about: str) -> Entry:
    return Entry(f"reference_models.rulers:Ruler:{measure}", about, "content-blind ruler")


def _headline_ruler(measure: str, about: str) -> Entry:
    return Entry(
        f"reference_models.headline_rulers:HeadlineRuler:{measure}",
        about,
        "content-blind ruler of headlines",
    )


def _api(provider: str, about: str) -> Entry:
    return Entry(
        f"reference_models.api_scorer:ApiScorer:{provider}",
        about,
        "its makers' API",
        "model",
        "reference_models.api_config:ApiConfig",
    )


SCORERS = {
    "ref:vam": Entry(
        "reference_models.vam:VamScorer",
        "VAM: residual network, list loss over a product's ads.",
        "Alibaba, WWW 2021, arXiv 2102.04033",
        "run",
    ),
    "ref:cg4ctr": Entry(
        "reference_models.cg4ctr:Cg4ctrScorer",
        "CG4CTR's reward model: frozen Swin and item vectors, mixed by a transformer.",
        "Shopee, WWW 2024 Companion, arXiv 2401.10934",
        "run",
    ),
    "ref:headline": Entry(
        "reference_models.headline:HeadlineScorer",
        "A linear model of headlines: runs of characters, words, style.",
        "ridge regression on randomised tests",
        "run",
    ),
    "ref:reward": Entry(
        "reference_models.embedded:EmbeddedRewardScorer:reward",
        "The reward model that ships with the toolkit; it knows the shop world alone.",
        "this project, docs/embedded-models.md",
    ),
    "ref:reward-picture": Entry(
        "reference_models.embedded:EmbeddedRewardScorer:reward-picture",
        "One that sees the picture and is told nothing of the product, as the published loop asks.",
        "this project, docs/embedded-models.md",
    ),
    "ref:random": _ruler("random", "A number drawn for each ad."),
    "ref:position": _ruler("position", "Always the ad on the left."),
    "ref:file_size": _ruler("file_size", "The ad with the larger file."),
    "ref:brightness": _ruler("brightness", "The brighter ad."),
    "ref:saturation": _ruler("saturation", "The more colourful ad."),
    "ref:sharpness": _ruler("sharpness", "The sharper ad."),
    "ref:title_length": _ruler("title_length", "The ad of the longer title."),
    "ref:truth": Entry(
        "reference_models.shop.oracle:OracleScorer",
        "The shop world's truth, for its ads alone: what no model can beat.",
        "the shop world's click model",
    ),
    "ref:headline_length": _headline_ruler("headline_length", "The headline of more characters."),
    "ref:headline_words": _headline_ruler("headline_words", "The headline of more words."),
    "ref:headline_number": _headline_ruler("headline_number", "The headline with a number."),
    "ref:headline_question": _headline_ruler("headline_question", "The headline that asks."),
    "ref:headline_capitals": _headline_ruler(
        "headline_capitals", "The headline of more capitals among its letters."
    ),
    "api:openai": _api("openai", "Zero-shot, OpenAI: gpt-4o, gpt-4-turbo (GPT-4V)."),
    "api:anthropic": _api("anthropic", "Zero-shot, Anthropic: claude-3-5-sonnet-20241022."),
    "api:glm": _api("glm", "Zero-shot, Zhipu: glm-4v, through its endpoint of OpenAI's shape."),
    "api:local": _api("local", "Zero-shot, any server of OpenAI's shape: base_url, model name."),
}
"""Every kind of scorer by its name."""

RULERS = tuple(
    name for name, entry in SCORERS.items() if entry.target.startswith("reference_models.rulers:")
)
"""Names of the content-blind rulers, to be scored beside every model of pictures."""

HEADLINE_RULERS = (
    "ref:random",
    *(name for name, entry in SCORERS.items() if "headline_rulers:" in entry.target),
)
"""Names of those to be scored beside every model of headlines."""


def load_scorer(spec: str, *, runs: Path, overrides: Sequence[str] = ()) -> "PairScorer":
    """Make the scorer that ``spec`` names.

    Args:
        spec: ``ref:RULER``, ``ref:truth``, ``ref:vam:RUN``, ``ref:cg4ctr:RUN``,
            ``ref:headline:RUN`` or ``api:PROVIDER:MODEL``. RUN is the id of a run of
            ``caig train-baseline``, a part of it, or its folder.
        runs: Folder of all runs.
        overrides: ``key=value`` texts over the scorer's configuration, e.g. ``max_items=100``.

    Raises:
        ConfigError: No such scorer, what stands after its name is missing or superfluous, or a
            value of its configuration does not fit.
        ArtifactError: No such run, or it is of another verb.
        PrerequisiteError: Packages are missing.
    """
    kind, _, rest = spec.partition(":")
    word, _, argument = rest.partition(":")
    name = f"{kind}:{word}"
    if name not in SCORERS:
        raise ConfigError(f"no scorer '{spec}'; there are: {', '.join(SCORERS)}")
    entry = SCORERS[name]
    if entry.takes and not argument:
        raise ConfigError(f"'{spec}': write {name}:{entry.takes.upper()}")
    if not entry.takes and argument:
        raise ConfigError(f"'{spec}': nothing may stand after {name}")
    if overrides and not entry.config:
        raise ConfigError(f"{name} has no settings; got {overrides[0]!r}")
    module, class_name, *fixed = entry.target.split(":")
    make = getattr(import_module(module), class_name)
    scorer: PairScorer
    if entry.takes == "run":
        scorer = make(_run_folder(argument, runs))
    elif entry.config:
        from caig.config import load_config

        config_module, _, config_name = entry.config.partition(":")
        schema = getattr(import_module(config_module), config_name)
        scorer = make(f"{fixed[0]}:{argument}", load_config(schema, None, overrides))
    else:
        scorer = make(*fixed)
    return scorer


def _run_folder(name: str, runs: Path) -> Path:
    from caig.data.sources import open_run

    return open_run(Path(name), runs).path
