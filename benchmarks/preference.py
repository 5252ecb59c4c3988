"""What an epoch of PCPO costs beside one of DPO: the same pairs, one process, several repeats.

PCPO computes three rows a pair where DPO computes two, and one reference pass for all of them: 1.5
times the work, and what the third row's mask and instruction cost. Target: at most 1.6 times.

    .venv/bin/python benchmarks/preference.py --pairs 256 --repeats 5

The embedded model's shape with random weights on random pictures: what is learnt does not matter.
The two take turns, so that a machine that is busy is busy for both; the median of the ratios of
neighbours is told, with the least and the greatest.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from caig.mllm.config import TinyConfig
from caig.mllm.examples import Example
from caig.mllm.tiny import build_tiny
from caig.preference.config import TuneConfig
from caig.preference.corruptions import draw_corruptions
from caig.preference.trainer import Preference, tune_preferences

WORDS = "beach forest desert city meadow studio marble office kitchen living cafe gym night mist"
SIDE = 64


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pairs = make_pairs(options.pairs, Path(name))
        seconds(pairs, 0.0, Path(name) / "warm")  # imports and caches
        ratios = []
        for n in range(options.repeats):
            dpo = seconds(pairs, 0.0, Path(name) / f"dpo-{n}")
            pcpo = seconds(pairs, 1.0, Path(name) / f"pcpo-{n}")
            ratios.append(pcpo / dpo)
            print(f"DPO {dpo:.2f} s, PCPO {pcpo:.2f} s of processor time: {ratios[-1]:.3f}")
    print(
        f"{options.pairs} pairs: PCPO costs {statistics.median(ratios):.3f} times DPO "
        f"({min(ratios):.3f} to {max(ratios):.3f}, {len(ratios)} repeats)"
    )


def make_pairs(n: int, folder: Path) -> list[Preference]:
    """Pairs about random pictures, as long as those of the shop world."""
    rng = np.random.default_rng(0)
    words = WORDS.split()

    def said(count: int) -> str:
        return ", ".join(str(word) for word in rng.choice(words, size=count))

    pairs = []
    for k in range(n):
        file = folder / f"{k}.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(file)
        title = f"Product: {said(4)} number {k}. Category: {said(1)}."
        question = Example("create", (f"Write a prompt for an ad. {title}",), "", file)
        pairs.append(Preference(question, said(5), said(5), 0.8))
    return pairs


def seconds(pairs: list[Preference], weight: float, work: Path) -> float:
    """Processor seconds of one epoch, models built beforehand."""
    texts = [text for pair in pairs for text in (*pair.question.turns, pair.chosen)]
    policy, reference = (build_tiny(texts, TinyConfig(), seed=0) for _ in range(2))
    config = TuneConfig.model_validate(
        {"loss": {"pcpo_weight": weight}, "optim": {"batch_size": 16, "checkpoint_every": 10_000}}
    )
    drawn = draw_corruptions(len(pairs), config.corruption.kind, seed=0)
    begun = time.process_time()
    tune_preferences(
        policy,
        reference,
        pairs,
        drawn,
        config,
        side=SIDE,
        seed=0,
        work=work,
        report=lambda step, steps, found: None,
    )
    return time.process_time() - begun


if __name__ == "__main__":
    main()
