"""What a process remembers to answer calling systems without asking the store each time.

Tokens, decisions and open keys, each believed only while the store's epochs say that nothing of
the kind has changed (see `store.watch`). Nothing is refused from memory: what is not surely
allowed goes the whole way through the spine, which knows why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

from secvault.access import Decision
from secvault.audit.event import Event
from secvault.audit.gathering import Gathering
from secvault.crypto.aead import buffered
from secvault.identity import Principal
from secvault.identity.networks import Admission
from secvault.keyring import named_key
from secvault.keyring.open_key import OpenKey
from secvault.service.authentication import authenticate
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, Spine
from secvault.service.transit.place import operation_on
from secvault.service.transit.used import note_use
from secvault.store.epoch import Epochs
from secvault.store.watch import EpochWatch

_K = TypeVar("_K")
_V = TypeVar("_V")

REMEMBERED = 4_096
"""How many tokens, and how many keys, are kept; the oldest goes first."""

TOKEN_SECONDS = 60.0
"""How long a token is believed before the store is asked again, which notes that it is used."""


@dataclass(frozen=True, slots=True)
class _Token:
    """bound: says whether an address may use it; None where every one may."""

    principal: Principal
    epoch: int
    asked_at: float
    bound: Admission | None


@dataclass(frozen=True, slots=True)
class _Key:
    operation: Operation
    open: OpenKey
    epoch: int


class Ready(msgspec.Struct, frozen=True):
    """An operation that is allowed, with the key that it needs."""

    caller: Caller
    operation: Operation
    decision: Decision
    key: OpenKey

    def event(self, count: int) -> Event:
        """What the audit log is to hold before the answer leaves. count: of the items."""
        return Spine.event(self.caller, self.operation, "ok", self.decision, _done(count))


class Warm:
    """The memory of one process. `find` belongs to one thread; `load` may run in others."""

    def __init__(self, service: Service, watch: EpochWatch) -> None:
        self._service = service
        self._watch = watch
        self._tokens: dict[bytes, _Token] = {}
        self._keys: dict[tuple[str, str, str], _Key] = {}
        self.audit = Gathering(service.audit)
        self.messages = service.messages
        self.nonces = buffered(service.random)

    def find(
        self,
        token: str,
        action: str,
        mount: str,
        name: str,
        request_id: str,
        address: str = "",
    ) -> Ready | None:
        """What is needed to do this now; None unless all of it is remembered and allowed."""
        epochs = self._watch.present()
        if epochs is None:
            return None
        known = self._tokens.get(_digest(token))
        key = self._keys.get((action, mount, name))
        if known is None or key is None or not self._believed(known, key, epochs):
            return None
        if known.bound is not None and not known.bound.admits(address):
            return None
        caller = Caller(known.principal, request_id, address=address)
        decision = self._service.spine.ask_by_epoch(caller, key.operation, epochs.policy)
        if decision is None or not decision.allowed:
            return None
        return Ready(caller, key.operation, decision, key.open)

    def note(self, ready: Ready, mount: str, name: str, versions: Mapping[int, int]) -> None:
        """Count the use of the key for the statistics; see `keyring.key_usage`."""
        action = ready.operation.action
        note_use(self._service, ready.caller, action, mount, name, versions)

    def load(self, token: str, action: str, mount: str, name: str, address: str = "") -> None:
        """Ask the store for what `find` needs. Raises what authenticating raises, NotFound, ..."""
        service = self._service
        asked_at = service.clock.monotonic()
        epochs = self._watch.present()
        if epochs is None:
            return
        # The epochs are older than what is read now: what changes in between is read once more.
        principal = authenticate(service, token, address=address, spend=False)
        if principal.ends_at is None:
            return
        bound = Admission(principal.networks) if principal.networks else None
        known = _Token(principal, epochs.credentials, asked_at, bound)
        _keep(self._tokens, _digest(token), known)
        operation = operation_on(service, action, mount, name)
        with service.store.read() as connection:
            found = named_key.find_key(connection, mount, name)
            if found is None or found.soft_deleted:
                return
            opened = service.keyring.open(connection, found)
        _keep(self._keys, (action, mount, name), _Key(operation, opened, epochs.keys))
        service.policy.snapshot(service.clock.micros())

    def _believed(self, token: _Token, key: _Key, epochs: Epochs) -> bool:
        clock = self._service.clock
        ends_at = token.principal.ends_at
        return (
            token.epoch == epochs.credentials
            and key.epoch == epochs.keys
            and clock.monotonic() - token.asked_at < TOKEN_SECONDS
            and ends_at is not None
            and clock.micros() < ends_at
        )


@lru_cache(maxsize=REMEMBERED)
def _done(count: int) -> Outcome[None]:
    return Outcome(None, count=count)


def _digest(token: str) -> bytes:
    # A token has 256 random bits: its plain hash tells nothing, and no clear token is kept.
    return hashlib.sha256(token.encode()).digest()


def _keep(memory: dict[_K, _V], key: _K, value: _V) -> None:
    memory.pop(key, None)
    memory[key] = value
    while len(memory) > REMEMBERED:
        # Another thread may have taken it at this moment.
        memory.pop(next(iter(memory)), None)


@contextmanager
def warmed(service: Service) -> Iterator[Warm]:
    """The memory of this process, for as long as the service is open."""
    believed = service.settings.access.max_stale_seconds
    watch = EpochWatch(service.store, service.clock, believed)
    try:
        yield Warm(service, watch)
    finally:
        watch.close()
