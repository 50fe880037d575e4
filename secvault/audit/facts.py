"""The facts that events may carry, and what each looks like.

To add one, add a line to `FACTS`. Lines are never removed or renamed: events that carry them are
stored for years. A fact is a code, an id, a number or a flag; there is no free text among them, so
that nothing personal can slip into a log that cannot forget.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Fact = str | int | bool

IDENTIFIER = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.:*-]{0,127}")
"""How ids, roles, departments and field names look: ASCII, no @, no space, 1 to 128 characters."""

LARGEST_NUMBER = 2**53 - 1

_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAMES = re.compile(r"[a-z][a-z0-9_]{0,62}(?:,[a-z][a-z0-9_]{0,62}){0,8}")


@dataclass(frozen=True, slots=True)
class FactType:
    """What one fact looks like. `pattern` is for text, None for a flag or a number."""

    form: Literal["text", "number", "flag"]
    pattern: re.Pattern[str] | None
    mend: str

    def admits(self, value: Fact) -> bool:
        """Whether the value is of this type."""
        if self.form == "flag":
            return isinstance(value, bool)
        if self.form == "number":
            return type(value) is int and 0 <= value <= LARGEST_NUMBER
        return (
            isinstance(value, str)
            and self.pattern is not None
            and self.pattern.fullmatch(value) is not None
        )


WORD = FactType("text", _WORD, "must be a code of 1 to 64 lower-case letters, digits and . _ -")
ID = FactType("text", IDENTIFIER, "must be an id of 1 to 128 ASCII letters, digits and _ . : * -")
DIGEST = FactType("text", _DIGEST, "must be a SHA-256 as 64 lower-case hexadecimal digits")
NAMES = FactType("text", _NAMES, "must be 1 to 9 names of fields, with commas between them")
NUMBER = FactType("number", None, "must be an integer from 0 to 2**53 - 1")
FLAG = FactType("flag", None, "must be true or false")

FACTS: Mapping[str, FactType] = MappingProxyType(
    {
        "accessor": ID,
        "allowed": NUMBER,
        "answered": ID,
        "approval": WORD,
        "bytes": NUMBER,
        "campaign": ID,
        "collection": ID,
        "days": NUMBER,
        "device": ID,
        "digest": DIGEST,
        "eligibility": ID,
        "entries": NUMBER,
        "erasure": ID,
        "event": ID,
        "evidence": DIGEST,
        "export": ID,
        "expires_at": NUMBER,
        "factor": WORD,
        "files": NUMBER,
        "first_bad": NUMBER,
        "format": WORD,
        "former": ID,
        "from_version": NUMBER,
        "grant": ID,
        "hidden": NUMBER,
        "hold": ID,
        "incident": ID,
        "item": ID,
        "key_kind": WORD,
        "language": WORD,
        "messages": NUMBER,
        "method": WORD,
        "min_version": NUMBER,
        "missing": NUMBER,
        "month": WORD,
        "narrowed": FLAG,
        "new_network": FLAG,
        "node": ID,
        "not_before": NUMBER,
        "operation": WORD,
        "old": NUMBER,
        "origin": ID,
        "passed": FLAG,
        "percent": NUMBER,
        "person": ID,
        "plan": ID,
        "policy": DIGEST,
        "provider": ID,
        "pseudonymised": FLAG,
        "privileged": FLAG,
        "problems": NUMBER,
        "program": ID,
        "project": ID,
        "question": ID,
        "reason": WORD,
        "repository": ID,
        "request": ID,
        "requester": ID,
        "reveal": ID,
        "role": ID,
        "rule": ID,
        "run": ID,
        "seal": WORD,
        "searched": NAMES,
        "seconds": NUMBER,
        "session": ID,
        "setting": ID,
        "shares": NUMBER,
        "signer": DIGEST,
        "seq": NUMBER,
        "size": NUMBER,
        "snapshot": ID,
        "state": WORD,
        "subject": ID,
        "target": ID,
        "threshold": NUMBER,
        "ticket": ID,
        "token": ID,
        "version": NUMBER,
    }
)
"""Every fact that any event may carry, with its type. Times are microseconds, UTC."""
