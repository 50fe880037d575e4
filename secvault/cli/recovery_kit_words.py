"""What the commands say of the recovery kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from secvault.cli import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secvault.recovery.contents import Change
    from secvault.recovery.kit import KitHead
    from secvault.recovery.stored import Place
    from secvault.service.recovery_kit_status import CheckedKit, KitStatus

SHOWN = ("state", "kit", "issued_at", "taken_at", "taken_kit", "shares", "threshold", "set")

_STATES = {
    "missing": "No kit was issued. After a total loss nothing comes back: secvault recovery kit "
    "issue",
    "behind": "The kit is issued anew by the worker; at once by: secvault recovery kit issue",
    "stale": "What people have in hand is not enough. Print it anew, replace the copies: "
    "secvault recovery kit show --out kit.pdf",
    "outdated": "What people have in hand opens everything, and is not up to date in what it says: "
    "secvault recovery kit show --out kit.pdf",
    "unwritten": "The newest kit does not lie everywhere; the worker tries again.",
    "good": "",
}
_WHATS = {
    "root": "the root key was rotated: an older kit opens only backups from before",
    "password": "the password of the repository {subject} was changed: an older kit does not "
    "open it",
    "repository": "the repository {subject} is another, or is addressed otherwise",
    "shares": "there are new shares: an older kit opens with the old ones only",
    "plan": "the plan {subject} changed",
    "services": "the order of the services changed",
    "contacts": "whom to call changed",
    "holders": "who holds the shares changed",
    "seal": "the seal is of another kind",
    "database": "the database is of another kind",
    "schema": "the database's schema is newer: the kit names a program that is too old for it",
    "audit-keys": "the keys of the audit log changed",
    "company": "the company's name changed",
    "old": "it is older than recovery.kit_days",
}
_ADDED = {
    "password": "the repository {subject} has a password that an older kit does not hold",
    "repository": "the repository {subject} is new",
    "plan": "the plan {subject} is new",
}
_REMOVED = {
    "password": "the password of {subject} is of no use any more",
    "repository": "the repository {subject} is gone",
    "plan": "the plan {subject} is gone",
}


def change_in_words(change: Change) -> str:
    """What changed, as a sentence's part."""
    table = {"added": _ADDED, "removed": _REMOVED, "changed": _WHATS}[change.how]
    return table.get(change.what, _WHATS[change.what]).format(subject=change.subject)


def status_row(found: KitStatus) -> dict[str, Any]:
    """The status as a document."""
    kit, taken, shares = found.kit, found.taken, found.shares
    return {
        "state": found.state,
        "kit": kit.id if kit else None,
        "digest": kit.digest if kit else None,
        "issued_at": show.time(kit.issued_at if kit else None),
        "issued_by": kit.issued_by if kit else None,
        "changes": [_change(one) for one in found.changes],
        "taken_kit": taken.id if taken else None,
        "taken_at": show.time(taken.taken_at if taken else None),
        "taken_by": taken.taken_by if taken else None,
        "lacking": [_change(one) for one in found.lacking],
        "too_old": found.too_old,
        "stale_because": found.stale_because or None,
        "set": shares.identifier if shares else None,
        "shares": shares.shares if shares else None,
        "threshold": shares.threshold if shares else None,
        "shares_made_at": show.time(shares.made_at if shares else None),
        "other_numbers": found.other_numbers,
        "root_rotated_since_shares": found.root_since,
        "places": place_rows(found.places),
        "unwritten": [*found.unwritten],
    }


def place_rows(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Where kits were written."""
    return [
        {
            "place": one.place,
            "kit": one.kit,
            "written_at": show.time(one.written_at),
            "fault": one.fault or None,
        }
        for one in places
    ]


def status_lines(found: KitStatus) -> list[str]:
    """What is to be said of it, for a person."""
    lines = [_STATES[found.state]] if _STATES[found.state] else []
    lines += [f"since it was issued, {change_in_words(one)}" for one in found.changes]
    if found.kit is not None and found.taken is None:
        lines.append("Nobody has taken it out yet: it lies on this machine and beside the backups.")
    lines += [
        f"since it was taken out, {change_in_words(one)}"
        for one in found.lacking
        if one not in found.changes
    ]
    if found.too_old:
        lines.append("What was taken out is older than recovery.kit_days.")
    lines += [f"not written to {one}" for one in found.unwritten]
    if found.other_numbers:
        lines.append(
            "The settings ask for other numbers of shares: secvault recovery kit issue --new-shares"
        )
    if found.root_since:
        lines.append(
            "The root key was rotated after the shares were made. If that was because others may "
            "know it, make new shares: secvault recovery kit issue --new-shares"
        )
    return lines


def checked_row(found: CheckedKit) -> dict[str, Any]:
    """What was found of a kit's file."""
    return {
        "kit": found.kit,
        "issued_at": show.time(found.issued_at),
        "newest": found.newest,
        "known": found.known,
        "changes": [_change(one) for one in found.changes],
    }


def head_facts(head: KitHead) -> dict[str, Any]:
    """The most important of a kit's open part."""
    of = head.shares
    return {
        "kit": head.kit,
        "company": head.company,
        "issued": show.time(head.issued_at),
        "version": head.version,
        "shares": f"{of.threshold} of {of.shares}, set {of.set_id}",
        "repositories": ", ".join(one.name for one in head.repositories),
        "plans": ", ".join(one.name for one in head.plans),
        "signed by": head.evidence_key,
    }


def whole_head(head: KitHead) -> dict[str, Any]:
    """All of a kit's open part."""
    found: dict[str, Any] = msgspec.to_builtins(head)
    return found


def _change(change: Change) -> dict[str, Any]:
    return {**vars(change), "grave": change.grave, "words": change_in_words(change)}
