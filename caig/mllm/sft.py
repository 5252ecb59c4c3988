"""Instruction tuning by trl's SFTTrainer, with two things added.

The first words of an answer may weigh more, and the vision tower may learn at a rate of its own.

The weighted loss is the sum of w * -log p over answer tokens, divided by the number of answer
tokens of the whole step: gradient accumulation then gives what one large batch gives.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling, SFTTrainer

from caig.mllm.config import InstructConfig
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
)

WEIGHTS = "token_weights"


class ExampleCollator(DataCollatorForVisionLanguageModeling):
    """Turns rows of examples into a batch: tokens, pixels, labels, and weights of the labels.

    Args:
        processor: The model's processor.
        side: Shrink pictures to this side (px).
        place_weight: Weight of the tokens that an example marks.
    """

    def __init__(self, processor: Any, *, side: int | None, place_weight: float) -> None:
        super().__init__(processor=processor, completion_only_loss=True)
        self._side = side
        self._place_weight = place_weight
        self._n_marked = lru_cache(maxsize=1 << 16)(self._count_marked)

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate rows as made by :func:`to_rows`.

        Returns:
            Tensors as the model takes them, and ``token_weights`` (B, T) float32.
        """
        rows = [
            {
                **{key: row[key] for key in ("prompt", "completion")},
                "images": [load_picture(Path(name), self._side) for name in row["images"]],
            }
            for row in examples
        ]
        batch: dict[str, Any] = super().torch_call(rows)
        labels = batch["labels"]
        weights = torch.ones(labels.shape, dtype=torch.float32)
        for n, row in enumerate(examples):
            if row["weighted"] and self._place_weight != 1:
                places = (labels[n] != -100).nonzero().flatten()
                head = tuple(labels[n, places[:16]].tolist())
                weights[n, places[: self._n_marked(head, row["weighted"])]] = self._place_weight
        batch[WEIGHTS] = weights
        return batch

    def _count_marked(self, head: tuple[int, ...], marked: str) -> int:
        """How many first tokens of an answer spell its marked beginning."""
        tokenizer = self.processor.tokenizer
        for n in range(1, len(head) + 1):
            if tokenizer.decode(head[:n]).strip().startswith(marked):
                return n
        return len(head)


class InstructTrainer(LoadsByName, SFTTrainer):
    """SFTTrainer with weighted tokens and a rate of its own for the vision tower.

    Args:
        tower_rate: Rate of the tower as a multiple of the learning rate.
        arguments: As SFTTrainer takes them.
    """

    def __init__(self, *, tower_rate: float, **arguments: Any) -> None:
        self._tower_rate = tower_rate
        super().__init__(**arguments)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002
        num_items_in_batch: Any = None,
    ) -> Any:
        """The weighted loss. The trainer's own is -sum(log p) / n: scaling log p is enough."""
        weights = inputs.pop(WEIGHTS)[:, 1:]

        def weighted(**kwargs: Any) -> Any:
            outputs = model(**kwargs)
            fields = dict(outputs.items()) | {"log_probs": outputs.log_probs * weights}
            return SimpleNamespace(**{"aux_loss": None, **fields})

        return super().compute_loss(  # type: ignore[no-untyped-call]
            weighted, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
        )

    def create_optimizer(self, model: Any = None) -> Any:
        """The trainer's optimizer, with the tower's parameters in groups of their own."""
        optimizer = super().create_optimizer(model)
        tower = {id(parameter) for parameter in tower_parameters(self.model)}
        groups = []
        for group in optimizer.param_groups:
            for inside, rate in ((False, 1.0), (True, self._tower_rate)):
                chosen = [p for p in group["params"] if (id(p) in tower) == inside]
                if chosen:
                    groups.append({**group, "params": chosen, "lr": group["lr"] * rate})
        optimizer.param_groups[:] = groups
        return optimizer


def to_rows(examples: Iterable[Example], processor: Any) -> Any:
    """Examples as the data set that the trainer takes; pictures stay paths."""
    from datasets import Dataset  # type: ignore[import-untyped]

    marks = special_marks(processor)
    return Dataset.from_list(
        [
            {
                "prompt": to_messages(example, marks),
                "completion": [
                    {"role": "assistant", "content": without_marks(example.answer, marks)}
                ],
                "images": [str(example.image)] if example.image else [],
                "weighted": example.weighted,
            }
            for example in examples
        ]
    )


def tune(
    mllm: Mllm,
    examples: Sequence[Example],
    stage: InstructConfig,
    *,
    place_weight: float,
    side: int | None,
    seed: int,
    work: Path,
    report: Callable[[int, int, dict[str, float]], None],
) -> Mllm:
    """Tune a model on examples, in an order drawn by the seed; the model is changed.

    A run that was killed goes on from the last checkpoint in ``work``, and ends where an
    uninterrupted one ends.

    Args:
        mllm: Model; evaluation mode again at the end.
        examples: Training examples.
        stage: Batch size, rates, LoRA.
        place_weight: Weight of marked tokens.
        side: Shrink pictures to this side (px).
        seed: Seed of the order, of LoRA's weights and of dropout.
        work: Folder of checkpoints.
        report: Told step, steps in all, and what was measured.

    Returns:
        The tuned model, adapters merged.
    """
    model = mllm.model
    for parameter in tower_parameters(model):
        parameter.requires_grad_(requires_grad=stage.tower_rate > 0)
    with quiet_peft():
        trainer = InstructTrainer(
            tower_rate=stage.tower_rate,
            model=model,
            args=_arguments(stage, model, len(examples), seed=seed, work=work),
            train_dataset=to_rows(examples, mllm.processor),
            processing_class=mllm.processor,
            data_collator=ExampleCollator(mllm.processor, side=side, place_weight=place_weight),
            peft_config=lora_config(stage.lora_rank, stage.lora_alpha),
            callbacks=[reporter(report, is_told=REPORTED.__contains__)],
        )
        tuned = trained(trainer, work)
    return Mllm(tuned, mllm.processor)


def _arguments(
    stage: InstructConfig, model: Any, n_examples: int, *, seed: int, work: Path
) -> SFTConfig:
    return SFTConfig(
        **common_arguments(
            model,
            n_examples,
            work=work,
            batch_size=stage.batch_size,
            accumulate=stage.accumulate,
            warmup=stage.warmup,
            checkpoint_every=stage.checkpoint_every,
        ),
        learning_rate=stage.learning_rate,
        weight_decay=stage.weight_decay,
        seed=seed,
        remove_unused_columns=False,
    )


REPORTED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "num_tokens")
