"""Conditions that SQLite takes and PostgreSQL does not."""

from __future__ import annotations

import ast
from pathlib import Path

import secvault

SOURCE = Path(secvault.__file__).parent


def test_nothing_is_compared_by_is_with_a_value_of_the_program() -> None:
    """In PostgreSQL `IS` takes a keyword: `true()`, `false()` or `None`, never a parameter."""
    found = [
        f"{file.relative_to(SOURCE)}:{node.lineno}"
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("is_", "is_not")
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value is not None
    ]
    assert found == []
