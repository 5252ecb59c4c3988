"""DPO and PCPO by trl's DPOTrainer: the one file that knows its inside.

Three seams are used: the collator's ``torch_call`` (a third row for each pair, with corrupted
product information), ``_set_signature_columns_if_needed`` (the columns that rows have beside trl's)
and ``_compute_loss`` (losses of ``losses.py`` over the three rows, one pass of the reference for
all). Keys that are not the model's are taken out of the batch first, as trl forwards what is left.

The reference is a model of its own, always: with a new adapter on merged weights, trl's own choice
would be the previous epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from trl.data_utils import apply_chat_template, prepare_multimodal_messages
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference, DPOTrainer
from trl.trainer.utils import flush_left

from caig.mllm.encode import special_marks, to_messages, without_marks
from caig.mllm.examples import Example
from caig.mllm.load import Mllm
from caig.mllm.pictures import load_picture
from caig.mllm.trl_parts import (
    LoadsByName,
    common_arguments,
    lora_config,
    quiet_peft,
    reporter,
    tower_parameters,
    trained,
    without_fused_head,
)
from caig.preference.config import CorruptionConfig, LossConfig, TuneConfig
from caig.preference.corruptions import Corrupted, mask_patches
from caig.preference.losses import LogRatios, Losses, total_loss

P_CHOSEN, N_ROWS = "p_chosen", "n_rows_per_pair"
COLUMNS = ("other_prompt", "other_chosen", "mask_seed", P_CHOSEN)
"""What rows have beside trl's columns."""


class Preference(NamedTuple):
    """A pair to learn from.

    Attributes:
        question: What was asked, with its picture.
        chosen: The better prompt, as sampled.
        rejected: The other.
        p_chosen: The judge's probability for the chosen one.
    """

    question: Example
    chosen: str
    rejected: str
    p_chosen: float


class PreferenceCollator(DataCollatorForVisionPreference):
    """Turns rows into a batch: all chosen prompts, all rejected, all with corrupted information.

    Args:
        processor: The model's processor.
        side: Shrink pictures to this side (px).
        corruption: How pictures are masked; None makes no third row.
    """

    def __init__(
        self, processor: Any, *, side: int | None, corruption: CorruptionConfig | None
    ) -> None:
        super().__init__(processor=processor)
        self._side = side
        self._corruption = corruption

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate rows as made by :func:`to_rows`.

        Returns:
            Tensors as the model takes them, ``completion_mask`` (R, T), ``p_chosen`` (B,) and the
            number of rows a pair, R / B.
        """
        pictures = [self._pictures(row) for row in examples]
        rows = [
            (row["prompt"], row[answer], shown)
            for answer in ("chosen", "rejected")
            for row, shown in zip(examples, pictures, strict=True)
        ]
        if self._corruption is not None:
            for row, shown in zip(examples, pictures, strict=True):
                prompt = row["other_prompt"] or row["prompt"]
                answer = row["other_chosen"] or row["chosen"]
                rows.append((prompt, answer, self._masked(shown, row["mask_seed"])))
        batch = self._encoded(rows)
        batch[P_CHOSEN] = torch.tensor([row[P_CHOSEN] for row in examples], dtype=torch.float32)
        batch[N_ROWS] = len(rows) // len(examples)
        return batch

    def _pictures(self, row: Mapping[str, Any]) -> list[Any]:
        return [load_picture(Path(name), self._side) for name in row["images"]]

    def _masked(self, pictures: list[Any], seed: int | None) -> list[Any]:
        if seed is None:
            return pictures
        assert self._corruption is not None
        return [mask_patches(picture, self._corruption, seed=seed) for picture in pictures]

    def _encoded(self, rows: Sequence[tuple[Any, Any, list[Any]]]) -> dict[str, Any]:
        """Prompts padded on the left, answers on the right, joined and flushed left."""
        filled = [
            apply_chat_template(
                {
                    "prompt": prepare_multimodal_messages(prompt, images=shown),
                    "completion": prepare_multimodal_messages(answer),
                },
                self.processor,
            )
            for prompt, answer, shown in rows
        ]
        images = [shown for _, _, shown in rows]
        common = {"padding": True, "return_tensors": "pt", "add_special_tokens": False}
        batch: dict[str, Any] = dict(
            self.processor(
                images=images if any(images) else None,
                text=[one["prompt"] for one in filled],
                padding_side="left",
                **common,
            )
        )
        answers = self.processor(
            text=[one["completion"] for one in filled], padding_side="right", **common
        )
        n_prompt, ids = batch["input_ids"].shape, answers["input_ids"]
        joined = {
            "attention_mask": torch.cat((batch["attention_mask"], answers["attention_mask"]), 1),
            "input_ids": torch.cat((batch["input_ids"], ids), 1),
            "completion_mask": torch.cat(
                (torch.zeros_like(batch["input_ids"]), answers["attention_mask"]), 1
            ),
        }
        # What else there is for every token (Gemma's and Qwen's types) goes on with zeros.
        for key in set(batch) - set(joined):
            if batch[key].shape == n_prompt:
                rest = answers[key] if key in answers else torch.zeros_like(ids)
                joined[key] = torch.cat((batch[key], rest), 1)
        flushed = flush_left(*joined.values())
        return {**batch, **dict(zip(joined, flushed, strict=True))}


class PreferenceTrainer(LoadsByName, DPOTrainer):
    """DPOTrainer with the losses of ``losses.py``.

    Args:
        loss: Weights and scales.
        arguments: As DPOTrainer takes them; ``ref_model`` must be given.
    """

    def __init__(self, *, loss: LossConfig, **arguments: Any) -> None:
        assert arguments["ref_model"] is not None
        self._loss = loss
        super().__init__(**arguments)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[no-untyped-call]
        columns: Any = self._signature_columns
        self._signature_columns: Any = [*dict.fromkeys((*columns, *COLUMNS))]

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: FBT001
        assert not return_outputs
        p_chosen, n_rows = inputs.pop(P_CHOSEN), inputs.pop(N_ROWS)
        mask = inputs.pop("completion_mask")
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        asked = {**inputs, "labels": labels, "fused_lm_head": True, "use_cache": False}
        logps = model(**asked).log_probs.sum(dim=1)
        reference: Any = self.ref_model
        with torch.no_grad():
            ref_logps = reference(**asked).log_probs.sum(dim=1)
        ratios = (logps - ref_logps).chunk(n_rows)
        losses = total_loss(
            LogRatios(ratios[0], ratios[1], ratios[2] if n_rows == 3 else None),
            logps.chunk(n_rows)[0],
            mask.sum(dim=1).chunk(n_rows)[0],
            p_chosen,
            self._loss,
        )
        self._measure(losses, ratios)
        return losses.total

    def _measure(self, losses: Losses, ratios: Sequence[torch.Tensor]) -> None:
        """Keep what :meth:`log` averages and tells."""
        chosen, rejected, *corrupted = (ratio.detach() for ratio in ratios)
        found = {f"{name}_loss": value for name, value in losses._asdict().items()}
        found |= {
            "chosen_ratio": chosen.mean(),
            "rejected_ratio": rejected.mean(),
            "order_kept": (chosen > rejected).float().mean(),
        }
        if corrupted:
            found["corrupted_ratio"] = corrupted[0].mean()
            found["product_kept"] = (chosen > corrupted[0]).float().mean()
        model: Any = self.model
        mode = "train" if model.training else "eval"
        for name, value in found.items():
            whole = self.accelerator.gather(value.detach()).mean().item()
            self._metrics[mode][name].append(whole)


def to_rows(
    preferences: Sequence[Preference], corruptions: Sequence[Corrupted], processor: Any
) -> Any:
    """Pairs as the data set that the trainer takes; pictures stay paths.

    Args:
        preferences: Pairs.
        corruptions: One for each; indices of other products are indices of pairs.
        processor: The model's processor.
    """
    from datasets import Dataset  # type: ignore[import-untyped]

    marks = special_marks(processor)

    def answer(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": without_marks(text, marks)}]

    rows = []
    for pair, corrupted in zip(preferences, corruptions, strict=True):
        other = None if corrupted.other is None else preferences[corrupted.other]
        rows.append(
            {
                "prompt": to_messages(pair.question, marks),
                "chosen": answer(pair.chosen),
                "rejected": answer(pair.rejected),
                "images": [str(pair.question.image)] if pair.question.image else [],
                "other_prompt": to_messages(other.question, marks) if other else None,
                "other_chosen": answer(other.chosen) if other and corrupted.swaps_answer else None,
                "mask_seed": corrupted.seed if corrupted.masks else None,
                P_CHOSEN: pair.p_chosen,
            }
        )
    return Dataset.from_list(rows)


def tune_preferences(
    policy: Mllm,
    reference: Mllm,
    preferences: Sequence[Preference],
    corruptions: Sequence[Corrupted],
    config: TuneConfig,
    *,
    side: int | None,
    seed: int,
    work: Path,
    report: Callable[[int, int, dict[str, float]], None],
) -> Mllm:
    """Train a policy on pairs, in an order drawn by the seed; the policy is changed.

    A run that was killed goes on from the last checkpoint in ``work``, and ends where an
    uninterrupted one ends.

    Args:
        policy: Model to train; evaluation mode again at the end.
        reference: The prompt model before any alignment; another object than ``policy``.
        preferences: Pairs.
        corruptions: Corrupted information of each.
        config: Losses, corruption, rates, LoRA.
        side: Shrink pictures to this side (px).
        seed: Seed of the order, of LoRA's weights and of dropout.
        work: Folder of checkpoints.
        report: Told step, steps in all, and what was measured.

    Returns:
        The trained model, adapters merged.
    """
    model, optim = policy.model, config.optim
    freeze_sight(model)
    corruption = config.corruption if config.loss.pcpo_weight else None
    with quiet_peft():
        trainer = PreferenceTrainer(
            loss=config.loss,
            model=model,
            ref_model=reference.model,
            args=training_arguments(config, model, len(preferences), seed=seed, work=work),
            train_dataset=to_rows(preferences, corruptions, policy.processor),
            processing_class=policy.processor,
            data_collator=PreferenceCollator(policy.processor, side=side, corruption=corruption),
            peft_config=lora_config(optim.lora_rank, optim.lora_alpha),
            callbacks=[reporter(report, is_told=_is_told)],
        )
        tuned = trained(trainer, work)
    without_fused_head(reference.model)
    return Mllm(tuned, policy.processor)


def freeze_sight(model: Any) -> None:
    """Let neither the vision tower nor the projector learn, as published."""
    sight = {id(parameter) for parameter in tower_parameters(model)}
    for name, parameter in model.named_parameters():
        projects = {"multi_modal_projector", "connector"} & set(name.split("."))
        parameter.requires_grad_(requires_grad=id(parameter) not in sight and not projects)


def training_arguments(
    config: TuneConfig, model: Any, n_pairs: int, *, seed: int, work: Path
) -> DPOConfig:
    """The trainer's arguments."""
    optim = config.optim
    return DPOConfig(
        **common_arguments(
            model,
            n_pairs,
            work=work,
            batch_size=optim.batch_size,
            accumulate=optim.accumulate,
            warmup=optim.warmup,
            checkpoint_every=optim.checkpoint_every,
            passes=optim.passes,
        ),
        learning_rate=optim.learning_rate,
        weight_decay=0.0,
        max_grad_norm=optim.max_grad_norm,
        beta=config.loss.beta,
        seed=seed,
    )


NOT_REPORTED = ("epoch", "num_input_tokens_seen", "total_flos")


def _is_told(name: str) -> bool:
    return name not in NOT_REPORTED and not name.startswith("train_")
