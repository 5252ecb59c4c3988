"""The training loop that VAM and CG4CTR share: epochs, choice of epoch, and going on after a stop.

After every epoch all that the next one needs is on disk. What is random within an epoch is drawn
from the seed and the epoch's number, so an interrupted training that goes on ends with the same
weights as one that was never interrupted. No pickle anywhere.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from caig.errors import ArtifactError
from caig.runs.files import write_atomic

PROGRESS = "progress.json"


class Epoch(NamedTuple):
    """What one epoch came to.

    Attributes:
        epoch: Its number, from 1.
        loss: Mean training loss over its batches.
        metrics: Figures on the validation products.
    """

    epoch: int
    loss: float
    metrics: dict[str, float]


class Fitted(NamedTuple):
    """A finished training; the model holds the weights of the kept epoch.

    Attributes:
        kept: The epoch whose weights are kept.
        history: All epochs.
    """

    kept: Epoch
    history: list[Epoch]


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    rate: Callable[[int], float],
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Any], Tensor],
    validate: Callable[[], dict[str, float]],
    keep: str | int,
    state: Path,
    identity: Mapping[str, Any],
    tell: Callable[[Epoch], None],
) -> Fitted:
    """Train ``model`` in place; go on from ``state`` where that holds an earlier attempt.

    Args:
        model: The model.
        optimizer: Over its parameters.
        epochs: Epochs in all.
        rate: Learning rate of an epoch, from 1.
        batches: An epoch's batches.
        loss: Mean loss of a batch.
        validate: Figures of the model as it is.
        keep: The validation figure whose best epoch is kept (the first of equals), "last", or an
            epoch's number.
        state: Folder of what a later attempt needs; made if missing.
        identity: What must be equal for a state to be gone on from.
        tell: Called after every epoch.

    Raises:
        ArtifactError: ``state`` is of another training.
    """
    state.mkdir(parents=True, exist_ok=True)
    history = _resumed(model, optimizer, state, identity)
    for number in range(len(history) + 1, epochs + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(number)
        history.append(Epoch(number, _train(model, optimizer, batches(number), loss), validate()))
        kept = _kept(history, keep)
        if kept.epoch == number:
            _write_tensors(state / f"kept-{number}.safetensors", model.state_dict())
        _write_tensors(state / f"model-{number}.safetensors", model.state_dict())
        _write_tensors(state / f"optimizer-{number}.safetensors", _flat(optimizer))
        _write_progress(state, history, identity)
        _forget_all_but(state, {kept.epoch}, {number})
        tell(history[-1])
    kept = _kept(history, keep)
    model.load_state_dict(load_file(state / f"kept-{kept.epoch}.safetensors"))
    return Fitted(kept, history)


def _train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Any],
    loss: Callable[[Any], Tensor],
) -> float:
    model.train()
    losses = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        value = loss(batch)
        torch.autograd.backward(value)
        optimizer.step()
        losses.append(value.item())
    assert losses, "an epoch without a batch"
    return sum(losses) / len(losses)


def _kept(history: list[Epoch], keep: str | int) -> Epoch:
    if isinstance(keep, int):
        return history[min(keep, len(history)) - 1]
    if keep == "last":
        return history[-1]
    return max(history, key=lambda epoch: (epoch.metrics[keep], -epoch.epoch))


def _resumed(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: Path, identity: Mapping[str, Any]
) -> list[Epoch]:
    file = state / PROGRESS
    if not file.is_file():
        return []
    progress = json.loads(file.read_bytes())
    if progress["identity"] != identity:
        differing = sorted(
            key for key, value in identity.items() if progress["identity"].get(key) != value
        )
        raise ArtifactError(
            f"{state}: is of another training; these differ: {', '.join(differing)}"
        )
    history = [Epoch(*epoch) for epoch in progress["history"]]
    number = history[-1].epoch
    model.load_state_dict(load_file(state / f"model-{number}.safetensors"))
    tensors = load_file(state / f"optimizer-{number}.safetensors")
    known = optimizer.state_dict()
    known["state"] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        known["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(known)
    return history


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{key}": value
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    temporary = path.with_suffix(".tmp")
    save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary)
    temporary.replace(path)


def _write_progress(state: Path, history: list[Epoch], identity: Mapping[str, Any]) -> None:
    progress = {"identity": dict(identity), "history": [list(epoch) for epoch in history]}
    write_atomic(state / PROGRESS, json.dumps(progress).encode())


def _forget_all_but(state: Path, kept: set[int], last: set[int]) -> None:
    needed = {f"kept-{n}.safetensors" for n in kept}
    needed |= {f"{kind}-{n}.safetensors" for kind in ("model", "optimizer") for n in last}
    for file in state.glob("*.safetensors"):
        if file.name not in needed:
            file.unlink()
