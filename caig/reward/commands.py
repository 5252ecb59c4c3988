"""``caig train-rm`` and ``caig score``: pairs become a model, and a model's answers to pairs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def train(
    pairs: Path,
    /,
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    resume: Annotated[str | None, Parameter(show_default=False)] = None,
    runs: Path = Path("runs"),
) -> None:
    """Train the reward model on pairs of ads.

    The epoch kept is the one that is best on the validation pairs. The run holds checkpoint/
    (safetensors, configuration, model card; read by from_pretrained) and training_history; its
    folder is the last line printed. Several processes: accelerate launch -m caig train-rm ...

    Args:
        pairs: Run of pairs, as a folder or an id: of caig pairs.
        config: TOML file: model, loss, train; see docs/reward-model.md and configs/reward/.
        set_: One value over the file's, e.g. --set train.epochs=40.
        resume: An interrupted run of the same configuration, as an id: go on from its last state.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.reward.config import RewardConfig
    from caig.reward.training_run import train_run

    settings = load_config(RewardConfig, config, set_)
    path = train_run(open_run(pairs, runs), settings, runs=runs, resume=resume)
    if path is not None:
        print(path)


def score(
    pairs: Path,
    /,
    *,
    scorer: str,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    split: Annotated[str | None, Parameter(show_default=False)] = None,
    resume: Annotated[str | None, Parameter(show_default=False)] = None,
    runs: Path = Path("runs"),
) -> None:
    """Score pairs of ads in both presentations.

    The run holds pair_scores; its folder is the last line printed.

    Args:
        pairs: Run of pairs, as a folder or an id.
        scorer: run:ID of a trained reward model, or module:Class[:argument], any PairScorer.
        config: TOML file: split, batch_size, part_pairs.
        set_: One value over the file's, e.g. --set batch_size=256.
        split: train, val, test or all; test by default.
        resume: An interrupted scoring of the same pairs, as an id: go on from its last part.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.reward.config import ScoreConfig
    from caig.reward.scoring_run import score_run

    chosen = (f"scorer={scorer}", *((f"split={split}",) if split else ()))
    settings = load_config(ScoreConfig, config, (*set_, *chosen))
    print(score_run(open_run(pairs, runs), settings, runs=runs, resume=resume))
