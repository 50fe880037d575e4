"""Operations on the vault as a whole: its state, sealing, unsealing, another seal, another root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.clock import Clock
from secvault.config import Settings
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, SecvaultError, Unavailable
from secvault.keyring.root import Root, read_stored, reseal
from secvault.keyring.rotation import rotate_root as rotate_all
from secvault.keyring.seals import passphrase, shares
from secvault.keyring.seals.configured import cost_of, unattended
from secvault.keyring.seals.seal import BY_PEOPLE, KINDS, Seal, wrapped_by
from secvault.service.approval import Terms
from secvault.service.opening import make_key
from secvault.service.sealing.client import SealerClient
from secvault.service.sealing.messages import Status
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

OPEN_SECONDS = 10.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class SealState:
    """How the vault is. threshold, shares, progress, nonce: of an unsealing by people."""

    kind: str
    initialized: bool
    sealed: bool
    threshold: int = 0
    shares: int = 0
    progress: int = 0
    nonce: str = ""
    vault_id: str = ""
    storage: str = ""
    organisation: str = ""
    seconds: int = 0


@dataclass(frozen=True)
class Node:
    """What a process that serves knows of its node, also while it is sealed."""

    settings: Settings
    clock: Clock
    sealer: SealerClient


@dataclass(frozen=True)
class NewSeal:
    """A seal that is not in force yet. shares: to be shown once; key: of a seal people open."""

    seal: Seal
    shares: tuple[Secret, ...] = ()
    key: Secret | None = None
    threshold: int = 0


def state(service: Service | None, node: Node | None) -> SealState:
    """How the vault is. service: of this process, while it is open. Raises Unavailable."""
    if service is not None:
        return _state_of(service)
    if node is None:
        raise Unavailable("this process is not open yet, or any more; ask again in a moment")
    return _shown(node, node.sealer.status())


def unseal(
    service: Callable[[], Service | None],
    node: Node | None,
    key: Secret | None,
    *,
    reset: bool,
    request_id: str,
) -> SealState:
    """Take a share or the passphrase that came over the network.

    service: of this process, once it is open. Raises InvalidInput, TooManyAttempts, Unavailable.
    """
    opened = service()
    if opened is not None or node is None:
        return state(opened, node)
    status = node.sealer.unseal(key, reset=reset, remote=True)
    if not status.sealed:
        opened = _wait_for(service, node.clock)
        if opened is None:
            raise Unavailable("the vault is unsealed, but this process does not open; see its log")
        record_unsealing(opened, node.sealer, status, request_id)
    return _shown(node, status)


def record_owed(service: Service, sealer: SealerClient) -> None:
    """Put on record a sealing that the log knows nothing of, where who unsealed could not.

    Raises Broken, and AuditUnavailable: it is owed still then.
    """
    status = sealer.status()
    if status.unrecorded and not status.sealed:
        record_unsealing(service, sealer, status)


def record_unsealing(
    service: Service, sealer: SealerClient, status: Status, request_id: str = ""
) -> None:
    """Put on record that the vault was unsealed; before, while sealed, nothing can be written."""
    detail: dict[str, str | int | bool] = {
        "seal": status.kind,
        "shares": status.shares,
        "threshold": status.threshold,
    }
    if status.unrecorded:
        detail["reason"] = "sealed-without-record"
    service.audit.record(
        Event(
            kind="vault.unseal",
            outcome="ok",
            actor=Actor("system", "secvault"),
            resource="it/vault/seal",
            department="it",
            request=request_id,
            detail=detail,
        )
    )
    if status.unrecorded:
        sealer.recorded()


def seal(service: Service, caller: Caller, node: Node | None) -> None:
    """Seal the vault on this node. When this returns, no process of it holds a key.

    The intent is on record before; the outcome cannot be, because the log can be written by an
    open vault only. The next `vault.unseal` ends what was begun. Raises Refused, Unavailable.
    """
    operation = _operation("vault.seal", "seal")
    decision = service.spine.decide(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        if node is None or not node.sealer.running:
            raise Unavailable("nothing is to be sealed here: no service runs over this data folder")
    service.spine.announce(caller, operation)
    node.sealer.seal()


def seal_without_record(node: Node) -> None:
    """Seal the vault on this node while its audit log cannot be written.

    For whoever may end the processes of this machine anyway: nobody else reaches the sealer. The
    next `vault.unseal` has the reason `sealed-without-record`. Raises Unavailable.
    """
    node.sealer.seal(recorded=False)


def new_seal(
    service: Service,
    caller: Caller,
    kind: str,
    *,
    count: int = 5,
    threshold: int = 3,
    words: Secret | None = None,
) -> NewSeal:
    """Prepare another seal for the vault; nothing is changed by it. See `make_seal`.

    Raises Refused too: before shares are shown or a key is made in an HSM.
    """
    service.spine.decide(caller, _operation("vault.reseal", "seal"))
    return make_seal(service.settings, kind, service.random, count, threshold, words)


def make_seal(
    settings: Settings,
    kind: str,
    random: Random,
    count: int = 5,
    threshold: int = 3,
    words: Secret | None = None,
) -> NewSeal:
    """Prepare a seal. count, threshold: of `shares`. words: the passphrase.

    Raises InvalidInput, ConfigurationError, Sealed (its server or HSM cannot be used).
    """
    if kind not in KINDS:
        raise InvalidInput.at("to", f"there is no such seal; use one of {', '.join(KINDS)}")
    if kind == "shares":
        split, made = shares.split(threshold, count, random)
        return NewSeal(split, made, split.key, threshold)
    if kind == "passphrase":
        if words is None:
            raise InvalidInput.at("passphrase", "must be given")
        chosen = passphrase.chosen(words, cost_of(settings), random)
        return NewSeal(chosen, (), chosen.key, 1)
    plain = unattended(settings, kind, random)
    make_key(plain)
    return NewSeal(plain)


def change_seal(service: Service, caller: Caller, new: NewSeal) -> None:
    """Put the root under the new seal; the old one opens it no more. Shares must be shown before.

    Raises Refused, Conflict, and what the seal raises; nothing is changed then.
    """
    root = service.keyring.roots.present
    detail: dict[str, str | int | bool] = {
        "seal": new.seal.kind,
        "shares": len(new.shares),
        "threshold": new.threshold,
    }

    def act(connection: Connection) -> Outcome[None]:
        wrapped = wrapped_by(new.seal, root.key, root.vault_id)
        reseal(connection, root, wrapped)
        return Outcome(None, detail=detail)

    operation = _operation("vault.reseal", "seal")
    service.spine.change(caller, operation, act, lambda _: detail)
    try:
        service.root_access.resealed(new.seal, new.key if new.seal.kind in BY_PEOPLE else None)
    except SecvaultError as error:
        raise Unavailable(
            "the seal is changed, but the running service could not be told: seal it with "
            f"`secvault seal now` and unseal it with the new key ({error.detail})"
        ) from None


def rotate_root(service: Service, caller: Caller) -> Root:
    """Make a new root key and wrap all keys anew under it, in one transaction.

    Other processes take the new root by themselves, at the latest when they need it. Raises
    Refused, Conflict (somebody else rotated it), Damaged (a key does not open), Sealed.
    """
    old = service.root_access.root()
    service.keyring.roots.adopt(old)

    def act(connection: Connection) -> Outcome[Root]:
        new = rotate_all(connection, old, service.root_access.wrap, service.clock, service.random)
        detail = {"version": new.generation, "from_version": old.generation}
        return Outcome(new, detail=detail)

    operation = _operation("root.rotate", "root")
    terms: Terms = {"from_version": old.generation}
    new = service.spine.change(caller, operation, act, lambda _: terms)
    service.keyring.roots.adopt(new)
    _announce(service)
    return new


def _announce(service: Service) -> None:
    try:
        service.root_access.root()
    except SecvaultError as error:
        # It is rotated all the same; whoever needs the new root asks for it.
        structlog.get_logger("secvault.root").warning("root.not_announced", code=error.code)


def _wait_for(service: Callable[[], Service | None], clock: Clock) -> Service | None:
    """The service of this process, which opens in another thread at this moment."""
    deadline = clock.monotonic() + OPEN_SECONDS
    while clock.monotonic() < deadline:
        opened = service()
        if opened is not None:
            return opened
        clock.sleep(_LOOK_SECONDS)
    return None


def _state_of(service: Service) -> SealState:
    with service.store.read() as connection:
        stored = read_stored(connection)
    kind, threshold, count = stored.wrapped.kind, 0, 0
    if kind == "passphrase":
        threshold = count = 1
    elif kind == "shares":
        wanted = shares.read_parameters(stored.wrapped.parameters)
        threshold, count = wanted.threshold, wanted.shares
    return SealState(
        kind=kind,
        initialized=True,
        sealed=False,
        threshold=threshold,
        shares=count,
        vault_id=stored.vault_id,
        storage=service.store.dialect,
        organisation=service.settings.organisation,
        seconds=service.clock.seconds(),
    )


def _shown(node: Node, status: Status) -> SealState:
    return SealState(
        kind=status.kind,
        initialized=status.initialized,
        sealed=status.sealed,
        threshold=status.threshold,
        shares=status.shares,
        progress=status.progress,
        nonce=status.nonce,
        vault_id=status.vault_id,
        storage=status.storage,
        organisation=node.settings.organisation,
        seconds=node.clock.seconds(),
    )


def _operation(action: str, what: str) -> Operation:
    return Operation(action, "it", "vault", f"it/vault/{what}")
