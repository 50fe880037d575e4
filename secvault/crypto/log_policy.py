"""Which cosignatures make a checkpoint good: a policy file (c2sp.org/tlog-policy).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> <k|any|all> <name>...
    quorum <name|none>

A checkpoint is valid if one of the logs signed it and the quorum cosigned it. Everything is
defined before it is named, each name joins one group at most, and there is one quorum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.crypto.checkpoint import Checkpoint, verify_checkpoint
from secvault.crypto.cosignature import Cosignature, WitnessVerifier, cosignatures
from secvault.crypto.note import NoteVerifier, take_apart
from secvault.errors import Damaged, InvalidInput

MAX_BYTES = 256 * 1024

_NONE = "none"
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Group:
    """Members, each a witness or a group, of which `threshold` must have cosigned."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A checkpoint that met a policy. cosigned: the names in the policy, with the cosignatures."""

    checkpoint: Checkpoint
    cosigned: Mapping[str, Cosignature]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """A policy. quorum: the name of a witness or group; None where no cosignature is needed."""

    logs: tuple[NoteVerifier, ...]
    witnesses: Mapping[str, WitnessVerifier]
    groups: Mapping[str, Group]
    quorum: str | None

    @classmethod
    def parse(cls, content: bytes) -> LogPolicy:
        """The policy that a file states. Raises InvalidInput with the line at fault."""
        if len(content) > MAX_BYTES or _FORBIDDEN.search(content):
            raise InvalidInput.at("policy", "must be text without control characters, 256 KiB")
        reading = _Reading()
        # Bytes above 0x7f mean themselves only: Latin-1 keeps each, and no two become one.
        for number, line in enumerate(content.decode("latin-1").split("\n"), 1):
            words = re.split("[ \t]+", line.strip(" \t"))
            if words != [""] and not words[0].startswith("#"):
                reading.take(number, words)
        return reading.policy()

    def check(self, note: bytes) -> Judged:
        """The checkpoint of the note, if it meets the policy.

        Raises Damaged if the note does not verify, is of no log of the policy, or too few
        witnesses cosigned it; says how many are missing.
        """
        origin = take_apart(note)[0].split("\n", 1)[0]
        signers = [one for one in self.logs if one.name == origin]
        if not signers:
            raise Damaged("The checkpoint is of a log that the policy does not list.")
        checkpoint = verify_checkpoint(note, signers, origin)
        by_key = {one.vkey: name for name, one in self.witnesses.items()}
        found = {
            by_key[one.witness.vkey]: one for one in cosignatures(note, self.witnesses.values())
        }
        if self.quorum is not None and not self._has(self.quorum, frozenset(found)):
            named = ", ".join(sorted(found)) or "none"
            raise Damaged(
                "The checkpoint has too few cosignatures for the quorum "
                f"{_shown(self.quorum)} of the policy; known witnesses that cosigned it: {named}."
            )
        return Judged(checkpoint, found)

    def _has(self, name: str, cosigned: frozenset[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        return sum(self._has(member, cosigned) for member in group.members) >= group.threshold


@dataclass
class _Reading:
    """What the lines so far have defined."""

    logs: dict[bytes, NoteVerifier] = field(default_factory=dict)
    witnesses: dict[str, WitnessVerifier] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None
    at: int = 0

    def take(self, number: int, words: list[str]) -> None:
        self.at = number
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._log(vkey)
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._witness(name, vkey)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name]:
                if self.quorum is not None:
                    raise self._wrong("states a second quorum")
                if name != _NONE:
                    self._known(name)
                self.quorum = name
            case _:
                raise self._wrong("is no line of a policy: log, witness, group or quorum")

    def policy(self) -> LogPolicy:
        if self.quorum is None:
            raise InvalidInput.at("policy", "has no quorum; write `quorum none` to need no witness")
        quorum = None if self.quorum == _NONE else self.quorum
        return LogPolicy(tuple(self.logs.values()), self.witnesses, self.groups, quorum)

    def _log(self, vkey: str) -> None:
        try:
            verifier = NoteVerifier.from_vkey(_text(vkey))
        except InvalidInput as error:
            raise self._wrong(error.detail) from None
        if self.logs.setdefault(verifier.public_key, verifier) is not verifier:
            raise self._wrong("lists the key of a log again")

    def _witness(self, name: str, vkey: str) -> None:
        self._new(name)
        try:
            verifier = WitnessVerifier.from_vkey(_text(vkey))
        except InvalidInput as error:
            raise self._wrong(error.detail) from None
        if any(one.public_key == verifier.public_key for one in self.witnesses.values()):
            raise self._wrong("lists the key of a witness again")
        self.witnesses[name] = verifier

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        self._new(name)
        for member in members:
            self._known(member)
            if member in self.members:
                raise self._wrong(f"names {_shown(member)}, which is in a group already")
            self.members.add(member)
        needed = {"all": len(members), "any": 1}.get(threshold, 0)
        if _THRESHOLD.fullmatch(threshold):
            needed = int(threshold)
        if not 1 <= needed <= len(members):
            raise self._wrong(f"must need all, any, or 1 to {len(members)} of its members")
        self.groups[name] = Group(needed, tuple(members))

    def _new(self, name: str) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise self._wrong(f"defines the name {_shown(name)}, which is taken")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise self._wrong(f"names {_shown(name)}, which no line before it defines")

    def _wrong(self, why: str) -> InvalidInput:
        return InvalidInput.at(f"policy line {self.at}", why)


def _text(word: str) -> str:
    """A word as the text that it is in UTF-8, where it is."""
    try:
        return word.encode("latin-1").decode()
    except UnicodeDecodeError:
        return word


def _shown(name: str) -> str:
    return _text(name)[:64]
