"""The trainer against plain trl, an independent loop, and what must hold of any of its runs."""

import math

import pytest
import torch
from plain_dpo import log_likelihood, train
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference, DPOTrainer

from caig.mllm.load import Mllm
from caig.mllm.pictures import load_picture
from caig.mllm.trl_parts import lora_config
from caig.preference.config import TuneConfig
from caig.preference.corruptions import draw_corruptions, mask_patches
from caig.preference.trainer import (
    P_CHOSEN,
    PreferenceCollator,
    PreferenceTrainer,
    freeze_sight,
    to_rows,
    training_arguments,
    tune_preferences,
)

SIDE = 32

# trl and peft ask by the old name; nothing here can change that.
by_the_old_name = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is dep:FutureWarning"
)


def config(loss=(), optim=(), kind="both"):
    return TuneConfig.model_validate(
        {
            "loss": dict(loss),
            "optim": {"learning_rate": 2e-3, "batch_size": 3, **dict(optim)},
            "corruption": {"kind": kind, "patch": 8},
        }
    )


def tuned(policy, reference, preferences, settings, *, work, heard=None):
    drawn = draw_corruptions(len(preferences), settings.corruption.kind, seed=1)
    return tune_preferences(
        policy,
        reference,
        preferences,
        drawn,
        settings,
        side=SIDE,
        seed=3,
        work=work,
        report=lambda step, steps, found: None if heard is None else heard.append(found),
    )


def weights(mllm):
    return {name: value.clone() for name, value in mllm.model.state_dict().items()}


def difference(first, second):
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


class Plain(DataCollatorForVisionPreference):
    """trl's own collator; rows here hold paths of pictures."""

    def torch_call(self, examples):
        rows = []
        for row in examples:
            shown = [load_picture(path, SIDE) for path in row["images"]]
            rows.append({key: row[key] for key in ("prompt", "chosen", "rejected")})
            rows[-1]["images"] = shown
        return super().torch_call(rows)


@by_the_old_name
def test_without_the_product_centric_part_it_is_plain_trl(
    policy, reference, preferences, built, tmp_path
):
    settings = config({"pcpo_weight": 0.0})
    start = weights(policy)
    ours = tuned(policy, reference, preferences, settings, work=tmp_path / "ours")
    model = type(built.model)(built.model.config)
    model.load_state_dict(start)
    model.generation_config = built.model.generation_config
    freeze_sight(model)
    drawn = draw_corruptions(len(preferences), "both", seed=1)
    rows = to_rows(preferences, drawn, built.processor)
    plain = DPOTrainer(
        model=model,
        ref_model=reference.model,
        args=training_arguments(settings, model, len(preferences), seed=3, work=tmp_path / "plain"),
        train_dataset=rows,
        processing_class=built.processor,
        data_collator=Plain(built.processor),
    )
    plain.train()
    assert difference(weights(ours), start) > 1e-4
    assert difference(weights(ours), model.state_dict()) < 1e-6


def test_a_policy_that_is_the_reference_loses_log_2(policy, reference, preferences, tmp_path):
    heard = []
    settings = config({"pcpo_weight": 1.0}, {"learning_rate": 1e-12})
    tuned(policy, reference, preferences, settings, work=tmp_path, heard=heard)
    for found in heard[:-1]:
        assert found["dpo_loss"] == pytest.approx(math.log(2), abs=1e-5)
        assert found["pcpo_loss"] == pytest.approx(math.log(2), abs=1e-5)
        assert found["total_loss"] == pytest.approx(2 * math.log(2), abs=1e-5)
        assert found["corrupted_ratio"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_it_is_the_independent_loop(*, policy, reference, preferences, built, tmp_path, weight):
    pairs = (preferences * 4)[:60]
    settings = config({"pcpo_weight": weight, "beta": 0.3, "pcpo_beta": 0.3})
    drawn = draw_corruptions(len(pairs), "both", seed=1)
    start = weights(policy)
    other = Mllm(type(built.model)(built.model.config), built.processor)
    other.model.load_state_dict(start)
    other.model.eval()
    freeze_sight(other.model)

    def rows(k):
        pair, corrupted = pairs[k], drawn[k]
        picture = load_picture(pair.question.image, SIDE)
        masked = mask_patches(picture, settings.corruption, seed=corrupted.seed)
        instruction = pairs[corrupted.other].question.turns[0]
        return [
            (pair.question.turns[0], picture, pair.chosen),
            (pair.question.turns[0], picture, pair.rejected),
            (instruction, masked, pair.chosen),
        ]

    ours = tuned(policy, reference, pairs, settings, work=tmp_path)
    # The trainer's order, read from a sampler of its own seed.
    order = _order(pairs, settings, Mllm(other.model, built.processor), reference, tmp_path)
    steps = [[rows(k) for k in order[n : n + 3]] for n in range(0, 60, 3)]
    train(other, reference, steps, beta=0.3, weight=weight, rate=2e-3, max_norm=1.0)
    assert difference(weights(ours), start) > 1e-3
    assert difference(weights(ours), weights(other)) < 5e-5


def _order(pairs, settings, mllm, reference, folder):
    from transformers import set_seed

    trainer = PreferenceTrainer(
        loss=settings.loss,
        model=mllm.model,
        ref_model=reference.model,
        args=training_arguments(settings, mllm.model, len(pairs), seed=3, work=folder),
        train_dataset=to_rows(pairs, draw_corruptions(len(pairs), "mask", seed=0), mllm.processor),
        processing_class=mllm.processor,
        data_collator=PreferenceCollator(mllm.processor, side=SIDE, corruption=None),
    )
    set_seed(3)
    loader = trainer.get_train_dataloader()
    loader.set_epoch(0)
    return [int(k) for batch in loader.batch_sampler for k in batch]


def test_it_learns_the_order_and_the_product(policy, reference, preferences, tmp_path):
    heard = []
    settings = config(optim={"passes": 12, "learning_rate": 5e-3})
    tuned(policy, reference, preferences, settings, work=tmp_path, heard=heard)
    steps = [found for found in heard if "dpo_loss" in found]
    first, last = steps[0], steps[-1]
    assert last["dpo_loss"] < min(0.1, first["dpo_loss"])
    assert last["pcpo_loss"] < min(0.65, first["pcpo_loss"])
    assert last["order_kept"] > 0.9
    assert last["chosen_ratio"] > last["corrupted_ratio"]


def test_four_small_batches_are_one_large_one(policy, reference, preferences, built, tmp_path):
    pairs = (preferences * 2)[:24]
    one = config({"anchor": 0.5, "drift": 0.1}, {"batch_size": 4})
    four = config({"anchor": 0.5, "drift": 0.1}, {"batch_size": 1, "accumulate": 4})
    other = Mllm(type(built.model)(built.model.config), built.processor)
    other.model.load_state_dict(weights(policy))
    other.model.generation_config = built.model.generation_config
    first = tuned(policy, reference, pairs, one, work=tmp_path / "one")
    second = tuned(other, reference, pairs, four, work=tmp_path / "four")
    assert difference(weights(first), weights(second)) < 2e-5


@pytest.mark.parametrize("rank", [0, 4])
def test_the_language_model_moves_and_nothing_else(policy, reference, preferences, tmp_path, rank):
    before, kept = weights(policy), weights(reference)
    after = weights(
        tuned(policy, reference, preferences, config(optim={"lora_rank": rank}), work=tmp_path)
    )
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    language = {name for name in before if "language_model" in name or "lm_head" in name}
    assert language
    expected = {name for name in language if "_proj." in name} if rank else language
    assert moved == expected
    assert difference(kept, weights(reference)) == 0
    assert all(parameter.requires_grad for parameter in policy.model.parameters())


@by_the_old_name
def test_merging_keeps_what_the_adapters_say(policy, reference, preferences, tmp_path):
    settings = config(optim={"lora_rank": 4, "learning_rate": 1e-2})
    trainer = PreferenceTrainer(
        loss=settings.loss,
        model=policy.model,
        ref_model=reference.model,
        args=training_arguments(settings, policy.model, len(preferences), seed=3, work=tmp_path),
        train_dataset=to_rows(
            preferences, draw_corruptions(len(preferences), "both", seed=1), policy.processor
        ),
        processing_class=policy.processor,
        data_collator=PreferenceCollator(
            policy.processor, side=SIDE, corruption=settings.corruption
        ),
        peft_config=lora_config(4, 0),
    )
    trainer.train()
    adapted = trainer.model.eval()
    row = (preferences[0].question.turns[0], load_picture(preferences[0].question.image, SIDE))
    answer = preferences[0].chosen
    with torch.no_grad():
        said = log_likelihood(Mllm(adapted, policy.processor), *row, answer)
        merged = Mllm(adapted.merge_and_unload(), policy.processor)
        again = log_likelihood(merged, *row, answer)
        before = log_likelihood(reference, *row, answer)
    assert abs(said - before) > 1e-2
    assert abs(said - again) < 1e-4


def test_a_third_row_is_made_only_where_it_is_used(preferences, policy):
    drawn = draw_corruptions(len(preferences), "released", seed=2)
    rows = to_rows(preferences, drawn, policy.processor)
    batch = [rows[k] for k in range(len(preferences))]
    two = PreferenceCollator(policy.processor, side=SIDE, corruption=None)(batch)
    three = PreferenceCollator(policy.processor, side=SIDE, corruption=config().corruption)(batch)
    n = len(preferences)
    assert two["input_ids"].shape[0] == 2 * n
    assert three["pixel_values"].shape[0] == 3 * n
    assert three[P_CHOSEN].tolist() == pytest.approx([0.8] * n)
    pixels = three["pixel_values"]
    texts = policy.tokenizer.batch_decode(three["input_ids"], skip_special_tokens=True)
    for k, corrupted in enumerate(drawn):
        chosen, third = k, 2 * n + k
        assert torch.equal(pixels[chosen], pixels[third]) is not corrupted.masks
        assert (texts[chosen] == texts[third]) is (corrupted.other is None)
        if corrupted.other is not None:
            assert texts[third] == texts[corrupted.other]  # its instruction and its answer
    marked = three["input_ids"][0][three["completion_mask"][0].bool()]
    assert policy.tokenizer.decode(marked) == f" {preferences[0].chosen}</s>"
