"""``caig study``: which way of aligning holds what it promises, with every run told."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def study(
    name: Literal["pcpo"],
    policy: str,
    data: Path,
    /,
    *,
    config: Path,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    processes: int = 1,
    keep: bool = False,
    resume: Annotated[str | None, Parameter(show_default=False)] = None,
    runs: Path = Path("runs"),
) -> None:
    """Compare DPO, PCPO and others: arms x judges x seeds, learning rates chosen beforehand.

    Every arm tries every learning rate on validation products and is reported at its best one on
    test products, with every seed. The run holds study_figures (all curves of all runs),
    study_estimates (means over seeds with intervals), report.md, front.svg and curves.svg; its
    folder is the last line printed.

    Args:
        name: Which study: pcpo is that of preference optimisation.
        policy: Prompt model that all arms begin with, as caig align takes it.
        data: Run with products of splits train, val and test that have cut-outs.
        config: TOML file: arms, judges, rates, seeds; see docs/study.md and
            configs/preference/study.toml.
        set_: One value over the file's, e.g. --set seeds='[0,1]'.
        processes: Alignments at a time; each takes one processor and about 1 GB.
        keep: Keep the runs of all alignments; some forty each, with all pictures.
        resume: An interrupted study of the same task, as an id: what is done is not made again.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.mllm.load import require_torch
    from caig.study.config import StudyConfig

    assert name == "pcpo"
    settings = load_config(StudyConfig, config, set_)
    require_torch()
    from caig.preference.policy import policy_from_text
    from caig.preference.stages import interrupted_run
    from caig.study.study_run import study_run

    print(
        study_run(
            policy_from_text(policy, runs),
            open_run(data, runs),
            settings,
            runs=runs,
            processes=processes,
            keep=keep,
            resume=None if resume is None else interrupted_run(runs, resume),
        )
    )
