"""The verdict as JUnit XML, for the page a build server shows.

A check that blocks and did not pass is never a skipped test, which would be shown green; the last
test case is the verdict itself, so that the file is red exactly when the launch is held up.
"""

import re
import xml.etree.ElementTree as ET

from caig.contracts.records import GateCheck, GateReport
from evaluation.gate.words import STATUS_WORDS

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: GateReport) -> str:
    """A report as JUnit XML.

    Args:
        report: The verdict.
    """
    suite = ET.Element("testsuite")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0, "passed": 0}
    for check in report.checks:
        case = ET.SubElement(
            suite, "testcase", classname=f"gate.{check.id}", name=_clean(check.slice), time="0"
        )
        counts["tests"] += 1
        counts[_outcome(case, check)] += 1
    case = ET.SubElement(suite, "testcase", classname="gate", name="verdict", time="0")
    counts["tests"] += 1
    if report.verdict == "ship":
        ET.SubElement(case, "system-out").text = _clean(report.headline)
    else:
        is_failure = report.verdict == "reject"
        ET.SubElement(case, "failure" if is_failure else "error", message=_clean(report.headline))
        counts["failures" if is_failure else "errors"] += 1
    del counts["passed"]
    suite.set("name", f"caig gate: {_clean(report.policy.name)}")
    suite.set("timestamp", report.created_at.strftime("%Y-%m-%dT%H:%M:%S"))
    for name, count in counts.items():
        suite.set(name, str(count))
    properties = ET.Element("properties")
    for name, value in (
        ("candidate", report.subject),
        ("incumbent", report.baseline or ""),
        ("policy_sha256", report.policy.sha256),
        ("verdict", report.verdict),
        ("exit_code", str(report.exit_code)),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    suite.insert(0, properties)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _outcome(case: ET.Element, check: GateCheck) -> str:
    """Give the test case its outcome, and say which count it belongs to."""
    said = _clean(check.reason)
    if check.waiver is not None:
        waiver = check.waiver
        until = f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"
        ET.SubElement(case, "skipped", message=_clean(until))
        ET.SubElement(case, "system-out").text = said
        return "skipped"
    if check.status == "pass" or not check.blocking:
        words = "" if check.status == "pass" else f"warning, {STATUS_WORDS[check.status]}: "
        ET.SubElement(case, "system-out").text = f"{words}{said}"
        return "passed"
    kind = "failure" if check.status == "fail" else "error"
    entry = ET.SubElement(case, kind, message=said, type=check.status)
    entry.text = f"required: {_clean(check.required)}"
    return "failures" if kind == "failure" else "errors"


def _clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
