"""What trl's trainers are given alike, whatever they train for: instructions or preferences.

Arguments that suit a processor or a GPU, resuming, adapters, reports, and what is taken off a model
again when it is trained.
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback
from trl.trainer import utils


class LoadsByName:
    """Mixed into a trainer: resumes from a checkpoint by the names its weights were saved under.

    Some families save other names than their modules have; the trainer's own loading would find
    none of them, warn, and go on from the weights that are there.
    """

    model: Any
    is_deepspeed_enabled: bool
    is_fsdp_enabled: bool

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        target: Any = self.model if model is None else model
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or hasattr(target, "peft_config"):
            own: Any = super()
            own._load_from_checkpoint(resume_from_checkpoint, model)
            return
        stored = type(target).from_pretrained(
            resume_from_checkpoint, use_safetensors=True, dtype=target.dtype
        )
        target.load_state_dict(stored.state_dict())


def common_arguments(
    model: Any,
    n_rows: int,
    *,
    work: Path,
    batch_size: int,
    accumulate: int,
    warmup: float,
    checkpoint_every: int,
    passes: int = 1,
) -> dict[str, Any]:
    """Arguments of a training: what costs a CPU more than it saves a GPU is off on a CPU.

    Args:
        model: The model, on its device.
        n_rows: Rows of the data set (count).
        work: Folder of checkpoints.
        batch_size: Rows of one forward pass.
        accumulate: Forward passes of one step.
        warmup: Share of the steps that warm up.
        checkpoint_every: Steps between checkpoints.
        passes: Passes over the rows.
    """
    on_cpu = model.device.type == "cpu"
    steps = passes * math.ceil(n_rows / (batch_size * accumulate))
    return {
        "output_dir": str(work),
        "per_device_train_batch_size": batch_size,
        "gradient_accumulation_steps": accumulate,
        "num_train_epochs": passes,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(warmup * steps),
        # Both are on by default, and cost a CPU many times what they save a GPU.
        "bf16": not on_cpu,
        "activation_checkpointing": not on_cpu,
        "use_cpu": on_cpu,
        "save_strategy": "steps",
        "save_steps": checkpoint_every,
        "save_total_limit": 1,
        "logging_steps": max(1, min(50, steps // 10)),
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": not on_cpu,
    }


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Peft asks for gradient checkpointing by the old name; nothing here can change that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is dep", FutureWarning)
        yield


def trained(trainer: Any, work: Path) -> Any:
    """Train, going on from the last checkpoint in ``work``; the model, its adapters merged.

    Returns:
        The model, in evaluation mode, all of it trainable again.
    """
    trainer.remove_callback(PrinterCallback)
    last = last_checkpoint(work)
    with only_answers_scored():
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    tuned = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(tuned, "merge_and_unload"):
        tuned = tuned.merge_and_unload()
    for parameter in tuned.parameters():
        parameter.requires_grad_(requires_grad=True)
    without_fused_head(tuned)
    return tuned.eval()


def without_fused_head(model: Any) -> None:
    """Take off what the trainer laid over the model's forward pass."""
    vars(model).pop("forward", None)


def tower_parameters(model: Any) -> list[Any]:
    """Parameters of the vision tower, by the names that model families give it.

    LLaVA, Gemma 3 and InternVL call it vision_tower, Qwen-VL visual, SmolVLM vision_model.
    """
    names = ("vision_tower", "visual", "vision_model")
    return [p for name, p in model.named_parameters() if set(name.split(".")) & set(names)]


@contextmanager
def only_answers_scored() -> Iterator[None]:
    """Let trl project answer tokens alone onto the vocabulary, as it does on a GPU.

    Elsewhere it projects every position, prompts and pictures too, and throws most of it away; with
    a small model that is a third of a step. To be removed when trl asks for no Triton there.
    """
    before = utils._use_triton  # type: ignore[attr-defined]
    utils._use_triton = lambda device: True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        utils._use_triton = before  # type: ignore[attr-defined]


def lora_config(rank: int, alpha: int) -> Any:
    """LoRA on all linear layers of the language model; None for rank 0.

    Args:
        rank: Rank.
        alpha: Scale; 0 is twice the rank.
    """
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=alpha or 2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        exclude_modules=r".*(vision_tower|visual|vision_model|multi_modal_projector|connector).*",
        task_type="CAUSAL_LM",
    )


def last_checkpoint(work: Path) -> Path | None:
    """The latest complete checkpoint; its state file is written last, so others are torn."""
    states = sorted(
        work.glob("checkpoint-*/trainer_state.json"),
        key=lambda file: int(file.parent.name.rpartition("-")[2]),
    )
    for state in reversed(states):
        try:
            json.loads(state.read_bytes())
        except json.JSONDecodeError:
            continue
        return state.parent
    return None


def reporter(
    report: Callable[[int, int, dict[str, float]], None], *, is_told: Callable[[str], bool]
) -> TrainerCallback:
    """Tells what a trainer logs.

    Args:
        report: Told step, steps in all, and figures by name.
        is_told: Which names.
    """

    class Reporter(TrainerCallback):
        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            numbers = {name: float(v) for name, v in (logs or {}).items() if is_told(name)}
            if numbers:
                report(state.global_step, state.max_steps, numbers)

    return Reporter()
