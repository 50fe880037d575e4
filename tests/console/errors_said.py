"""What errors say, read from the source: sentences with a number in braces for each value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import secvault

PACKAGE = Path(secvault.__file__).parent
PLACES = {
    "InvalidInput": 0,
    "Conflict": 0,
    "NotFound": 0,
    "Erased": 0,
    "OnHold": 0,
    "VersionMismatch": 0,
    "PreconditionRequired": 0,
    "NotAuthenticated": 0,
    "TooManyAttempts": 0,
    "TooLarge": 0,
    "Refused": 0,
    "StepUpRequired": 0,
    "ApprovalRequired": 0,
    "SeparationOfDuties": 0,
    "Sealed": 0,
    "KeysApart": 0,
    "Overloaded": 0,
    "ForeignPage": 0,
    "Unavailable": 0,
    "AuditUnavailable": 0,
    "FieldError": 1,
    "BackupFailed": 0,
    "Cancelled": 0,
    "ConfigurationError": 0,
    "Damaged": 0,
    "HookFailed": 0,
    "OutOfTime": 0,
    "PlanBusy": 0,
    "ProgramFailed": 0,
    "RepositoryDamaged": 0,
    "RepositoryDenied": 0,
    "RepositoryGone": 0,
    "RepositoryMissing": 0,
    "RepositoryUnreachable": 0,
    "ServerMissing": 0,
    "SourceUnreadable": 0,
    "StorageFull": 0,
    "TakenOver": 0,
}
"""The errors that people meet on pages, and which argument is the sentence."""

_WORD = re.compile(r"[A-Za-z'-]{3,}[,;:.]?")


@dataclass(frozen=True)
class Said:
    """A sentence. path: from the package on. text: with {1}, {2} for what is put into it."""

    path: str
    line: int
    error: str
    text: str


def said_in(folder: str) -> Iterator[Said]:
    """Every sentence of a folder or file of the package, as far as it stands in the source.

    What is put together from other errors' sentences, or comes from elsewhere, is left out.
    """
    found = PACKAGE / folder
    for file in sorted(found.rglob("*.py")) if found.is_dir() else [found]:
        tree = ast.parse(file.read_text("utf-8"))
        named = _strings(tree.body)
        for scope, call in _calls(tree):
            at = _place(call)
            if at is None or len(call.args) <= at[1]:
                continue
            local = {**named, **_strings(scope)}
            for text in _texts(call.args[at[1]], local):
                # What has no word of its own is a name, or puts other sentences together.
                if any(_WORD.fullmatch(word) for word in text.split()):
                    path = str(file.relative_to(PACKAGE))
                    yield Said(path, call.lineno, at[0], text)


def work_said() -> Iterator[str]:
    """Texts of the backups' source, among them what was tried: it is put into sentences."""
    for file in sorted((PACKAGE / "backup").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def _calls(tree: ast.Module) -> Iterator[tuple[list[ast.AST], ast.Call]]:
    """Every call, with the statements of the function around it."""
    for top in tree.body:
        around = list(ast.walk(top)) if not isinstance(top, ast.ClassDef) else []
        for inner in top.body if isinstance(top, ast.ClassDef) else [top]:
            around = list(ast.walk(inner))
            for node in around:
                if isinstance(node, ast.Call):
                    yield around, node


def _place(call: ast.Call) -> tuple[str, int] | None:
    function = call.func
    if isinstance(function, ast.Name) and function.id in PLACES:
        return function.id, PLACES[function.id]
    if (
        isinstance(function, ast.Attribute)
        and function.attr == "at"
        and isinstance(function.value, ast.Name)
        and function.value.id in PLACES
    ):
        return function.value.id, 1
    return None


def _strings(nodes: list[ast.stmt] | list[ast.AST]) -> dict[str, list[ast.expr]]:
    """What names are given in these statements, where it can be a text."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def _texts(node: ast.expr, named: dict[str, list[ast.expr]], deep: int = 0) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield _joined(node)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, named, deep)
        yield from _texts(node.orelse, named, deep)
    elif isinstance(node, ast.Name) and deep < 2:
        for value in named.get(node.id, ()):
            yield from _texts(value, named, deep + 1)


def _joined(node: ast.JoinedStr) -> str:
    text, number = "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        else:
            number += 1
            text += f"{{{number}}}"
    return text


FLOORS = (
    "console",
    "api/browser.py",
    "access/eligibility.py",
    "access/grants.py",
    "backup",
    "crypto/token.py",
    "identity/activation.py",
    "identity/contacts.py",
    "identity/devices.py",
    "identity/directory.py",
    "identity/enrolment.py",
    "identity/invitations.py",
    "identity/names.py",
    "identity/passkeys.py",
    "identity/passwords.py",
    "identity/people.py",
    "identity/service_accounts.py",
    "identity/sessions.py",
    "identity/token_rotation.py",
    "identity/tokens.py",
    "jobs/cron.py",
    "records/attachment_content.py",
    "records/candidates.py",
    "records/collection.py",
    "records/content_type.py",
    "records/identifier.py",
    "records/imports",
    "records/index_state.py",
    "records/once.py",
    "records/record",
    "records/search_terms.py",
    "records/value.py",
    "service/backup_restore_goals.py",
    "service/invitation_mail.py",
    "service/transit/place.py",
)
"""What stands below the operations and speaks to those who fill in forms."""


def operations_of_pages() -> frozenset[str]:
    """The files of `secvault.service` that pages call: those that a module of theirs imports."""
    found = set()
    for file in (PACKAGE / "console").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "secvault.service"
            ):
                parts = (node.module or "").split(".")[1:]
                for name in ("", *(one.name for one in node.names)):
                    path = "/".join([*parts, name] if name else parts)
                    if (PACKAGE / f"{path}.py").is_file():
                        found.add(f"{path}.py")
    return frozenset(found)
