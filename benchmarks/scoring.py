"""Scoring throughput: ads scored once, in batches, against a pair-at-a-time loop.

The loop is how released code scores: for every pair and presentation it decodes both pictures and
asks the model, one pair at a time. Same model, same pairs, same process; answers are compared.

    python benchmarks/scoring.py PAIRS_RUN --model RM_RUN [--runs runs] [--pairs 2000] [--threads 1]
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from caig.reward.model import SiameseRewardModel


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs_run", type=Path)
    parser.add_argument("--model", required=True, help="id of a run of caig train-rm")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--pairs", type=int, default=2000, help="pairs scored")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    import torch

    from caig.data.sources import image_folder, open_run
    from caig.reward.score import RewardModelScorer

    torch.set_num_threads(options.threads)
    run = open_run(options.pairs_run, options.runs)
    pairs = run.table("creative_pairs").sort("product_id", "pair_id").head(options.pairs)
    images = image_folder(run)
    model_run = open_run(Path(options.model), options.runs)
    scorer = RewardModelScorer.from_run(model_run, batch_size=64)

    started, cpu = time.perf_counter(), time.process_time()
    batched = scorer.score_pairs(pairs, images)
    batch_seconds, batch_cpu = time.perf_counter() - started, time.process_time() - cpu
    started, cpu = time.perf_counter(), time.process_time()
    looped = pair_at_a_time(scorer.model, pairs, images)
    loop_seconds, loop_cpu = time.perf_counter() - started, time.process_time() - cpu

    n_ads = pl.concat([pairs["left_id"], pairs["right_id"]]).n_unique()
    widest = np.abs((batched["p_left"] - looped["p_left"]).to_numpy()).max()
    print(f"{pairs.height:,} pairs of {n_ads:,} ads, {options.threads} threads")
    for name, seconds, used in (
        ("batched", batch_seconds, batch_cpu),
        ("a pair at a time", loop_seconds, loop_cpu),
    ):
        rate = pairs.height / seconds
        print(f"  {name}: {seconds:.1f} s ({used:.1f} s of processor), {rate:,.0f} pairs/s")
    print(f"  ratio: {loop_seconds / batch_seconds:.1f} ({loop_cpu / batch_cpu:.1f} of processor)")
    print(f"  largest difference of p_left: {widest:.1e}")


def pair_at_a_time(model: "SiameseRewardModel", pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
    """Each pair in both presentations, its pictures decoded anew each time."""
    import torch

    from caig.reward.dataset import Ads
    from caig.reward.pictures import ads_of_pairs

    model.train(mode=False)
    table = ads_of_pairs(pairs, images)
    ads = Ads(table, model.config, cache_mb=0)
    row = {name: i for i, name in enumerate(table["creative_id"])}
    answers = []
    with torch.inference_mode():
        for left, right in pairs.select("left_id", "right_id").iter_rows():
            for one, other in ((left, right), (right, left)):
                scores = []
                for name in (one, other):
                    out = model(**ads.inputs([row[name]]))
                    scores.append(out.score.double())
                p = torch.sigmoid((scores[0] - scores[1]) * model.config.order_scale).item()
                answers.append(p if one == left else 1 - p)
    return pl.DataFrame({"p_left": answers})


if __name__ == "__main__":
    main()
