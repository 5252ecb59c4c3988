"""Which run, experiment and contrast the pages show: chosen in the sidebar, kept in the URL.

Options come from the runs folder and the run's tables; a URL that names anything else gets the
default, so it can never name a path.
"""

from pathlib import Path

import streamlit as st

from caig import text
from caig.errors import CaigError
from caig.runs.store import Run
from dashboards import components
from dashboards.data import LiftRuns, Selection, experiments, lift_runs

CHOSEN = "chosen"


def choose(root: Path) -> None:
    """Draw the pickers and remember the choice; where there is none, say why and end the page.

    Args:
        root: Folder of all runs.
    """
    runs = lift_runs(root)
    st.session_state[CHOSEN] = None
    # Notices stand below the pickers, but must be there even where a picker ends the page.
    pickers, notices = st.sidebar.container(), st.sidebar.container()
    with notices:
        _notices(runs)
    if not runs.complete:
        st.title("No lift run in this folder", anchor=False)
        components.nothing_here(
            "These pages show what `caig lift` has written. Analyse an impression log, or make a "
            "simulated one first with `caig demo`.",
            "caig lift LOG.parquet",
        )
        st.stop()
    with pickers:
        run_id = st.selectbox("Run", list(runs.complete), key="run", bind="query-params")
        try:
            run = Run.open(runs.complete[run_id].path)
            by_experiment = experiments(run)
        except CaigError as error:
            unusable(error)
            st.stop()
        if not by_experiment:
            components.nothing_here("This run holds no experiment.")
            st.stop()
        noun = f" ({text.count(len(by_experiment))} in this run)" if len(by_experiment) > 1 else ""
        experiment = st.selectbox(
            f"Experiment{noun}", list(by_experiment), key="experiment", bind="query-params"
        )
        contrast = st.selectbox(
            "Contrast", by_experiment[experiment], key="contrast", bind="query-params"
        )
    st.session_state[CHOSEN] = Selection(run, experiment, contrast, len(by_experiment))


def chosen() -> Selection:
    """The choice; pages run only where there is one."""
    selection = st.session_state[CHOSEN]
    assert selection is not None
    return selection  # type: ignore[no-any-return]


def unusable(error: CaigError) -> None:
    """Say that a run cannot be shown.

    Args:
        error: Why; raised by :mod:`dashboards.data`, so without paths.
    """
    st.error("This run cannot be shown. `caig runs verify` tells what changed in it.")
    st.text(str(error))


def subject(selection: Selection) -> None:
    """Name what a page is about, under its title.

    Args:
        selection: The choice.
    """
    st.text(f"{selection.experiment}  ·  {selection.contrast}")


def _notices(runs: LiftRuns) -> None:
    if runs.corrupt:
        is_or_are = "is" if len(runs.corrupt) == 1 else "are"
        st.warning(
            f"{text.plural(len(runs.corrupt), 'run')} cannot be read and {is_or_are} left out:",
            icon=":material/warning:",
        )
        st.text("\n".join(runs.corrupt[:10]))
    unfinished = [
        f"{count} {words}"
        for count, words in ((runs.n_running, "running"), (runs.n_failed, "failed"))
        if count
    ]
    if unfinished:
        st.caption(f"Lift runs not shown: {', '.join(unfinished)}.")
