"""What differs between two policies as their files say it: rows, obligations, collections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass

from secvault.access.bundle import Bundle, changed_files
from secvault.access.in_force import InForce
from secvault.access.obligations import Obligations, Slot
from secvault.access.rules import Rules
from secvault.records.collection import Collection
from secvault.records.schema_description import described, differences


@dataclass(frozen=True)
class Changes:
    """files: name to `added`, `removed` or `changed`. The others: one line for each difference,
    rows with `+` or `-` before them.
    """

    files: Mapping[str, str]
    rows: tuple[str, ...]
    obligations: tuple[str, ...]
    collections: tuple[str, ...]


def changes_between(before: Bundle | None, old: InForce, after: Bundle, new: InForce) -> Changes:
    """The differences. before: None when its texts are not at hand."""
    return Changes(
        files=changed_files(before, after) if before else {},
        rows=tuple(_rows(old.rules, new.rules)),
        obligations=tuple(_obligations(old.obligations, new.obligations)),
        collections=tuple(_collections(old.collections, new.collections)),
    )


def _rows(old: Rules, new: Rules) -> Iterator[str]:
    had, has = _lines(old), _lines(new)
    for line in sorted(had - has):
        yield f"- {line}"
    for line in sorted(has - had):
        yield f"+ {line}"


def _lines(rules: Rules) -> set[str]:
    rows = {",".join(("p", *astuple(rule)[:-1])) for rule in rules.rules}
    return rows | {f"g,{one.member},{one.role},{one.department}" for one in rules.links}


def _obligations(old: Obligations, new: Obligations) -> Iterator[str]:
    for action in sorted({*old.slots, *new.slots}):
        was, will = _slots(old.needed(action)), _slots(new.needed(action))
        if was != will:
            yield f"{action}: {was}, then {will}"
    for what, had, has in (
        ("actions", old.privileged_actions, new.privileged_actions),
        ("classes", old.privileged_classes, new.privileged_classes),
    ):
        for name in sorted(had - has):
            yield f"privileged {what}: {name} no longer"
        for name in sorted(has - had):
            yield f"privileged {what}: {name} as well"


def _slots(slots: tuple[Slot, ...]) -> str:
    if not slots:
        return "nobody else"
    return " and ".join(
        f"{slot.people} of {slot.department}" if slot.department else f"{slot.people}"
        for slot in slots
    )


def _collections(old: Mapping[str, Collection], new: Mapping[str, Collection]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        was, will = old.get(name), new.get(name)
        if will is None:
            yield f"{name}: removed"
        elif was is None:
            yield f"{name}: added, in {will.department}"
        elif was != will:
            if was.department != will.department:
                yield f"{name}: of {was.department}, then of {will.department}"
            yield from _schema(was, will)


def _schema(old: Collection, new: Collection) -> Iterator[str]:
    if old.version != new.version:
        yield f"{new.name}: version {old.version}, then {new.version}"
    for field, text in differences(described(old), described(new)):
        yield f"{new.name}.{field}: {text}" if field else f"{new.name}: {text}"
    for name in _worded(old, new):
        yield f"{name}: words changed"


def _worded(old: Collection, new: Collection) -> Iterator[str]:
    reasons = [one.retention.reason if one.retention else {} for one in (old, new)]
    if old.title != new.title or reasons[0] != reasons[1]:
        yield new.name
    for name in sorted(old.fields.keys() & new.fields.keys()):
        if old.fields[name].title != new.fields[name].title:
            yield f"{new.name}.{name}"
