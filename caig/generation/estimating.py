"""``caig generate --dry-run``: how many pictures, how long, how much memory, by trying a batch."""

import resource
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caig.contracts.protocols import CreativeGenerator
from caig.generation.generating import Task


@dataclass(frozen=True)
class Estimate:
    """What a generation will take.

    Attributes:
        n_pictures: Pictures to paint (count).
        seconds_per_batch: Time of one batch (seconds).
        n_batches: Batches (count).
        weights: Size of the model's weights by type (bytes); empty if it has none.
        working_bytes: Memory a batch took beside the weights (bytes), as far as it was seen to
            grow; on a CPU that is the whole process's.
        how: How the time was found, in words.
    """

    n_pictures: int
    seconds_per_batch: float
    n_batches: int
    weights: dict[str, int]
    working_bytes: int
    how: str

    @property
    def seconds(self) -> float:
        """Time of all pictures (seconds), loading apart."""
        return self.seconds_per_batch * self.n_batches


def estimate(generator: CreativeGenerator, task: Task) -> Estimate:
    """Paint one batch, keep nothing of it, and reckon what all will take.

    A generator with a method ``probe`` (products and prompts of a batch -> seconds, words) is asked
    to do that faster than by painting a batch in full.

    Args:
        generator: What paints.
        task: What is to be painted.
    """
    batch = task.prompts.head(task.config.batch_size)
    weigh: Any = getattr(generator, "weights", None)
    probe: Any = getattr(generator, "probe", None)
    before = _peak_bytes(generator)
    if probe:
        seconds, how = probe(batch, task.products)
    else:
        with tempfile.TemporaryDirectory() as folder:
            generator.generate(batch, task.products, Path(folder))  # warms up
            started = time.perf_counter()
            generator.generate(batch, task.products, Path(folder))
            seconds, how = time.perf_counter() - started, "one batch, painted twice"
    whole = Estimate(
        n_pictures=task.prompts.height,
        seconds_per_batch=seconds,
        n_batches=-(-task.prompts.height // task.config.batch_size),
        weights=weigh() if weigh else {},
        working_bytes=0,
        how=how,
    )
    return replace(whole, working_bytes=max(0, _peak_bytes(generator) - before))


def _peak_bytes(generator: CreativeGenerator) -> int:
    peak: Any = getattr(generator, "peak_bytes", None)
    if peak:
        return int(peak())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
