"""The map from requirements to what shows them, and everything that can be wrong with it.

An entry of `v6.toml` to `v9.toml` has, by the requirement's number:

    tests           node ids without parameters, as tests/api/test_caller.py::test_signing_out
    documents       sections, as docs/reference/tokens.md#Policies are roles
    deviates        in what it is met otherwise or not in full, and why; beside tests or documents
    not_applicable  why it does not apply, alone
    until           with not_applicable: a path; when it comes to exist the reason is over
    pending         which part of the work is still to show it, and what
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHAPTERS = ("V6", "V7", "V8", "V9")
DEMANDED = 2
"""The level that is to be met in full."""

_HEADING = re.compile(r"#{1,6} +(.+?) *#*")
_UNRUN = {"skip", "skipif", "xfail"}


@dataclass(frozen=True)
class Requirement:
    """A requirement. level: 1 to 3; each level holds those below it."""

    number: str
    level: int
    label: str


@dataclass(frozen=True)
class Shown:
    """What an entry of the map says."""

    tests: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    deviates: str | None = None
    not_applicable: str | None = None
    until: str | None = None
    pending: str | None = None


def read_requirements(file: Path = HERE / "requirements.toml") -> dict[str, Requirement]:
    """All requirements of the chapters by their number."""
    chapters = tomllib.loads(file.read_text("utf-8"))
    return {
        number: Requirement(number, level, label)
        for chapter in chapters.values()
        for number, (level, label) in chapter.items()
    }


def read_map(folder: Path = HERE) -> dict[str, Shown]:
    """The entries of all chapters. A key that is none fails here."""
    entries: dict[str, Shown] = {}
    for chapter in CHAPTERS:
        file = folder / f"{chapter.lower()}.toml"
        for number, said in tomllib.loads(file.read_text("utf-8")).items():
            lists = {key: tuple(said.pop(key, ())) for key in ("tests", "documents")}
            entries[number] = Shown(**lists, **said)
    return entries


def faults(
    requirements: Mapping[str, Requirement], entries: Mapping[str, Shown], root: Path = ROOT
) -> Iterator[str]:
    """Each fault of the map but what is pending, as a sentence that begins with the number."""
    for number, requirement in requirements.items():
        if requirement.level <= DEMANDED and number not in entries:
            yield f"{number} is not mapped: {requirement.label}"
    for number, shown in entries.items():
        if number not in requirements:
            yield f"{number} is no requirement"
        for said in _faults_of(shown, root):
            yield f"{number} {said}"


def _faults_of(shown: Shown, root: Path) -> Iterator[str]:
    yield from _faults_of_reasons(shown, root)
    for test in shown.tests:
        fault = _fault_of_test(test, root)
        if fault:
            yield f"names the test {test}, which {fault}"
    for section in shown.documents:
        fault = _fault_of_section(section, root)
        if fault:
            yield f"names {section}, which {fault}"


def _faults_of_reasons(shown: Shown, root: Path) -> Iterator[str]:
    evidence = shown.tests + shown.documents
    reasons = (shown.deviates, shown.not_applicable, shown.until, shown.pending)
    if any(reason is not None and not reason.strip() for reason in reasons):
        yield "gives an empty reason"
    if shown.not_applicable is not None:
        if evidence or shown.deviates is not None or shown.pending is not None:
            yield "is not applicable and mapped at once"
    elif not evidence and shown.pending is None:
        yield "names neither a test nor a document"
    if shown.until is not None:
        if shown.not_applicable is None:
            yield "says until when, but not why it does not apply"
        if (root / shown.until).exists():
            yield f"applies now: there is {shown.until}"


def _fault_of_test(node: str, root: Path) -> str:
    path, _, name = node.partition("::")
    file = root / path
    if not path.startswith("tests/") or not file.name.startswith("test_") or not file.is_file():
        return "is in no file of tests"
    tests, unrun = _tests_of(file)
    if name not in tests:
        return "is not there"
    return "is skipped or expected to fail" if name in unrun else ""


def _fault_of_section(section: str, root: Path) -> str:
    path, _, heading = section.partition("#")
    file = root / path
    if not path.endswith(".md") or not file.is_file():
        return "is no document"
    sections = _sections_of(file)
    if heading not in sections:
        return "has no such heading"
    return "" if sections[heading] else "has nothing below that heading"


@cache
def _tests_of(file: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The tests that a file defines, and those of them that are not run for certain."""
    module = ast.parse(file.read_text("utf-8"))
    loose = [node for node in module.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    whole_file_unrun = any(_is_unrun(node) for node in loose)
    tests, unrun = set(), set()
    for prefix, marks, node in _functions(module):
        if node.name.startswith("test_"):
            tests.add(prefix + node.name)
            if whole_file_unrun or any(_is_unrun(mark) for mark in (*marks, node)):
                unrun.add(prefix + node.name)
    return frozenset(tests), frozenset(unrun)


def _functions(
    module: ast.Module,
) -> Iterator[tuple[str, list[ast.expr], ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "", [], node
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}::", node.decorator_list, inner


def _is_unrun(tree: ast.AST) -> bool:
    """Whether `pytest.skip(...)`, `pytest.mark.skipif` or the like stands in it."""
    return any(isinstance(node, ast.Attribute) and node.attr in _UNRUN for node in ast.walk(tree))


@cache
def _sections_of(file: Path) -> dict[str, bool]:
    """The headings of a document, and whether something stands below each."""
    found: dict[str, bool] = {}
    present, in_code = None, False
    for line in file.read_text("utf-8").splitlines():
        in_code ^= line.startswith("```")
        heading = None if in_code else _HEADING.fullmatch(line)
        if heading:
            present = heading[1]
            found.setdefault(present, False)
        elif present is not None and line.strip():
            found[present] = True
    return found
