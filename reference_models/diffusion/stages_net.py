"""The loop all stages share: steps, averaged weights, a saved state, and going on after a stop.

What is random in a step is drawn from the seed, the stage and the step's number alone, and all that
the next step needs is saved from time to time: a training that was killed and goes on ends with the
same weights as one that was not. A state is safetensors and JSON; no pickle.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from caig.errors import ArtifactError
from caig.runs.files import write_atomic

LOG_EVERY = 100
"""Steps a line of the log."""

WARM_UP = 100
"""Steps over which the learning rate rises."""

DECAY_SHARE = 0.3
"""Last share of the steps, over which the learning rate falls to nothing."""

LARGEST_GRADIENT = 1.0


class Draws(NamedTuple):
    """Sources of what is random in one step."""

    numpy: np.random.Generator
    torch: torch.Generator


class Stage(NamedTuple):
    """A stage to train.

    Attributes:
        name: Of its files.
        networks: What is trained.
        loss: Mean loss of a step, given its number and its draws.
        steps: Steps in all; more may be asked for later.
        learning_rate: Highest rate.
        ema: Decay of the averaged weights.
    """

    name: str
    networks: Mapping[str, nn.Module]
    loss: Callable[[int, Draws], Tensor]
    steps: int
    learning_rate: float
    ema: float


@dataclass
class Training:
    """A stage under way: all that its next step needs.

    Attributes:
        bundle: The networks.
        averaged: Averages of all their weights.
        optimizer: Over their weights.
        step: Steps done.
    """

    bundle: nn.ModuleDict
    averaged: dict[str, Tensor]
    optimizer: torch.optim.AdamW
    step: int = 0

    def save(self, path: Path, identity: str) -> None:
        """Write the state."""
        tensors = {f"now.{key}": value for key, value in self.bundle.state_dict().items()}
        tensors |= {f"mean.{key}": value for key, value in self.averaged.items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{slot}": value for slot, value in slots.items()}
        whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        write_atomic(path, save(whole, {"step": str(self.step), "identity": identity}))

    def restore(self, path: Path, identity: str) -> None:
        """Take over a saved state.

        Raises:
            ArtifactError: It is of another training.
        """
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + length])["__metadata__"]
        if about["identity"] != identity:
            raise ArtifactError(
                f"{path}: the state of a training with other settings, {about['identity']}; "
                f"these are {identity}. Take its settings, or another folder"
            )
        tensors = load(content)
        device = next(self.bundle.parameters()).device

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                key.removeprefix(prefix): value.to(device)
                for key, value in tensors.items()
                if key.startswith(prefix)
            }

        self.bundle.load_state_dict(part("now."))
        self.averaged.update(part("mean."))
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in part("adam.").items():
            number, _, slot = key.partition(".")
            slots.setdefault(int(number), {})[slot] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.step = int(about["step"])

    @torch.no_grad()
    def average(self, decay: float) -> None:
        """Move the averages towards the weights; faster while there are few steps."""
        now = self.bundle.state_dict()
        share = 1 - min(decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(
            list(self.averaged.values()), [now[name] for name in self.averaged], share
        )

    def looked_at(self, look: Callable[[int], None]) -> None:
        """Call ``look`` while the networks hold the averages."""
        trained = {name: value.clone() for name, value in self.bundle.state_dict().items()}
        self.keep_averages()
        look(self.step)
        self.bundle.load_state_dict(trained)

    def keep_averages(self) -> None:
        """Put the averages into the networks."""
        self.bundle.load_state_dict(self.averaged)
        self.bundle.eval()


def train(
    stage: Stage,
    *,
    seed: int,
    folder: Path,
    identity: Mapping[str, Any],
    save_every_s: float,
    tell: Callable[[str], None],
    look_every_s: float = float("inf"),
    look: Callable[[int], None] = lambda _: None,
) -> None:
    """Train a stage; its networks hold the averaged weights afterwards.

    Args:
        stage: What to train.
        seed: Of all that is random.
        folder: Where the state is kept.
        identity: What must be equal for a state to be gone on from.
        save_every_s: Seconds of computing between saved states.
        tell: Takes lines for the log.
        look_every_s: Seconds of computing between looks.
        look: Called with the step's number, while the networks hold the averaged weights.

    Raises:
        ArtifactError: The state in ``folder`` is of another training.
    """
    bundle = nn.ModuleDict(stage.networks)
    training = Training(
        bundle,
        {name: value.detach().clone() for name, value in bundle.state_dict().items()},
        torch.optim.AdamW(
            bundle.parameters(), lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        ),
    )
    path, known_by = folder / f"{stage.name}.safetensors", json.dumps(identity, sort_keys=True)
    if path.exists():
        training.restore(path, known_by)
        tell(f"{stage.name}: goes on from step {training.step:,} of {stage.steps:,}")
    saved = looked = time.process_time()
    losses: list[float] = []
    while training.step < stage.steps:
        losses.append(_one_step(training, stage, seed))
        is_last = training.step == stage.steps
        if training.step % LOG_EVERY == 0 or is_last:
            tell(f"{stage.name}: step {training.step:,}, loss {np.mean(losses):.4f}")
            losses.clear()
        if is_last or time.process_time() - saved >= save_every_s:
            training.save(path, known_by)
            saved = time.process_time()
        if not is_last and time.process_time() - looked >= look_every_s:
            training.looked_at(look)
            looked = time.process_time()
    training.keep_averages()


def draws(seed: int, stage: str, step: int) -> Draws:
    """What a step draws from: always the same for the same seed, stage and step."""
    words = np.random.SeedSequence([seed, zlib.crc32(stage.encode()), step])
    number = int(words.generate_state(1, np.uint64)[0]) >> 1
    return Draws(np.random.default_rng(words), torch.Generator().manual_seed(number))


def _one_step(training: Training, stage: Stage, seed: int) -> float:
    """Train one step; its loss."""
    bundle, optimizer = training.bundle, training.optimizer
    for group in optimizer.param_groups:
        group["lr"] = stage.learning_rate * _rate(training.step, stage.steps)
    bundle.train()
    loss = stage.loss(training.step, draws(seed, stage.name, training.step))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(bundle.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    training.step += 1
    training.average(stage.ema)
    return loss.item()


def _rate(step: int, steps: int) -> float:
    """Up, level, and down to nothing at the end: a training may be lengthened while it is level."""
    return min((step + 1) / WARM_UP, 1.0, (steps - step) / (DECAY_SHARE * steps))
