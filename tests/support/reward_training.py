"""Trains on the small shop; as a program, so that it can be killed or launched several times."""

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from caig.reward.config import RewardConfig
from caig.reward.dataset import Products
from caig.reward.making import mllm_base, new_model
from caig.reward.pictures import ads_of_pairs
from caig.reward.score import AnyAds, RewardModel, read_ads
from caig.reward.train import Progress, train
from caig.runs.store import Run

SIDE = 16


def tiny_config(**train: object) -> RewardConfig:
    """Seconds, not minutes: one step takes a few milliseconds."""
    return RewardConfig.model_validate(
        {
            "seed": 3,
            "model": {
                "widths": [16, 16],
                "look_size": 8,
                "image_size": SIDE,
                "dropout": 0.0,
            },
            "loss": {"pair": 1.0},
            "train": {
                "epochs": 2,
                "products_per_step": 4,
                "learning_rate": 0.01,
                "shift": 1,
                **train,
            },
        }
    )


def new_tiny_model(data: Run, pairs_run: Run, config: RewardConfig) -> RewardModel:
    """A model that is not trained."""
    table = ads_of_pairs(pairs_run.table("creative_pairs"), data.path)
    return new_model(table, config, base=mllm_base(config.model.mllm, data.path.parent))


def ads_and_pairs(
    data: Run, pairs_run: Run, model: RewardModel, split: str
) -> tuple[AnyAds, Products]:
    """The ads of a split, as the model reads them, and its pairs."""
    pairs = pairs_run.table("creative_pairs")
    table = ads_of_pairs(pairs, data.path)
    some = table.filter(table["split"] == split)
    return read_ads(some, model, cache_mb=10), Products(pairs.filter(pairs["split"] == split), some)


def train_on(
    data: Run, pairs_run: Run, config: RewardConfig, **options: object
) -> tuple[RewardModel, Progress]:
    """The model of the best epoch, and how it went."""
    torch.set_num_threads(1)
    model = new_tiny_model(data, pairs_run, config)
    sides = [ads_and_pairs(data, pairs_run, model, split) for split in ("train", "val")]
    options.setdefault("accelerator", Accelerator(cpu=True))
    return model, train(model, *sides[0], sides[1], config, **options)


def main() -> None:
    """Arguments: run of data, run of pairs, configuration (JSON), folder of the results."""
    data, pairs, config, folder = sys.argv[1:]
    accelerator = Accelerator(cpu=True)
    model, progress = train_on(
        Run.open(Path(data)),
        Run.open(Path(pairs)),
        RewardConfig.model_validate_json(config),
        accelerator=accelerator,
        folder=Path(folder),
        advance=lambda step, total: print(step, flush=True),
    )
    if accelerator.is_main_process:
        torch.save(model.state_dict(), Path(folder) / "model.pt")
        (Path(folder) / "history.json").write_text(json.dumps(progress.history))


if __name__ == "__main__":
    main()
