"""Trains on the small shop; as a program, so that it can be killed or launched several times."""

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from caig.reward.config import RewardConfig
from caig.reward.dataset import Ads, Products
from caig.reward.model import SiameseRewardModel
from caig.reward.pictures import ads_of_pairs
from caig.reward.train import Progress, train
from caig.reward.training_run import learn_patches, new_model
from caig.runs.store import Run

SIDE = 16


def tiny_config(backbone: str = "patches", **train: object) -> RewardConfig:
    """Seconds, not minutes: one step takes a few milliseconds."""
    return RewardConfig.model_validate(
        {
            "seed": 3,
            "model": {
                "backbone": backbone,
                "patches": 8,
                "widths": [8, 8],
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


def train_on(
    data: Run, pairs_run: Run, config: RewardConfig, **options: object
) -> tuple[SiameseRewardModel, Progress]:
    """The model of the best epoch, and how it went."""
    torch.set_num_threads(1)
    pairs = pairs_run.table("creative_pairs")
    table = ads_of_pairs(pairs, data.path)
    model = new_model(table, config)
    sides = []
    for split in ("train", "val"):
        some = table.filter(table["split"] == split)
        ads = Ads(some, model.config, cache_mb=10)
        sides.append((ads, Products(pairs.filter(pairs["split"] == split), some)))
    learn_patches(model, sides[0][0], seed=config.seed)
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
