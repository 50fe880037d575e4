"""What the faults of a database mean to who uses secvault, and what they can do."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from secvault.errors import ConfigurationError, Damaged, InvalidInput, Unavailable

# PostgreSQL's own words for a broken page or index (appendix A of its manual, class XX).
_BROKEN = frozenset({"XX001", "XX002"})
# A standby or a reading connection that is asked to write; no right to a table.
_BARRED = frozenset({"25006", "42501"})
_READ_ONLY = frozenset({"25006"})
_FULL = "53100"


def named(error: DBAPIError) -> Exception:
    """The error as one of ours that says what to do; itself where it is none of the database's."""
    reason = _reason(error)
    state = getattr(error.orig, "sqlstate", None)
    # The class itself, not one of its subclasses, is SQLite's "malformed" and "not a database".
    if type(error.orig) is sqlite3.DatabaseError or state in _BROKEN:
        return Damaged(f"the database is damaged: {reason}; restore it from a backup")
    if reason.startswith("Could not decode to UTF-8"):
        # The rest of the reason is the value.
        return unreadable()
    mend = _mend_of(error.orig, state)
    if mend:
        return Unavailable(mend)
    if isinstance(error, OperationalError | InterfaceError) or state in _BARRED:
        return Unavailable(f"the database did not answer: {reason}")
    if error.statement is None:
        return ConfigurationError(f"store.url: the database cannot be opened: {reason}")
    return error


def _mend_of(fault: object, state: str | None) -> str:
    """What to do where the database's own words do not say it."""
    code = getattr(fault, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary == sqlite3.SQLITE_FULL or state == _FULL:
        return (
            "the disk of the database is full; make room on it. Nothing that was answered is lost, "
            "and the service goes on by itself"
        )
    if primary == sqlite3.SQLITE_READONLY or state in _READ_ONLY:
        return (
            "the database cannot be written: its disk or server is read-only; have it writable "
            "again. Nothing that was answered is lost, and the service goes on by itself"
        )
    return ""


def unreadable() -> Damaged:
    """The error for a value, or a name in the schema, that is not UTF-8."""
    return Damaged("the database is damaged: a text is not UTF-8; restore it from a backup")


def unfit() -> InvalidInput:
    """The error for a value that no database takes, whichever error of Python's says so."""
    return InvalidInput(
        "a value does not fit the database: a number of more than 64 bits, or a text with a NUL or "
        "a lone surrogate"
    )


def _reason(error: DBAPIError) -> str:
    """The driver's own first line; with `hide_parameters` it holds no values."""
    lines = str(error.orig).strip().splitlines() if error.orig else []
    return lines[0][:200] if lines else "no reason given"
