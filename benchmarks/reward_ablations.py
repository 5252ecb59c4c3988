"""What each part of the reward model is worth: every arm with every seed, on test pairs.

Trains and scores through the command line; a finished run is noted in STATE and not made again, so
a killed measurement goes on. Arms that change the last layer alone start from the seed's first
model. Skill is (accuracy - 1/2) / (accuracy of the true order - 1/2) on the same pairs; intervals
by resampling products, of the mean over seeds.

    python benchmarks/reward_ablations.py PAIRS_RUN [--runs runs] [--state FILE] [--seeds 5]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

RECIPE = "configs/reward/tiny.toml"

LAST_LAYER = {
    "point loss 0.5, as published": ("loss.point=0.5",),
    "no point loss": ("loss.point=0",),
    "point loss alone": ("loss.pair=0", "loss.point=0.5"),
    "hard labels": ("loss.pair_target=hard", "loss.pair=1"),
    "posterior labels": ("loss.pair_target=posterior", "loss.pair=1"),
    "title in place of the category": ("model.reads_category=false",),
    "picture alone": ("model.reads_category=false", "model.reads_title=false"),
}
"""Arms that are solved anew over the look that the recipe learned."""

TRAINED = {
    "blind to the product": (
        "model.reads_category=false",
        "model.reads_title=false",
        "model.hides_product=true",
        "loss.kind=0",
    ),
    "no pre-training on captions": ("loss.caption=0", "loss.caption_epochs=0"),
}
"""Arms that are trained anew."""

RULES = {"any": (1.0, np.inf), "ge_20": (1.2, np.inf), "caig_5_20": (1.05, 1.2)}
"""Least and largest ratio of the two observed CTRs."""

DRAWS = 2000


class Runs(NamedTuple):
    """Where runs are, and what is done.

    Attributes:
        pairs: Id of the run of pairs.
        folder: Folder of all runs.
        state: File of what is done.
    """

    pairs: str
    folder: Path
    state: Path

    def made(self, name: str, *arguments: str) -> str:
        """Id of the run that a command makes, made once."""
        done = json.loads(self.state.read_text()) if self.state.is_file() else {}
        if name not in done:
            command = (sys.executable, "-m", "caig", *arguments, "--runs", str(self.folder))
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            done[name] = Path(said.strip().splitlines()[-1]).name
            self.state.write_text(json.dumps(done, indent=1))
            print(f"{name}: {done[name]}", flush=True)
        return str(done[name])

    def scored(self, name: str, values: tuple[str, ...]) -> pl.DataFrame:
        """Scores of test pairs by a model of the recipe with other values."""
        sets = [word for value in values for word in ("--set", value)]
        model = self.made(f"train {name}", "train-rm", self.pairs, "--config", RECIPE, *sets)
        scorer = ("--scorer", f"run:{model}", "--split", "test")
        scores = self.made(f"score {name}", "score", self.pairs, *scorer)
        return pl.read_parquet(self.folder / scores / "pair_scores.parquet")


def main() -> None:
    """Train, score, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs_run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--state", type=Path, default=Path("ablations.json"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    runs = Runs(options.pairs_run, options.runs, options.state)
    arms: dict[str, list[pl.DataFrame]] = {}
    for seed in range(options.seeds):
        of_seed = (f"seed={seed}",)
        arms.setdefault("recipe", []).append(runs.scored(f"recipe {seed}", of_seed))
        first = runs.made(f"train recipe {seed}")
        again = (f"model.start=run:{first}", "train.epochs=0", "loss.caption_epochs=0")
        for arm, values in LAST_LAYER.items():
            found = runs.scored(f"{arm} {seed}", (*of_seed, *again, *values))
            arms.setdefault(arm, []).append(found)
        for arm, values in TRAINED.items():
            found = runs.scored(f"{arm} {seed}", (*of_seed, *values))
            arms.setdefault(arm, []).append(found)
    print(table(arms, test_pairs(runs)))


def test_pairs(runs: Runs) -> pl.DataFrame:
    """Test pairs of unequal observed CTR, with the true CTR of either ad."""
    folder = runs.folder / runs.pairs
    data = json.loads((folder / "manifest.json").read_text())["inputs"]["data"]["run_id"]
    truth = pl.read_parquet(runs.folder / data / "creative_truth.parquet")
    pairs = pl.read_parquet(folder / "creative_pairs.parquet").filter(
        pl.col("split") == "test", pl.col("left_ctr") != pl.col("right_ctr")
    )
    for side in ("left", "right"):
        named = truth.select(pl.col("creative_id").alias(f"{side}_id"), pl.col("true_ctr"))
        named = named.rename({"true_ctr": f"{side}_true"})
        pairs = pairs.join(named, on=f"{side}_id", how="left", maintain_order="left")
    return pairs


def table(arms: dict[str, list[pl.DataFrame]], pairs: pl.DataFrame) -> str:
    """Mean skill over seeds of every arm, by rule, and its difference to the recipe."""
    order = np.sign((pairs["left_ctr"] - pairs["right_ctr"]).to_numpy())
    truth = np.sign((pairs["left_true"] - pairs["right_true"]).to_numpy())
    ratio = pairs.select(
        pl.max_horizontal("left_ctr", "right_ctr") / pl.min_horizontal("left_ctr", "right_ctr")
    ).to_numpy()[:, 0]
    product = pairs["product_id"].rank("dense").to_numpy().astype(np.int64) - 1
    n = int(product.max()) + 1
    weight = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    said = {arm: [answers(scores, pairs) for scores in seeds] for arm, seeds in arms.items()}
    lines = [
        "| arm | " + " | ".join(RULES) + " |",
        "|---|" + "---|" * len(RULES),
    ]
    cells: dict[str, list[str]] = {arm: [] for arm in arms}
    for low, high in RULES.values():
        rows = (ratio >= low) & (ratio <= high)

        def by_product(sign: np.ndarray, rows: np.ndarray = rows) -> np.ndarray:
            right = (1 + order * sign)[rows] / 2 - 0.5
            return np.bincount(product[rows], weights=right, minlength=n)

        ceiling = by_product(truth)
        recipe = np.mean([by_product(sign) for sign in said["recipe"]], axis=0)
        for arm, seeds in said.items():
            each = [by_product(sign) for sign in seeds]
            mean = np.mean(each, axis=0)
            drawn = (weight @ mean) / (weight @ ceiling)
            less = (weight @ (mean - recipe)) / (weight @ ceiling)
            skills = [float(one.sum() / ceiling.sum()) for one in each]
            cell = f"{np.mean(skills):.3f} {interval(drawn)}"
            if arm == "recipe":
                cell += f", seeds {min(skills):.3f} to {max(skills):.3f}"
            else:
                cell += f", {np.mean(skills) - recipe.sum() / ceiling.sum():+.3f} {interval(less)}"
            cells[arm].append(cell)
    lines += [f"| {arm} | " + " | ".join(row) + " |" for arm, row in cells.items()]
    return "\n".join(lines)


def answers(scores: pl.DataFrame, pairs: pl.DataFrame) -> np.ndarray:
    """1 where the left ad is said to be better, -1 the right, 0 a tie; both presentations' mean."""
    mean = scores.group_by("pair_id").agg(pl.col("p_left").mean())
    p_left = pairs.join(mean, on="pair_id", how="left", maintain_order="left")["p_left"]
    return np.asarray(np.sign(np.round(p_left.to_numpy() - 0.5, 12)))


def interval(draws: np.ndarray) -> str:
    """95 % percentile interval."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"[{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
