"""The controls that auditors work down, from `controls.toml`, with what a report shows of each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("controls.toml")

FRAMEWORKS = ("iso27001", "soc2", "pci", "vietnam")
"""In the order in which they are shown; their names are in `words/`."""


@dataclass(frozen=True)
class Control:
    """A requirement. evidence: keys of tables, and `log` for the verdict on the log. note: what
    the evidence shows of it and what it leaves open. title, note: by language.
    """

    framework: str
    id: str
    title: Mapping[str, str]
    evidence: tuple[str, ...]
    note: Mapping[str, str]


def controls() -> tuple[Control, ...]:
    """All of them, in the order of their frameworks and of the file."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))["control"]
    made = [
        Control(one["framework"], one["id"], one["title"], tuple(one["evidence"]), one["note"])
        for one in found
    ]
    return tuple(sorted(made, key=lambda one: FRAMEWORKS.index(one.framework)))
