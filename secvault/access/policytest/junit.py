"""The report as JUnit XML, which the services that run tests on every change can show."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from secvault.access.policytest.report import Report


def junit(report: Report, faults: Iterable[str] = ()) -> str:
    """One test suite for each file, one test case for each entry of it.

    faults: what else keeps the tests from passing, such as the coverage; cases of their own.
    """
    root = ElementTree.Element("testsuites", name="secvault policy test")
    for suite in report.suites:
        failed = sum(bool(one.failures) for one in suite.entries)
        element = _suite(root, suite.file, len(suite.entries), failed)
        for one in suite.entries:
            name = one.place.title or one.place.entry
            case = ElementTree.SubElement(
                element, "testcase", name=f"{one.place.entry}: {name}", classname=suite.file
            )
            for failure in one.failures:
                wanted = f"{failure.what}: expected {failure.expected}, was {failure.actual}"
                found = ElementTree.SubElement(case, "failure", message=wanted)
                found.text = "\n".join((str(failure.place), *failure.why))
    if said := tuple(faults):
        element = _suite(root, "coverage and mutation", len(said), len(said))
        for fault in said:
            case = ElementTree.SubElement(element, "testcase", name=fault, classname="policy")
            ElementTree.SubElement(case, "failure", message=fault)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, name: str, tests: int, failures: int) -> ElementTree.Element:
    return ElementTree.SubElement(
        root, "testsuite", name=name, tests=str(tests), failures=str(failures), errors="0"
    )
