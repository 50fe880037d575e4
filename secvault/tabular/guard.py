"""Text that no spreadsheet takes for a formula (OWASP, CSV Injection)."""

from __future__ import annotations

import re

# With the wide forms of the four signs, which spreadsheets fold, and what ends a cell early.
_FORMULA = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")


def guarded(cell: str) -> str:
    """The cell as no spreadsheet takes it for a formula; `unguarded` gives it back."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given; other cells stay as they are."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
