"""The tables of docs/reference/audit-events.md that follow from the catalogue.

python -m tests.audit.events_document    # prints them, to be put into the document
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from secvault.audit.catalogue import KINDS
from secvault.audit.facts import DIGEST, FACTS, FLAG, ID, NAMES, NUMBER, WORD, FactType

DOCUMENT = Path(__file__).parents[2] / "docs/reference/audit-events.md"

_FORMS: tuple[tuple[FactType, str], ...] = (
    (ID, "id"),
    (WORD, "code"),
    (DIGEST, "SHA-256"),
    (NAMES, "names of fields"),
    (NUMBER, "number"),
    (FLAG, "true or false"),
)


def tables() -> str:
    """The table of the facts, and that of the kinds."""
    return "\n".join([*_facts(), "", *_kinds()])


def _facts() -> Iterator[str]:
    yield "| fact | form |"
    yield "|---|---|"
    for form, name in _FORMS:
        yield f"| {', '.join(f'`{f}`' for f, found in FACTS.items() if found is form)} | {name} |"


def _kinds() -> Iterator[str]:
    yield "| kind | facts |"
    yield "|---|---|"
    for kind, facts in sorted(KINDS.items()):
        yield f"| `{kind}` | {', '.join(f'`{fact}`' for fact in sorted(facts))} |"


if __name__ == "__main__":
    before, first, _ = DOCUMENT.read_text("utf-8").partition("| fact | form |")
    assert first, "the document has no table of facts any more"
    DOCUMENT.write_text(f"{before}{tables()}\n", "utf-8")
