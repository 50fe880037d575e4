"""Putting back what a source saved: what is asked for, what it meets, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from secvault.backup.sources.source import SourceEntry
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, Damaged, InvalidInput

Facts = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Wish:
    """What of the saved is put back, and how.

    names: which databases or files, each with the name that it gets; empty: all, by their own. A
    name must be one of those that the target's settings name, where they name any. replace:
    whether what is there by a name may go; what was there stays until the new is whole. accounts:
    whether the server's roles, users and grants are put back too, first; those that are there get
    their saved passwords and rights. owners: whether owners
    and grants of the databases are (PostgreSQL).
    """

    names: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    accounts: bool = False
    owners: bool = True
    apart: bool = False
    prepare: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Target:
    """What loading would meet. name: of what was saved. into: the name that it gets.

    place: the server or folder, for a person. there: whether something has that name. empty:
    whether nothing would be lost with it.
    """

    name: str
    into: str
    place: str
    there: bool
    empty: bool


@dataclass(frozen=True)
class Loaded:
    """What was put back. facts: of the same shape as what was saved, asked of what is there now,
    by the names that it was saved by; `differences` compares them."""

    facts: Facts


def chosen(entry: SourceEntry, wish: Wish, allowed: Iterable[str]) -> dict[str, str]:
    """The saved databases or files to put back, each with the name that it gets.

    allowed: the names that the target's settings name; none: any. Raises InvalidInput, Damaged.
    """
    saved = databases(entry.facts)
    names = dict(wish.names) or {name: name for name in saved}
    unknown = [name for name in names if name not in saved]
    if unknown:
        raise InvalidInput.at("names", f"{entry.name} has not saved {unknown[0]!r}")
    if len(set(names.values())) != len(names):
        raise InvalidInput.at("names", "two are to get the same name")
    permitted = set(allowed)
    outside = [name for name in names.values() if permitted and name not in permitted]
    if outside:
        raise InvalidInput.at("names", f"the target's settings do not name {outside[0]!r}")
    return names


def refuse_overwriting(targets: Iterable[Target], wish: Wish) -> None:
    """Raises Conflict where something is there that was not said to be replaced."""
    for target in targets:
        if target.there and not target.empty and not wish.replace:
            raise Conflict(
                f"{target.into} is at {target.place} already; give another name, or say that what "
                "is there may be replaced"
            )


def databases(facts: Facts) -> dict[str, dict[str, JsonValue]]:
    """The saved databases or files by their names. Raises Damaged."""
    found = facts.get("databases")
    if isinstance(found, dict):
        each = {name: one for name, one in found.items() if isinstance(one, dict)}
        if len(each) == len(found):
            return each
    raise Damaged("the manifest does not say which databases were saved")


def text_of(facts: Facts, key: str) -> str:
    """A fact that is a text. Raises Damaged."""
    found = facts.get(key)
    if not isinstance(found, str):
        raise Damaged(f"the manifest lacks {key} of a database")
    return found


def differences(saved: Facts, loaded: Facts) -> tuple[str, ...]:
    """In which tables, rows and objects that were saved the loaded databases differ; one line each.

    Only of what was loaded. Rows that changed while they were saved are known by their lowest and
    highest number, and any number from the one to the other is right.
    """
    before, found = databases(saved), databases(loaded)
    return tuple(
        line
        for name, one in found.items()
        for line in (
            *_compared(name, "tables", before.get(name, {}), one, _same_rows),
            *_compared(name, "objects", before.get(name, {}), one, _same),
        )
    )


def _compared(
    name: str,
    key: str,
    saved: Facts,
    loaded: Facts,
    is_same: Callable[[JsonValue, JsonValue], bool],
) -> Iterable[str]:
    wanted, found = saved.get(key), loaded.get(key)
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return
    what = "rows" if key == "tables" else "of them"
    for each, expected in wanted.items():
        if each not in found:
            yield f"{name}: {each} is missing"
        elif not is_same(expected, found[each]):
            yield f"{name}: {each} has {_shown(found[each])} {what}, saved were {_shown(expected)}"


def _same(saved: JsonValue, loaded: JsonValue) -> bool:
    return saved == loaded


def _same_rows(saved: JsonValue, loaded: JsonValue) -> bool:
    if isinstance(saved, list) and isinstance(loaded, int):
        ends = [number for number in saved if isinstance(number, int)]
        return min(ends) <= loaded <= max(ends)
    return saved == loaded


def _shown(rows: JsonValue) -> str:
    return " to ".join(map(str, rows)) if isinstance(rows, list) else str(rows)
