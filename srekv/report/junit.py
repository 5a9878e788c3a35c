"""A verdict as JUnit XML: one test case for each finding, for whatever shows test results."""

from __future__ import annotations

from xml.etree import ElementTree as ET  # written here, never parsed

from srekv.check.model import Verdict
from srekv.ui.visible import visible


def junit(verdict: Verdict, *, name: str) -> bytes:
    """The document; an unknown finding is an error, a violated one a failure."""
    name = _printable(name)
    suite = ET.Element("testsuite", name=name, tests=str(len(verdict.findings)))
    for ruling, attribute in (("violated", "failures"), ("unknown", "errors")):
        suite.set(attribute, str(sum(one.verdict == ruling for one in verdict.findings)))
    if verdict.timing is not None and verdict.timing.outage_s is not None:
        suite.set("time", str(verdict.timing.outage_s))
    for finding in verdict.findings:
        case = ET.SubElement(suite, "testcase", classname=name, name=finding.checker)
        if finding.verdict == "held":
            ET.SubElement(case, "system-out").text = _printable(finding.summary)
            continue
        kind = "failure" if finding.verdict == "violated" else "error"
        element = ET.SubElement(case, kind, message=_printable(finding.summary))
        element.text = _printable("\n".join(str(one.to_json()) for one in finding.proof))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _printable(text: str) -> str:
    """Control characters as escapes, and no other character that XML 1.0 lacks."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in visible(text))
