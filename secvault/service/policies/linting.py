"""The faults of policy files, all of them, each with file and line."""

from __future__ import annotations

import re
from pathlib import Path

from secvault.access.advice import Finding, advise
from secvault.access.bundle import Bundle, read_folder
from secvault.errors import ConfigurationError, FieldError
from secvault.service.policies.checks import failures
from secvault.service.policies.published import parse_bundle

_OF_ROW = re.compile(r"(?P<file>[\w./-]+) line (?P<line>\d+)")
_OF_KEY = re.compile(r"(?P<file>[\w./-]+\.toml): (?P<key>.+)")
_IN_TEXT = re.compile(r"at line (\d+)")
_OBLIGATION = re.compile(r"obligation (\d+)")


def lint_folder(folder: Path) -> tuple[Finding, ...]:
    """Everything to be said of the files in a folder: faults as errors, else advice."""
    try:
        bundle = read_folder(folder)
    except ConfigurationError as error:
        return tuple(Finding("error", one.field, 0, "file", one.detail) for one in error.fields)
    return lint_bundle(bundle)


def lint_bundle(bundle: Bundle) -> tuple[Finding, ...]:
    """The same of a bundle."""
    try:
        policy = parse_bundle(bundle)
    except ConfigurationError as error:
        return faults_of(bundle, error)
    failed = [Finding("error", "tests", 0, "check", said) for said in failures(bundle)]
    return (*failed, *advise(policy.rules, policy.obligations))


def faults_of(bundle: Bundle, error: ConfigurationError) -> tuple[Finding, ...]:
    """The faults of an error of `parse_bundle`, as findings."""
    return tuple(_placed(bundle, one) for one in error.fields)


def _placed(bundle: Bundle, fault: FieldError) -> Finding:
    if row := _OF_ROW.fullmatch(fault.field):
        return Finding("error", row["file"], int(row["line"]), "fault", fault.detail)
    named = _OF_KEY.fullmatch(fault.field)
    file, key = (named["file"], named["key"]) if named else (fault.field, "")
    stated = _IN_TEXT.search(fault.detail)
    line = int(stated[1]) if stated else _line_of(bundle.files.get(file, ""), key)
    text = f"{key}: {fault.detail}" if key else fault.detail
    return Finding("error", file, line, "fault", text)


def _line_of(text: str, key: str) -> int:
    """The line where a dotted key, or the nearest table above it, stands; 0 when there is none."""
    lines = [line.strip() for line in text.splitlines()]
    if entry := _OBLIGATION.match(key):
        starts = [at for at, line in enumerate(lines, 1) if line == "[[obligation]]"]
        return starts[int(entry[1]) - 1] if int(entry[1]) <= len(starts) else 0
    words = re.split(r"[.,] ?", key)
    for length in range(len(words), -1, -1):
        table, rest = ".".join(words[:length]), words[length : length + 1]
        start = lines.index(f"[{table}]") + 1 if f"[{table}]" in lines else 0
        if not start and table:
            continue
        for at in range(start, len(lines)):
            if rest and re.match(rf"{re.escape(rest[0])}\s*=", lines[at]):
                return at + 1
            if lines[at].startswith("["):
                break
        if start:
            return start
    return 0
