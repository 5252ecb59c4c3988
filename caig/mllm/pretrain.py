"""Pre-training from start to end: the base model, its stages, figures, and the checkpoint.

Stages, each left out where it has no examples:

1. sight: the vision tower learns to tell places and categories (needs a LLaVA built from nothing);
2. describe: image understanding, tower frozen;
3. mix: all task families.

Works in several processes too (``accelerate launch -m caig pretrain``): the first one writes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from caig.errors import CaigError, ConfigError
from caig.mllm.card import model_card
from caig.mllm.config import TINY, PretrainConfig
from caig.mllm.corpus import Corpus
from caig.mllm.examples import Example
from caig.mllm.load import Mllm, load_mllm, process_state, save_mllm
from caig.mllm.tasks import choose_proposals, draw_examples
from caig.mllm.tiny import build_tiny
from caig.mllm.validate import Suitability, Written, validate
from caig.mllm.work import Work

VOCABULARY_EXAMPLES = 8000
"""Examples that the vocabulary of the tiny model is made of (count)."""

TOGETHER = ("describe", "mix")
"""Stages that several processes share; the first one does the others alone."""

Report = Callable[[str, int, int, dict[str, float]], None]
"""Told stage, step, steps in all, and what was measured."""


class Material(NamedTuple):
    """What is learnt from.

    Attributes:
        corpus: The shop's products and ads; None without a data run.
        own: Examples of the user's own, mixed into the last stage.
        suitable: Which places suit which category, for figures alone; None where nobody knows.
    """

    corpus: Corpus | None
    own: list[Example]
    suitable: Suitability | None


class Pretrained(NamedTuple):
    """What comes out.

    Attributes:
        mllm: The model.
        figures: Figures on the validation products, and of the stages.
        written: Prompts sampled for validation products.
    """

    mllm: Mllm
    figures: dict[str, float]
    written: list[Written]


def pretrain(
    material: Material, config: PretrainConfig, work: Work, *, report: Report
) -> Pretrained:
    """Train through all stages, from where ``work`` stands.

    Args:
        material: What is learnt from.
        config: Configuration.
        work: Folder of the run under way.
        report: Told of progress.

    Raises:
        CaigError: The data do not suffice for what the configuration asks.
    """
    _require(material, config)
    state = process_state(config.model)
    figures: dict[str, float] = {}
    mllm: Mllm | None = None
    for name in ("base", "sight", "describe", "mix"):
        if name != "base" and not getattr(config, name).examples:
            continue
        is_to_do = work.done(name) is None
        # All have looked before the first one can be done.
        state.wait_for_everyone()
        if is_to_do:
            assert name == "base" or mllm is not None
            if state.is_main_process or name in TOGETHER:
                after, measured = _STAGES[name](material, config, mllm, work, report)
            if state.is_main_process:
                # All read it back: a run that goes on then starts a stage from the same bytes.
                work.finish(name, after, measured)
            state.wait_for_everyone()
        folder = work.done(name)
        assert folder is not None
        figures |= work.figures(name)
        mllm = load_mllm(config.model.model_copy(update={"base": str(folder), "revision": None}))
    assert mllm is not None
    written: list[Written] = []
    if material.corpus is not None and state.is_main_process:
        measured, written = validate(
            mllm,
            material.corpus.of_split("val"),
            material.corpus.of_split("train"),
            config.validation,
            suitable=material.suitable,
            seed=config.seed,
            side=config.picture_side,
        )
        figures |= measured
    return Pretrained(mllm, figures, written)


def mix_examples(material: Material, config: PretrainConfig, n: int, *, seed: int) -> list[Example]:
    """Examples of the last stage: the shop's, and the user's own in proportion to their number."""
    own = material.own
    if material.corpus is None:
        return [own[k % len(own)] for k in range(n)]
    drawn = draw_examples(
        material.corpus.of_split("train"),
        config.tasks,
        config.mix.weights,
        n=max(0, n - len(own)),
        seed=seed,
    )
    return [*drawn, *own[:n]]


def _base(
    material: Material, config: PretrainConfig, _: Mllm | None, work: Work, report: Report
) -> tuple[Mllm, dict[str, float]]:
    del work, report
    if config.model.base != TINY:
        return load_mllm(config.model), {}
    examples = mix_examples(material, config, VOCABULARY_EXAMPLES, seed=config.seed)
    texts = [text for example in examples for text in (*example.turns, example.answer)]
    if material.corpus is not None:
        # Rare places must be whole words too: their first token is what matching is read from.
        phrases = sorted(material.corpus.of_split("train").phrases)
        texts += phrases * max(1, len(texts) // (4 * len(phrases)))
    return build_tiny(texts, config.tiny, seed=config.seed), {}


def _sight(
    material: Material, config: PretrainConfig, mllm: Mllm | None, work: Work, report: Report
) -> tuple[Mllm, dict[str, float]]:
    from caig.mllm.sight import warm_tower

    del work
    assert mllm is not None
    assert material.corpus is not None
    measured = warm_tower(
        mllm,
        material.corpus.of_split("train"),
        config.sight,
        side=config.picture_side,
        seed=config.seed,
        report=lambda step, steps, found: report("sight", step, steps, found),
        validation=material.corpus.of_split("val"),
    )
    return mllm, {f"sight_{name}": value for name, value in measured.items()}


def _describe(
    material: Material, config: PretrainConfig, mllm: Mllm | None, work: Work, report: Report
) -> tuple[Mllm, dict[str, float]]:
    assert material.corpus is not None
    examples = draw_examples(
        material.corpus.of_split("train"),
        config.tasks,
        config.describe.weights,
        n=config.describe.examples,
        seed=config.seed + 1,
    )
    return _tuned("describe", list(examples), config, mllm, work=work, report=report), {}


def _mix(
    material: Material, config: PretrainConfig, mllm: Mllm | None, work: Work, report: Report
) -> tuple[Mllm, dict[str, float]]:
    examples = mix_examples(material, config, config.mix.examples, seed=config.seed + 2)
    return _tuned("mix", examples, config, mllm, work=work, report=report), {}


def _tuned(
    name: str,
    examples: list[Example],
    config: PretrainConfig,
    mllm: Mllm | None,
    *,
    work: Work,
    report: Report,
) -> Mllm:
    from caig.mllm.sft import tune

    assert mllm is not None
    return tune(
        mllm,
        examples,
        getattr(config, name),
        place_weight=config.tasks.place_weight,
        side=config.picture_side,
        seed=config.seed,
        work=work.stage(name),
        report=lambda step, steps, found: report(name, step, steps, found),
    )


_STAGES = {"base": _base, "sight": _sight, "describe": _describe, "mix": _mix}


def _require(material: Material, config: PretrainConfig) -> None:
    if material.corpus is None and not material.own:
        raise CaigError("name a data run, or examples of your own by --examples FILE")
    if material.corpus is None and (config.sight.examples or config.describe.examples):
        raise ConfigError(
            "sight.examples and describe.examples must be 0 without a data run: "
            "these stages learn from its ads"
        )
    if config.sight.examples and config.model.base != TINY:
        raise ConfigError(
            f"sight.examples must be 0 for {config.model.base}: its tower has learnt to see"
        )
    if not config.mix.examples and not config.describe.examples and not config.sight.examples:
        raise ConfigError("mix.examples: every stage has 0 examples; nothing would be learnt")
    if material.corpus is not None:
        choose_proposals(material.corpus.of_split("train"), config.tasks)


def write_checkpoint(
    result: Pretrained, folder: Path, config: PretrainConfig, *, data: str
) -> list[Path]:
    """Write the checkpoint with its model card.

    Args:
        result: What came out.
        folder: Folder to make.
        config: Configuration, for the card.
        data: What was learnt from, for the card.

    Returns:
        Its files.
    """
    save_mllm(result.mllm, folder)
    card = model_card(result.mllm, config, result.figures, data=data)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return sorted(file for file in folder.iterdir() if file.is_file())
