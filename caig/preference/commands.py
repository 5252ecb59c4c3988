"""``caig sample``, ``align`` and ``sheets``: prompts are written, clicks learnt from, ads shown."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Sets = Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)]
Resume = Annotated[str | None, Parameter(show_default=False)]


def sample(
    policy: str,
    data: Path,
    /,
    *,
    config: Path | None = None,
    set_: Sets = (),
    split: Annotated[str | None, Parameter(show_default=False)] = None,
    resume: Resume = None,
    runs: Path = Path("runs"),
) -> None:
    """Sample background prompts for products: two a product, from the same instruction.

    The run holds prompt_samples: the text as sampled, the cleaned text that is rendered, its
    log-probability and its seed; caig generate DATA --prompts RUN paints from it. The run's folder
    is the last line printed.

    Args:
        policy: Who writes: a run of caig pretrain or caig align as a folder or an id, ref:prompt
            for the prompt model that ships, or the folder of a checkpoint.
        data: Run with products that have cut-outs, as a folder or an id.
        config: TOML file: sampling, runtime, seed, ...; see docs/preference.md.
        set_: One value over the file's, e.g. --set sampling.max_new_tokens=48.
        split: Products that prompts are written for: train, val, test or all.
        resume: An interrupted run of the same task, as an id: go on behind its last part.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.mllm.load import require_torch
    from caig.preference.config import SampleConfig

    overrides = (*set_, *((f'split="{split}"',) if split else ()))
    settings = load_config(SampleConfig, config, overrides)
    require_torch()
    from caig.preference.policy import policy_from_text
    from caig.preference.sampling_run import sample_run
    from caig.preference.stages import interrupted_run
    from caig.progress import ShownProgress

    model, products = policy_from_text(policy, runs), open_run(data, runs)
    before = None if resume is None else interrupted_run(runs, resume)
    with ShownProgress("sampling", "prompts") as progress:
        path = sample_run(
            model, products, settings, runs=runs, resume=before, advance=progress.advance
        )
    print(path)


def align(
    policy: str,
    data: Path,
    /,
    *,
    config: Path | None = None,
    set_: Sets = (),
    scorer: Annotated[str | None, Parameter(show_default=False)] = None,
    resume: Resume = None,
    runs: Path = Path("runs"),
) -> None:
    """Align a prompt model with what is clicked: sample, paint, compare, train, epoch by epoch.

    Every stage is a run of its own. Figures on held-out products are taken before the first epoch
    and after each. An alignment that was killed goes on with --resume, and ends as it would have.
    The run holds checkpoint/ (the resulting prompt model, adapters merged), alignment_curves,
    curves.svg, and stages.json, which names the runs of all stages; its folder is the last line
    printed.

    Args:
        policy: Prompt model to begin with: a run of caig pretrain or caig align as a folder or an
            id, ref:prompt for the one that ships, or the folder of a checkpoint.
        data: Run with products that have cut-outs, as a folder or an id.
        config: TOML file: epochs, loss, corruption, optim, ...; see docs/preference.md and
            configs/preference/.
        set_: One value over the file's, e.g. --set loss.pcpo_weight=0.
        scorer: The judge, as caig score takes it: run:ID of a reward model, ref:NAME[:ID],
            api:PROVIDER:MODEL or module:Class.
        resume: An interrupted alignment of the same task, as an id.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.mllm.load import require_torch
    from caig.preference.config import AlignConfig

    overrides = (*set_, *((f'scorer="{scorer}"',) if scorer else ()))
    settings = load_config(AlignConfig, config, overrides)
    require_torch()
    from caig.preference.align import align_run
    from caig.preference.policy import policy_from_text
    from caig.preference.stages import interrupted_run

    model, products = policy_from_text(policy, runs), open_run(data, runs)
    before = None if resume is None else interrupted_run(runs, resume)
    print(align_run(model, products, settings, runs=runs, resume=before))


def sheets(
    *alignments: Path,
    name: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    products: int = 8,
    runs: Path = Path("runs"),
) -> None:
    """Show the same products under the prompts of several alignments, side by side, by epoch.

    Each ad with its prompt, whether its place suits the product (where that is known), and the
    judge's score. The run holds sheets.html, one page that opens from disk; its folder is the last
    line printed.

    Args:
        alignments: Runs of caig align that began with the same prompt model, as folders or ids.
        name: What each is called, in their order, as --name DPO --name PCPO; ids by default.
        products: Products to show, spread over the categories.
        runs: Folder of all runs.
    """
    from caig.data.sources import open_run
    from caig.errors import ConfigError
    from caig.preference.sheets import sheets_run

    if not alignments:
        raise ConfigError("name the runs of caig align to show")
    if name and len(name) != len(alignments):
        raise ConfigError(f"--name: {len(name)} names for {len(alignments)} alignments")
    if products < 1:
        raise ConfigError(f"--products {products}: show at least one")
    found = [open_run(alignment, runs) for alignment in alignments]
    names = name or tuple(run.run_id for run in found)
    print(sheets_run(found, names, products=products, runs=runs))
