"""``caig runs``: list, show, verify."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from caig.errors import ArtifactError
from caig.runs.catalog import RunEntry, find_run, lineage, list_runs
from caig.runs.images import altered_images
from caig.runs.store import Run

RunsRoot = Annotated[Path, Parameter(name="--runs")]

app = App(name="runs", help="List runs; show lineage; verify checksums.")


@app.default
def list_(*, runs: RunsRoot = Path("runs"), verb: str | None = None) -> None:
    """List runs, newest first, with their state.

    Args:
        runs: Folder of all runs.
        verb: Only runs of this command.
    """
    entries = list_runs(runs, verb=verb)
    if not entries:
        print(f"No runs in {runs}. `caig demo` makes some.")
        return
    table = Table(box=None, header_style="bold")
    for heading in ("run", "state", "began (UTC)", "artifacts"):
        table.add_column(heading, no_wrap=True)  # a folded run id can be neither copied nor grepped
    table.add_column("note", overflow="fold")
    for entry in entries:
        table.add_row(*(escape(cell) for cell in _cells(entry)))
    Console().print(table)


@app.command
def show(run: str, *, runs: RunsRoot = Path("runs")) -> None:
    """Show what a run is: configuration, inputs, artifacts, figures.

    Args:
        run: Run id, or any part that names one run.
        runs: Folder of all runs.
    """
    found = find_run(runs, run)
    manifest = found.manifest
    print(found.path)
    code = manifest.code
    print(
        f"  {manifest.verb}, version {code.version}"
        f"{f', commit {code.git[:12]}' if code.git else ''}"
        f"{' with uncommitted changes' if code.dirty else ''}"
        f", {manifest.started_at:%Y-%m-%d %H:%M} UTC"
    )
    print("Made from")
    for depth, role, source in lineage(runs, found):
        name = source.run_id if isinstance(source, RunEntry) else source
        print(f"  {'  ' * (depth - 1)}{role}: {name}")
    for file in manifest.files:
        print(f"  file: {file.path} ({file.n_bytes:,} bytes, sha256 {file.sha256[:12]})")
    if not manifest.inputs and not manifest.files:
        print("  nothing but its configuration and seed")
    print("Artifacts")
    for name, artifact in manifest.artifacts.items():
        rows = "" if artifact.n_rows is None else f", {artifact.n_rows:,} rows"
        print(f"  {name}: {artifact.path} ({artifact.format}{rows}, {artifact.n_bytes:,} bytes)")
    print("Figures")
    for metric, value in manifest.metrics.items():
        figure = f"{value:,.0f}" if value.is_integer() else f"{value:g}"
        print(f"  {metric}: {figure}")


@app.command
def verify(*run: str, runs: RunsRoot = Path("runs")) -> None:
    """Recompute every checksum; exit 2 if an artifact is missing or altered.

    Args:
        run: Run ids, or parts that name one run; all complete runs if none is given.
        runs: Folder of all runs.
    """
    entries = list_runs(runs)
    problems = [f"{e.run_id}: {e.detail}" for e in entries if e.status == "corrupt" and not run]
    chosen = [find_run(runs, name) for name in run] or [
        Run.open(entry.path) for entry in entries if entry.status == "complete"
    ]
    for found in chosen:
        broken = found.problems() + altered_images(found.path)
        problems += broken
        state = "intact" if not broken else f"{len(broken)} problem(s)"
        print(f"{found.run_id}: {state}")
    if problems:
        raise ArtifactError("\n  ".join([f"{len(problems)} problem(s) in {runs}", *problems]))


def _cells(entry: RunEntry) -> tuple[str, ...]:
    began = f"{entry.started_at:%Y-%m-%d %H:%M:%S}" if entry.started_at else "unknown"
    artifacts = str(len(entry.manifest.artifacts)) if entry.manifest else ""
    return entry.run_id, entry.status, began, artifacts, entry.detail
