"""``caig simulate``: how often the analysis errs, measured where the truth is known."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators


def simulate(
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    resume: Path | None = None,
    processes: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 2,
    runs: Path = Path("runs"),
) -> None:
    """Error rates, coverage and power of the whole analysis, on simulated traffic of known truth.

    Every experiment is drawn afresh and goes the way of a user's log, from rows to verdicts. Prints
    each rate with its interval and what the method promises; the last line is the run's folder,
    which holds error_rates (Parquet) and experiments.jsonl, one line an experiment. A run that was
    cut off, or killed, goes on with --resume; so does a finished one that shall have more
    experiments.

    Args:
        config: TOML file: experiments, seed, scenarios, alpha, traffic, effects; see
            docs/simulation.md.
        set_: One value over the file's, e.g. --set experiments=1000 --set traffic.n_units=5000.
        resume: Run folder whose experiments are taken over; its configuration holds, and only
            experiments may be set anew.
        processes: Experiments that run at once.
        runs: Folder of all runs.
    """
    from abtest.simulation.config import SimulateConfig
    from abtest.simulation.console import print_rates
    from abtest.simulation.record import record_simulation
    from abtest.simulation.results import Results, resumed
    from caig.config import load_config
    from caig.errors import CaigError

    if resume and config:
        raise CaigError("--resume takes the configuration of the run; leave out --config")
    done: Results = {}
    if resume:
        settings, done = resumed(resume, set_)
    else:
        settings = load_config(SimulateConfig, config, set_)
    path, rates = record_simulation(
        runs,
        settings,
        done=done,
        processes=processes,
        resumed_from=resume.resolve().name if resume else None,
    )
    print_rates(rates)
    print(path)
