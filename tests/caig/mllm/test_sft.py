"""Instruction tuning: the weighted loss, what moves, accumulation, LoRA, going on after a kill."""

import shutil

import pytest
import torch
from torch.nn import functional

from caig.mllm.config import InstructConfig, TasksConfig
from caig.mllm.sft import ExampleCollator, InstructTrainer, to_rows, tune
from caig.mllm.tasks import draw_examples
from caig.mllm.trl_parts import last_checkpoint, tower_parameters

WEIGHTS = {"create": 0.5, "place": 0.3, "product": 0.2}


@pytest.fixture(scope="module")
def examples(corpus):
    return list(draw_examples(corpus, TasksConfig(), WEIGHTS, n=24, seed=3))


def stage(**settings):
    return InstructConfig(
        **{"weights": WEIGHTS, "batch_size": 4, "examples": 24, "checkpoint_every": 2, **settings}
    )


def tuned(model, examples, folder, *, heard=None, **settings):
    return tune(
        model,
        examples,
        stage(**settings),
        place_weight=3.0,
        side=None,
        seed=0,
        work=folder,
        report=lambda *found: heard.append(found) if heard is not None else None,
    )


def weights_of(mllm):
    return {name: value.clone() for name, value in mllm.model.state_dict().items()}


def largest_gap(one, other):
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_places_weigh_more_and_prompts_nothing(tiny, examples):
    collate = ExampleCollator(tiny.processor, side=None, place_weight=3.0)
    rows = list(to_rows(examples[:8], tiny.processor))
    batch = collate(rows)
    weights, labels = batch["token_weights"], batch["labels"]
    for n, example in enumerate(examples[:8]):
        answered = labels[n][labels[n] != -100]
        heavy = labels[n][weights[n] == 3.0]
        assert tiny.tokenizer.decode(answered).strip() == f"{example.answer}</s>"
        assert tiny.tokenizer.decode(heavy).strip() == example.weighted
    flat = ExampleCollator(tiny.processor, side=None, place_weight=1.0)(rows)
    assert torch.equal(flat["token_weights"], torch.ones_like(weights))


def test_the_loss_is_the_weighted_sum_over_answer_tokens(tiny, examples, tmp_path):
    collate = ExampleCollator(tiny.processor, side=None, place_weight=3.0)
    rows = list(to_rows(examples[:6], tiny.processor))
    batch = collate(rows)
    with torch.no_grad():
        inputs = {k: v for k, v in batch.items() if k not in ("labels", "token_weights")}
        logits = tiny.model(**inputs).logits[:, :-1]
    labels, weights = batch["labels"][:, 1:], batch["token_weights"][:, 1:]
    each = functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=-100, reduction="none"
    )
    expected = float((each * weights).sum() / (labels != -100).sum())
    losses = []
    tuned(tiny, examples[:6], tmp_path, heard=losses, batch_size=6, learning_rate=1e-9)
    assert losses[0][:2] == (1, 1)
    assert losses[0][2]["loss"] == pytest.approx(expected, rel=1e-4)


def test_accumulation_is_one_large_batch(tiny, examples, tmp_path):
    start = weights_of(tiny)
    ends, losses = [], []
    for k, (size, accumulate) in enumerate(((8, 1), (2, 4))):
        tiny.model.load_state_dict(start)
        heard = []
        tuned(
            tiny,
            examples,
            tmp_path / str(k),
            heard=heard,
            batch_size=size,
            accumulate=accumulate,
            learning_rate=1e-3,
        )
        ends.append(weights_of(tiny))
        losses.append([found[2]["loss"] for found in heard if "loss" in found[2]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert largest_gap(*ends) < 1e-4
    assert largest_gap(start, ends[0]) > 1e-3


def test_a_frozen_tower_stays_and_all_else_moves(tiny, examples, tmp_path):
    start = weights_of(tiny)
    after = weights_of(tuned(tiny, examples, tmp_path, learning_rate=1e-2, weight_decay=0))
    moved = {name for name in start if not torch.equal(start[name], after[name])}
    still = set(start) - moved
    assert still == {name for name in start if ".vision_tower." in name}
    assert all(parameter.requires_grad for parameter in tiny.model.parameters())
    assert "forward" not in vars(tiny.model)


def test_a_slow_tower_moves_slowly(tiny, examples, tmp_path):
    trainer = InstructTrainer(
        tower_rate=0.1,
        model=tiny.model,
        args=_arguments(tmp_path),
        train_dataset=to_rows(examples, tiny.processor),
        processing_class=tiny.processor,
        data_collator=ExampleCollator(tiny.processor, side=None, place_weight=1.0),
    )
    optimizer = trainer.create_optimizer()
    tower = {id(parameter) for parameter in tower_parameters(tiny.model)}
    rates = {
        id(parameter): group["lr"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert rates.keys() == {id(parameter) for parameter in tiny.model.parameters()}
    assert {rates[key] for key in tower} == {1e-3 * 0.1}
    assert {rate for key, rate in rates.items() if key not in tower} == {1e-3}


def _arguments(folder):
    from trl import SFTConfig

    return SFTConfig(
        output_dir=str(folder),
        learning_rate=1e-3,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        report_to="none",
        remove_unused_columns=False,
    )


def test_lora_is_merged_and_moves_the_language_model_alone(tiny, examples, tmp_path):
    start = weights_of(tiny)
    after = tuned(tiny, examples, tmp_path, lora_rank=4, learning_rate=1e-2)
    assert type(after.model).__name__ == "LlavaForConditionalGeneration"
    ends = weights_of(after)
    assert ends.keys() == start.keys()
    moved = {name for name in start if not torch.equal(start[name], ends[name])}
    assert moved
    assert all(".language_model.layers." in name and "proj" in name for name in moved)


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_killed_tuning_goes_on_to_the_same_end(tiny, examples, tmp_path):
    start = weights_of(tiny)
    whole = weights_of(tuned(tiny, examples, tmp_path / "whole", tower_rate=0.5))

    def kill(step, *_):
        if step == 5:
            raise KilledError

    tiny.model.load_state_dict(start)
    folder = tmp_path / "killed"
    arguments = {"place_weight": 3.0, "side": None, "seed": 0, "work": folder}
    with pytest.raises(KilledError):
        tune(tiny, examples, stage(tower_rate=0.5), report=kill, **arguments)
    assert last_checkpoint(folder).name == "checkpoint-4"
    vars(tiny.model).pop("forward", None)
    tiny.model.load_state_dict(start)
    heard = []
    after = tuned(tiny, examples, folder, tower_rate=0.5, heard=heard)
    assert min(found[0] for found in heard) > 4
    assert largest_gap(weights_of(after), whole) == 0


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path / "none") is None
    for step, state in ((90, "{}"), (100, '{"tor'), (110, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path).name == "checkpoint-90"
    shutil.rmtree(tmp_path / "checkpoint-90")
    assert last_checkpoint(tmp_path) is None
