"""Running simulated experiments, in one process or several, none of them twice."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from abtest.simulation.config import Scenario, SimulateConfig
from abtest.simulation.results import Results
from abtest.simulation.tally import Tally, run_experiment

Task = tuple[SimulateConfig, Scenario, int]
Finished = tuple[Scenario, int, Tally]


def remaining(config: SimulateConfig, done: Results) -> list[Task]:
    """Experiments to run; the scenarios in turn, so that a run cut off has some of each."""
    return [
        (config, scenario, number)
        for number in range(config.experiments)
        for scenario in config.scenarios
        if (scenario, number) not in done
    ]


def run_all(tasks: list[Task], processes: int) -> Iterator[Finished]:
    """Run experiments and give each as it is done.

    Args:
        tasks: Of :func:`remaining`.
        processes: How many run at once.
    """
    if processes == 1 or len(tasks) <= 1:
        yield from map(_run, tasks)
        return
    # Every process has a core to itself: threads of its own would only get in each other's way.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as pool:
        yield from pool.map(_run, tasks)


def _run(task: Task) -> Finished:
    config, scenario, number = task
    return scenario, number, run_experiment(config, scenario, number)


def _start_worker() -> None:
    """End with the parent, even if it is killed; leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
