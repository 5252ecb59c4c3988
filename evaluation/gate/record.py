"""Writing a verdict as a run: the record, and three views of it for people and build servers."""

from collections.abc import Sequence
from pathlib import Path

from caig.contracts.records import FileInput, GateReport
from caig.runs.store import Run, RunWriter
from evaluation.gate.junit import junit
from evaluation.gate.policy import ReadPolicy
from evaluation.gate.report import render_html, render_markdown


def record_gate(
    root: Path, report: GateReport, read: ReadPolicy, path: Path, runs: Sequence[Run]
) -> Path:
    """Write the report and its views.

    Args:
        root: Folder of all runs.
        report: The verdict.
        read: The policy.
        path: Its file.
        runs: Runs that were judged.

    Returns:
        The run's folder.
    """
    content = read.text.encode()
    with RunWriter(
        root,
        "gate",
        read.policy,
        inputs={f"evidence_{place}": run for place, run in enumerate(runs, start=1)},
        files=(FileInput(path=str(path), sha256=read.sha256, n_bytes=len(content)),),
        started_at=report.created_at,
    ) as run:
        run.write_text("gate_report", "gate_report.json", as_json(report), report.format)
        run.write_text("report_html", "report.html", render_html(report), "text/html")
        run.write_text("report_md", "report.md", render_markdown(report), "text/markdown")
        run.write_text("junit", "junit.xml", junit(report), "application/xml")
        run.write_bytes("policy", "policy.toml", content, "text/toml")
        run.add_metric("exit code", report.exit_code)
        run.log("verdict", verdict=report.verdict, headline=report.headline)
    return run.path


def as_json(report: GateReport) -> str:
    """The record, as its file holds it."""
    return report.model_dump_json(indent=2) + "\n"
