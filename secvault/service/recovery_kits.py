"""Operations on the recovery kit: issued with new shares, issued anew with the same, taken out.

Whoever issues it with new shares sees all of them, which is as much as to see the root and every
password: it may need a second person. To issue it anew shows nothing; the jobs do it by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import uuid_utils
from sqlalchemy import Connection

from secvault.crypto import aead, shares
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.keyring.root import read_stored
from secvault.recovery import pages, stored
from secvault.recovery.kit import KitHead, KitSecrets
from secvault.recovery.opening import open_with, read_kit
from secvault.recovery.sealed import make_kit
from secvault.recovery.stored import Place, StoredKit, StoredShares
from secvault.service.approval import Terms
from secvault.service.recovery_kit_contents import Gathered, gather
from secvault.service.recovery_kit_places import write_newest
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

RESOURCE = "it/recovery/kit"
_PURPOSE = "recovery-kit"


@dataclass(frozen=True)
class Issued:
    """A kit that was issued just now. words: of each share, shown this once; none where they stay.

    places: where it was written, or what kept it from that.
    """

    kit: bytes
    head: KitHead
    words: tuple[Secret, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Taken:
    """A kit that was taken out. file: machine-readable."""

    id: str
    file: bytes


@dataclass(frozen=True)
class Escrowed:
    """The roots as the newest kit has them, raw, the newest first. issued_at: micros."""

    kit: str
    issued_at: int
    roots: tuple[Secret, ...]


def issue_kit(service: Service, caller: Caller, *, new_shares: bool = False) -> Issued:
    """Issue the kit: with new shares the first time and where they are asked for, else anew.

    New shares are as many as the settings say. Kits that were issued before still open with the
    shares of then, and still hold what they held. Raises ApprovalRequired for new shares, Refused,
    InvalidInput for numbers of shares that make no sense.
    """
    with service.store.read() as connection:
        there = stored.shares_in_force(connection) is not None
    if there and not new_shares:
        return renew_kit(service, caller)
    settings = service.settings.recovery
    shares.require_sensible(settings.threshold, settings.shares, "the kit")

    def act(connection: Connection) -> Outcome[tuple[StoredKit, tuple[Secret, ...]]]:
        # One after the other, over all nodes.
        generation = read_stored(connection, lock=True).generation
        if stored.shares_in_force(connection) is not None and not new_shares:
            raise Conflict("another kit was issued at this moment; its shares are in force")
        secret = Secret(aead.draw(aead.KEY_BYTES, service.random))
        of, words = shares.split(secret, settings.threshold, settings.shares, "the kit")
        shares_id = uuid_utils.uuid7().hex
        # Made here and not before: without an approval nothing is changed.
        key = service.keyring.internal_in(connection, _PURPOSE)
        made = StoredShares(
            shares_id,
            of.identifier,
            of.threshold,
            of.shares,
            tuple(shares.check_of(each) for each in words),
            stored.seal_secret(secret, key, shares_id, service.random),
            generation,
            service.clock.micros(),
            caller.principal.subject,
        )
        stored.keep_shares(connection, made)
        kit = _keep(service, connection, made, secret, caller)
        detail = {**_detail(kit), "shares": of.shares, "threshold": of.threshold}
        return Outcome((kit, words), detail=detail)

    terms: Terms = {
        "format": "recovery-kit",
        "shares": settings.shares,
        "threshold": settings.threshold,
    }
    kit, words = service.spine.change(caller, operation("kit.issue"), act, lambda _: terms)
    return _issued(service, kit, words)


def renew_kit(service: Service, caller: Caller) -> Issued:
    """Issue the kit anew, for the shares that its holders have. Raises NotFound before the first.

    Nothing secret is shown by it.
    """
    key = key_of(service)

    def act(connection: Connection) -> Outcome[StoredKit]:
        read_stored(connection, lock=True)
        made = stored.shares_in_force(connection)
        if made is None:
            raise missing()
        kit = _keep(service, connection, made, stored.open_secret(made, key), caller)
        return Outcome(kit, detail=_detail(kit))

    kit = service.spine.change(caller, operation("kit.renew"), act)
    return _issued(service, kit, ())


def take_kit(service: Service, caller: Caller) -> Taken:
    """The newest kit, for whoever keeps or prints it. That it was taken is noted.

    What is in it in clear tells where everything lies; its secrets open for the shares alone.
    Raises NotFound.
    """

    def act(connection: Connection) -> Outcome[StoredKit]:
        kit = stored.newest_kit(connection)
        if kit is None:
            raise missing()
        stored.mark_taken(connection, kit.id, service.clock.micros(), caller.principal.subject)
        passwords = [name.partition(":")[2] for name in kit.parts if name.startswith("password:")]
        # As of the kit: a password that was changed since counts as not taken out.
        service.backups.passwords.mark_escrowed(connection, passwords, kit.issued_at)
        return Outcome(kit, detail=_detail(kit))

    kit = service.spine.change(caller, operation("kit.take"), act)
    return Taken(kit.id, document_of(kit))


def in_form(taken: Taken, form: str, language: str) -> bytes:
    """The kit as its file (`json`), or as its pages (`pdf`, `html`) in the language.

    Raises InvalidInput for another form or language.
    """
    if form == "json":
        return taken.file
    head = read_kit(taken.file).head
    if form == "pdf":
        return pages.kit_pdf(taken.file, head, language)
    if form == "html":
        return pages.kit_html(taken.file, head, language).encode()
    raise InvalidInput.at("form", "must be json, pdf or html")


def gathered_now(service: Service, connection: Connection) -> Gathered | None:
    """What a kit for the shares in force would hold at this moment; None where there are none."""
    made = stored.shares_in_force(connection)
    if made is None:
        return None
    secret = stored.open_secret(made, key_of(service))
    return gather(service, connection, made, secret, held=False)


def open_newest(service: Service) -> tuple[KitHead, KitSecrets] | None:
    """The newest kit opened, as it was written, by the secret that the vault keeps; None without.

    Raises Damaged where it does not open with that.
    """
    key = key_of(service)
    with service.store.read() as connection:
        kit, made = stored.newest_kit(connection), stored.shares_in_force(connection)
    if kit is None or made is None:
        return None
    return open_with(document_of(kit), stored.open_secret(made, key))


def roots_in_escrow(service: Service) -> Escrowed | None:
    """The roots that the newest kit gives to whoever puts its shares together; None without a kit.

    Raises Damaged where it does not open.
    """
    opened = open_newest(service)
    if opened is None:
        return None
    head, secrets = opened
    return Escrowed(head.kit, head.issued_at, secrets.root_keys())


def document_of(kit: StoredKit) -> bytes:
    """The file of the newest kit. Raises Damaged."""
    if kit.document is None:
        raise Damaged("the stored recovery kit is damaged; issue it anew")
    return kit.document


def key_of(service: Service) -> Secret:
    """What the secret of the shares is kept under. Opens transactions of its own."""
    return service.keyring.internal(_PURPOSE)


def operation(action: str) -> Operation:
    """The operation on the kit."""
    return Operation(action, "it", "recovery", RESOURCE)


def missing() -> NotFound:
    """The error while there is no kit."""
    return NotFound("no recovery kit was issued yet: secvault recovery kit issue")


def _keep(
    service: Service, connection: Connection, made: StoredShares, secret: Secret, caller: Caller
) -> StoredKit:
    gathered = gather(service, connection, made, secret, held=True)
    now = service.clock.micros()
    head = msgspec.structs.replace(
        gathered.head, kit=uuid_utils.uuid7().hex, issued_at=now, digest=gathered.digest
    )
    # What lies in a bucket names nobody: who reads there is told no names to call.
    nameless = msgspec.structs.replace(
        head, contacts=(), shares=msgspec.structs.replace(head.shares, holders=())
    )
    file, outside = (
        make_kit(one, gathered.secrets, secret, service.signing.evidence, service.random)
        for one in (head, nameless)
    )
    kit = StoredKit(
        id=head.kit,
        shares_id=made.id,
        issued_at=now,
        issued_by=caller.principal.subject,
        digest=gathered.digest,
        parts=gathered.parts,
        document=file,
        outside=outside,
        taken_at=None,
        taken_by=None,
    )
    stored.keep_kit(connection, kit)
    return kit


def _issued(service: Service, kit: StoredKit, words: tuple[Secret, ...]) -> Issued:
    document = document_of(kit)
    return Issued(document, read_kit(document).head, words, write_newest(service))


def _detail(kit: StoredKit) -> dict[str, str | int | bool]:
    return {"run": kit.id, "digest": kit.digest}
