"""What can be wrong with a source, its program, or a hook: named by what happened."""

from __future__ import annotations

import re

from secvault.errors import BackupFailed, SecvaultError, Unavailable


class ProgramFailed(BackupFailed):
    """A program ended with another status than it should have.

    exit_status: minus the signal's number where one ended it. said: the last lines of its stderr,
    scrubbed.
    """

    code = "program-failed"
    title = "A program failed"

    def __init__(self, detail: str, *, exit_status: int, said: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.exit_status = exit_status
        self.said = said


class OutOfTime(BackupFailed):
    """A program, or a question to a server, took longer than its setting allows; it was ended."""

    code = "out-of-time"
    title = "It took too long"


class SourceUnreachable(Unavailable):
    """The server to save, or to load into, does not answer now; a later attempt may go well."""

    code = "source-unreachable"
    title = "The server cannot be reached"


class SourceDenied(BackupFailed):
    """The server to save, or to load into, refuses the login or what it may not do."""

    code = "source-denied"
    title = "The server refuses"


class HookFailed(BackupFailed):
    """One or more hooks of a plan failed. hooks: their names, in the order in which they ran."""

    code = "hook-failed"
    title = "A hook failed"

    def __init__(self, detail: str, *, hooks: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.hooks = hooks


# In the words of libpq, PostgreSQL, and the clients of MariaDB and MySQL.
_UNREACHABLE = re.compile(
    r"server closed the connection|could not connect|connection refused|could not translate host"
    r"|timeout expired|terminating connection|the database system is|too many (clients|connections)"
    r"|connection (was killed|reset|to server was lost)|SSL SYSCALL|no connection to the server"
    r"|(Lost|Can't) connect|Got error: (2002|2003|2005|2006|2013|1040|1053)\b|gone away"
    r"|ERROR (2002|2003|2005|2006|2013|1040|1053)\b|Server shutdown in progress",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|permission denied|must be superuser"
    r"|role \".*\" does not exist|password (authentication|supplied)|must be owner"
    r"|Access denied|command denied|you need .* privilege",
    re.IGNORECASE,
)


def judged(words: str, otherwise: SecvaultError) -> SecvaultError:
    """The error that a server's or its program's words mean; `otherwise` where they say no more."""
    if _UNREACHABLE.search(words):
        return SourceUnreachable(otherwise.detail)
    if _DENIED.search(words):
        return SourceDenied(otherwise.detail)
    return otherwise
