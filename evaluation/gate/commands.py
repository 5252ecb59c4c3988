"""Verb of the gate."""

from datetime import UTC, date, datetime
from pathlib import Path


def gate(
    *evidence_runs: Path,
    policy: Path,
    candidate: str | None = None,
    incumbent: str | None = None,
    as_of: date | None = None,
    runs: Path = Path("runs"),
) -> int:
    """Ship, review or reject: a policy's checks over the evidence of runs.

    A check passes if its bound is shown to be kept and fails if it is shown to be missed. A
    blocking fail rejects; a blocking check that is inconclusive or without evidence asks for
    review; nothing unchecked ships. Prints the verdict and a line a check; the last line is the
    run's folder, which holds gate_report.json, report.html, report.md, junit.xml and the policy.

    Exit codes: 0 ship; 3 reject; 4 review, as a check is inconclusive; 5 review, as evidence is
    missing or does not count; 2 usage, policy or data.

    Args:
        evidence_runs: Runs with suite_results or item_scores, as folders or ids.
        policy: TOML file with the rules; see docs/gate.md.
        candidate: What may go live, as the evidence names it; if it names one only, that one.
        incumbent: What is live, as the evidence names it.
        as_of: Day on which waivers and the age of evidence are judged; today (UTC) by default.
        runs: Folder of all runs.
    """
    from evaluation.gate.console import print_gate
    from evaluation.gate.evidence import chosen_subjects, open_runs, read_evidence
    from evaluation.gate.policy import read_policy
    from evaluation.gate.record import record_gate
    from evaluation.gate.verdict import decide

    now = datetime.now(UTC)
    read = read_policy(policy)
    opened = open_runs(evidence_runs, root=runs)
    evidence = read_evidence(opened)
    subjects = chosen_subjects(evidence, candidate, incumbent)
    report = decide(read, evidence, subjects, as_of=as_of or now.date(), created_at=now)
    path = record_gate(runs, report, read, policy, opened)
    print_gate(report)
    print(path)
    return report.exit_code
