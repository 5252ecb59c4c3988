"""The verdict for people: one HTML file that opens from disk, and Markdown.

Nothing is decided or computed here. The page runs no script and loads nothing. Names of subjects,
categories and owners, and reasons, are untrusted: escaped in HTML, defused in Markdown.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from caig import text
from caig.contracts.records import GateCheck, GateReport, GateStatus
from evaluation.gate import words
from evaluation.gate.figures import MAX_ROWS, checks_plot

ORDER: tuple[GateStatus, ...] = (
    "fail",
    "inconclusive",
    "error",
    "not_applicable",
    "waived",
    "pass",
)
MAX_LISTED = 500


def render_html(report: GateReport) -> str:
    """The report as one HTML page."""
    return _rendered("gate.html.j2", report, autoescape=True)


def render_markdown(report: GateReport) -> str:
    """The report as Markdown."""
    return re.sub(r"\n{3,}", "\n\n", _rendered("gate.md.j2", report, autoescape=False))


def defused(value: str) -> str:
    """Untrusted text for Markdown: on one line, its special characters without effect."""
    flat = " ".join(text.printable(value).split())
    return re.sub(r"([\\`*_{}\[\]()#!|<>~])", r"\\\1", flat)


def _rendered(template: str, report: GateReport, *, autoescape: bool) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evaluation.gate"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = defused
    return environment.get_template(template).render(_view(report))


def _view(report: GateReport) -> dict[str, Any]:
    """Texts of both forms of the report."""
    ordered = sorted(report.checks, key=lambda check: (not check.blocking, _place(check)))
    tally = Counter(check.status for check in report.checks if check.blocking)
    return {
        "verdict": report.verdict,
        "word": words.VERDICT_WORDS[report.verdict],
        "headline": report.headline,
        "meaning": MEANINGS[report.verdict],
        "notes": report.notes,
        "made_at": f"{report.created_at:%Y-%m-%d %H:%M}",
        "as_of": str(report.as_of) if report.as_of else text.UNKNOWN,
        "candidate": report.subject,
        "incumbent": report.baseline or "none",
        "tally": [
            {"status": status, "name": words.STATUS_WORDS[status], "value": tally[status]}
            for status in ORDER
            if tally[status]
        ],
        "groups": [
            {"is_blocking": is_blocking, "checks": [_check(check) for check in shown]}
            for is_blocking in (True, False)
            if (shown := [c for c in ordered[:MAX_LISTED] if c.blocking == is_blocking])
        ],
        "checks": [_check(check) for check in ordered[:MAX_LISTED]],
        "made": _made(report.checks),
        "n_unlisted": max(len(ordered) - MAX_LISTED, 0),
        "chart": Markup(checks_plot(ordered)),
        "n_undrawn": max(sum(c.ci_lower is not None for c in ordered) - MAX_ROWS, 0),
        "changes": _changes(ordered),
        "family": report.family[:1].upper() + report.family[1:],
        "policy": report.policy,
        "runs": [{"id": run.run_id, "sha": run.manifest_sha256} for run in report.runs],
        "artifacts": report.artifacts,
        "exit_code": report.exit_code,
        "version": report.format,
        "methods": METHODS,
    }


MEANINGS = {
    "ship": "Every blocking check passed or is waived.",
    "review": "Nothing failed, but not everything that blocks is shown: a person must decide, or "
    "more evidence must be brought.",
    "reject": "At least one blocking bound is shown to be missed.",
}

METHODS = (
    "A check passes if its bound is shown to be kept, fails if it is shown to be missed, and is "
    "inconclusive otherwise: bounds count, estimates do not.",
    "A comparison with the incumbent is made on the items both were asked, item by item, clustered "
    "by product; the candidate may be worse by less than the margin.",
    "A fixed bound is held against the interval the suite made; small categories are pooled.",
    "Missing answers are counted, never scored. Too many of them, missing figures, or figures of "
    "two runs make a check an error, which never ships.",
    "A ship is safe at the level by itself, as every blocking check must pass; the correction "
    "guards what is said of single checks, and a good candidate against a chance fail among many.",
)


def _made(checks: Sequence[GateCheck]) -> list[dict[str, str]]:
    """How the figures of every rule were made; its parts by category alike are one line."""
    lines = {
        (
            check.id,
            check.suite or text.UNKNOWN,
            check.ci_method or text.UNKNOWN,
            check.evidence.run_id if check.evidence else text.UNKNOWN,
            check.baseline_evidence.run_id if check.baseline_evidence else text.UNKNOWN,
        ): None
        for check in checks
    }
    names = ("name", "suite", "method", "run", "baseline_run")
    return [dict(zip(names, line, strict=True)) for line in lines]


def _place(check: GateCheck) -> int:
    return ORDER.index(check.status)


def _check(check: GateCheck) -> dict[str, Any]:
    is_comparison = check.candidate_value is not None

    def written(value: float | None, *, signed: bool = False) -> str:
        return words.figure(value, check.unit, signed=signed)

    percent = " %" if check.unit == "percent" else ""
    points = " points" if percent and is_comparison else percent
    has_interval = check.ci_lower is not None
    return {
        "name": words.name_of(check),
        "status": check.status,
        "state": words.STATUS_WORDS[check.status],
        "blocking": check.blocking,
        "required": check.required,
        "metric": check.metric or text.UNKNOWN,
        "observed": text.UNKNOWN
        if check.observed is None
        else written(check.observed, signed=is_comparison) + points,
        "interval": text.UNKNOWN
        if not has_interval
        else f"[{written(check.ci_lower, signed=is_comparison)}, "
        f"{written(check.ci_upper, signed=is_comparison)}]",
        "confidence": text.percent(check.ci_confidence, 0),
        "candidate": written(check.candidate_value) + percent if is_comparison else text.UNKNOWN,
        "incumbent": written(check.incumbent_value) + percent if is_comparison else text.UNKNOWN,
        "n": text.count(check.n),
        "n_unscored": text.count(check.n_unscored),
        "coverage": text.percent(check.coverage),
        "products": text.count(check.n_clusters),
        "p_pass": text.p_value(check.p_pass_adj),
        "p_fail": text.p_value(check.p_fail_adj),
        "more": text.UNKNOWN if check.more_items is None else words.about(check.more_items),
        "reason": check.reason,
        "why": check.why,
        "categories": ", ".join(check.categories),
    }


def _changes(checks: Sequence[GateCheck]) -> list[str]:
    """What would change the verdict, check by check."""
    found = []
    for check in checks:
        if not check.blocking or check.status in ("pass", "waived"):
            continue
        name = words.name_of(check)
        if check.status == "fail":
            found.append(f"{name}: another candidate, or a waiver that someone answers for.")
        elif check.status == "inconclusive" and check.more_items is not None:
            found.append(f"{name}: about {words.about(check.more_items)} more items.")
        elif check.status == "not_applicable":
            found.append(f"{name}: an incumbent to compare with.")
        elif check.status == "error":
            found.append(f"{name}: evidence that counts.")
        else:
            found.append(f"{name}: lies at the bound; a person must decide.")
    return found
