"""What somebody is to be told of an event, and how an event becomes that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from secvault.audit.leaf import StoredEvent


@dataclass(frozen=True)
class Telling:
    """What somebody is to be told.

    kind: names the words. person: id of who is told, as concerned; empty for nobody. system: id of
    the account whose owner is told instead. administrators: whether they are told, and the
    channels; alarm: and those who hold a role of `WATCHING`. auditors: whether those who audit are
    told as well. former: whether the person's address before the present one is told, too. cause:
    what must not be told twice. approves: the action and the department of what is asked for; who
    may approve it is told. facts: ids and numbers for the words; `who` is a subject.
    """

    kind: str
    cause: str
    person: str = ""
    system: str = ""
    administrators: bool = False
    alarm: bool = False
    auditors: bool = False
    former: bool = False
    approves: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)


Rule: TypeAlias = Callable[[StoredEvent], Telling | None]
