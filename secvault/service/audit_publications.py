"""Publishing the audit log: by the worker when it is due, or when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from secvault.audit import checkpoints, cosignatures, nodes, publication
from secvault.audit.event import Event
from secvault.audit.export import Progress
from secvault.audit.publication import Published, State
from secvault.audit.publish import CONTRADICTED, EMPTIED, UNLOCKED, Target, lag, publish
from secvault.clock import Clock
from secvault.config.publications import PublicationSettings
from secvault.crypto.checkpoint import origin_of
from secvault.errors import NotFound
from secvault.service.audit_log import VERIFY
from secvault.service.audit_places import targets_of
from secvault.service.log_signing import sign_now
from secvault.service.policies.first import PROGRAM
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

TURN_SECONDS = 10.0
"""How long the worker stays with one place; a long catching-up goes on in the next turn."""

_AT_ONCE = frozenset({CONTRADICTED, EMPTIED, UNLOCKED, "conflict", "configuration"})
"""Faults that waiting does not mend: people are told of them at once."""
_SECOND = 1_000_000


@dataclass(frozen=True)
class PublicationState:
    """A publication as it is. settings: what was asked for. last: the newest published checkpoint,
    None before the first. lag: events of the log that are not published there.
    """

    state: State
    settings: PublicationSettings
    last: Published | None
    lag: int


class Publisher:
    """The worker's side: knows what is due when, and keeps the clients of its places."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._origin = ""
        self._targets: dict[str, Target] = {}
        self._due: dict[str, float] = {}

    def turn(self, over: Callable[[], bool]) -> None:
        """Publish to each place that is due; tell of what is broken, and of what is well again.

        Raises Unavailable of the store, ConfigurationError.
        """
        service = self._service
        if not service.settings.audit.published:
            return
        clock = service.clock
        due = [
            name
            for name in service.settings.audit.published
            if clock.monotonic() >= self._due.get(name, 0.0)
        ]
        signed = checkpoints.newest_checkpoint(service.store) if due else None
        if signed is None:
            return
        signed = replace(signed, note=cosignatures.published_note(service.store, signed))
        self._follow_origin()
        if origin_of(signed.note) != self._origin:
            # The log goes on under another origin, and nothing was signed under it yet.
            return
        for name in due:
            chosen = service.settings.audit.published[name]
            self._due[name] = clock.monotonic() + chosen.every_seconds
            state = publish(
                service.store,
                clock,
                self._targets[name],
                signed,
                service.signing.audit_verifiers,
                _so_long(clock, over),
            )
            if not state.fault and state.size < signed.size:
                # It was cut off, and goes on as soon as the other duties were done.
                self._due[name] = clock.monotonic()
            _tell(service, state, chosen)

    def _follow_origin(self) -> None:
        """Make the places anew when the log goes on under another origin."""
        origin = self._service.signing.audit_keys()[0].verifier.name
        if origin != self._origin:
            environment = self._service.backups.environment
            self._targets = dict(targets_of(self._service.settings, origin, environment))
            self._origin = origin


def _so_long(clock: Clock, over: Callable[[], bool]) -> Callable[[], bool]:
    end = clock.monotonic() + TURN_SECONDS
    return lambda: over() or clock.monotonic() >= end


def list_publications(service: Service, caller: Caller) -> tuple[PublicationState, ...]:
    """Each publication that the settings name, and how far it has come."""

    def act(_: object) -> Outcome[tuple[PublicationState, ...]]:
        found = tuple(_present(service, name) for name in sorted(_named(service)))
        return Outcome(found, count=len(found))

    return service.spine.read(caller, VERIFY, act)


def publish_now(
    service: Service, caller: Caller, name: str, progress: Progress = lambda _: None
) -> PublicationState:
    """Sign the log as it is and publish it to this place; how it went is in the state.

    Raises NotFound, Refused; Damaged when the log cannot be signed.
    """

    def act() -> Outcome[PublicationState]:
        # Whether there is one is no business of whoever may not publish.
        if name not in _named(service):
            raise NotFound(f"the settings name no publication {name}")
        service.audit.drain()
        signed = sign_now(service)
        nodes.keep_nodes(service.store)
        signed = replace(signed, note=cosignatures.published_note(service.store, signed))
        origin = service.signing.audit_keys()[0].verifier.name
        target = targets_of(service.settings, origin, service.backups.environment)[name]
        state = publish(
            service.store,
            service.clock,
            target,
            signed,
            service.signing.audit_verifiers,
            progress=progress,
        )
        _tell(service, state, _named(service)[name])
        detail: dict[str, str | int | bool] = {
            "target": name,
            "size": state.size,
            "state": state.fault or "published",
        }
        return Outcome(_present(service, name), detail=detail)

    operation = Operation("audit.publish", "it", "log", f"it/audit/publications/{name[:63]}")
    return service.spine.work(caller, operation, act)


def _named(service: Service) -> dict[str, PublicationSettings]:
    return service.settings.audit.published


def _present(service: Service, name: str) -> PublicationState:
    with service.store.read() as connection:
        state = publication.state_of(connection, name)
        last = publication.last_published(connection, name)
        behind = lag(connection, state)
    return PublicationState(state, _named(service)[name], last, behind)


def _tell(service: Service, state: State, chosen: PublicationSettings) -> None:
    """Put on record, once, that a publication is broken or lags; and that it is well again."""
    now = service.clock.micros()
    late = now - state.failing_since >= chosen.late_seconds * _SECOND
    broken = bool(state.fault) and (state.fault in _AT_ONCE or late)
    if broken == bool(state.told_at) or (state.fault and not broken):
        return
    detail: dict[str, str | int | bool] = {
        "target": state.name,
        "size": state.size,
        "state": "broken" if broken else "mended",
    }
    if state.fault:
        detail["reason"] = state.fault
    event = Event(
        kind="audit.publication",
        outcome="error" if broken else "ok",
        actor=PROGRAM,
        resource=f"it/audit/publications/{state.name}",
        department="it",
        detail=detail,
    )
    with service.store.write() as connection:
        if publication.mark_told(connection, state.name, now if broken else 0):
            service.audit.enqueue(connection, event)
    service.audit.kick()
