"""Whether the log continues what it showed outside, asked before the service starts; and going on.

A log that was put back contradicts checkpoints that others hold. It cannot take them back, and must
not sign a second history under the same name: who accepts the break has it go on under another
origin, with another key, in other folders of the places where it is published. The break itself
is an event, and a row beside the new key says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection

from secvault.audit import publication, rollback
from secvault.audit import signing_keys as rows
from secvault.audit.rollback import Contradiction, Shown
from secvault.audit.signing_keys import AuditKey
from secvault.config import Settings
from secvault.errors import Damaged, InvalidInput, RolledBack, SecvaultError, Unavailable
from secvault.keyring.root import read_stored
from secvault.service import authentication
from secvault.service.audit_places import targets_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import open_store

ACCEPT = Operation("audit.accept_rollback", "it", "log", "it/audit")
ACCEPTED = "audit-rollback-accepted"
"""The file in the data folder that waits for a vault that people have to unseal first."""
MOST_REASON = 500


@dataclass(frozen=True)
class Looked:
    """What was found at a start. unread: places that could not be asked, and why."""

    contradictions: tuple[Contradiction, ...]
    unread: tuple[str, ...]

    def require_none(self) -> None:
        """Return when the log continues all that was found. Raises RolledBack, with what to do."""
        if not self.contradictions:
            return
        said = "; ".join(f"{each.where} {each.what}" for each in self.contradictions)
        raise RolledBack(
            f"{said}. The service does not start on a log that was put back to an older state or "
            "rewritten. If nobody restored a backup: keep the database and what was published as "
            "evidence, and look into it (docs/how-to/publish-the-log.md). If it was restored on "
            'purpose: run `secvault serve --accept-rollback "why"` once, which puts the break on '
            "record"
        )


def look(settings: Settings, environment: Mapping[str, str]) -> Looked:
    """Compare the store with the newest checkpoints outside of it; needs no open vault.

    Raises StoreVersion, Sealed (no vault), ConfigurationError, Unavailable of the store.
    """
    store = open_store(settings.store_url)
    try:
        with store.read() as connection:
            keys = rows.audit_keys(connection)
            size = rollback.size_of(connection)
            vault = read_stored(connection).vault_id
        # A store from before keys were kept there; the first one has this name.
        origin = keys[0].verifier.name if keys else f"{settings.organisation}/{vault}/audit"
        shown, unread = shown_outside(settings, origin, environment, size)
        with store.read() as connection:
            verifiers = [key.verifier for key in keys]
            return Looked(rollback.contradictions(connection, shown, verifiers), tuple(unread))
    finally:
        store.close()


def shown_outside(
    settings: Settings, origin: str, environment: Mapping[str, str], size: int
) -> tuple[list[Shown], list[str]]:
    """The newest checkpoints that lie outside of the store, and what could not be asked, and why.

    size: of the log here.
    """
    shown, unread = [], []
    own = rollback.remembered(settings.data_folder)
    if own is not None:
        shown.append(Shown(f"what this machine signed last ({rollback.REMEMBERED})", own))
    for name, target in targets_of(settings, origin, environment).items():
        try:
            note = publication.newest_published(target.place, target.base, size)
        except SecvaultError as error:
            unread.append(f"{name}: {error.detail}")
            continue
        if note is not None:
            shown.append(Shown(f"the publication {name}", note))
    return shown, unread


def check_reason(reason: str) -> str:
    """The reason as it is kept. Raises InvalidInput for none."""
    words = " ".join(reason.split())
    if not words or len(words) > MOST_REASON or not words.isprintable():
        raise InvalidInput.at(
            "--accept-rollback", f"say why, in 1 to {MOST_REASON} printable characters"
        )
    return words


def accept(
    service: Service, caller: Caller, reason: str, found: Sequence[Contradiction]
) -> AuditKey:
    """Have the log go on under another origin; the key that it is signed with from now on.

    The former keys sign nothing more. Where the log has left the origin already that all found is
    of, another machine has accepted the same break: that is on record here too, and no second break
    is made. Raises InvalidInput, Refused.
    """
    words = check_reason(reason)

    def act(connection: Connection) -> Outcome[AuditKey]:
        present = rows.audit_keys(connection)[0]
        origin = present.verifier.name
        if found and all(each.origin not in ("", origin) for each in found):
            made = present
        else:
            name = rows.next_origin(origin, service.clock.micros())
            made = service.signing.next_key(connection, name, words)
            rows.keep_next(connection, made, made.since)
        detail: dict[str, str | int | bool] = {
            "version": made.number,
            "signer": made.fingerprint,
            "old": max((each.size or 0 for each in found), default=0),
            "size": rollback.size_of(connection),
            "evidence": sha256(words.encode()).hexdigest(),
        }
        return Outcome(made, detail=detail)

    made = service.spine.change(caller, ACCEPT, act)
    # It is of the log that is no more; what is signed next takes its place.
    (service.settings.data_folder / rollback.REMEMBERED).unlink(missing_ok=True)
    return made


def accept_here(service: Service, reason: str, looked: Looked) -> AuditKey:
    """The same by whoever starts the service, at the machine itself."""
    who = Caller(authentication.local_operator(service))
    return accept(service, who, reason, looked.contradictions)


def leave(settings: Settings, reason: str, found: Sequence[Contradiction]) -> None:
    """Leave the acceptance to the process that signs first, once people have unsealed the vault.

    Raises InvalidInput, Unavailable.
    """
    shown = [[each.size, each.origin] for each in found]
    what = {"reason": check_reason(reason), "shown": shown}
    try:
        (settings.data_folder / ACCEPTED).write_text(json.dumps(what))
    except OSError as error:
        raise Unavailable(f"{ACCEPTED} cannot be written: {error.strerror}") from error


def settle(service: Service) -> None:
    """Do what `leave` left, if it did. Raises Damaged for a file that is none of it."""
    file = service.settings.data_folder / ACCEPTED
    taken = _taken(file)
    if taken is None:
        return
    try:
        left = json.loads(taken.read_text())
        found = [Contradiction("", "", size, origin) for size, origin in left["shown"]]
        reason = str(left["reason"])
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"{taken} cannot be read; accept the rollback again") from None
    accept(service, Caller(authentication.local_operator(service)), reason, found)
    taken.unlink(missing_ok=True)


def _taken(file: Path) -> Path | None:
    """The file under a name that no other process will take."""
    taken = file.with_name(f"{file.name}.taken")
    try:
        return file.rename(taken)
    except FileNotFoundError:
        return None
