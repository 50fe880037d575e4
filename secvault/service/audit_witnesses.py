"""The witnesses of the audit log: have its head co-signed, tell when that fails, show how it goes.

A witness that fails keeps nobody from working: the log is signed and proven without it, readiness
says that it is degraded, and people are told once it has failed for long, or contradicts the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit import checkpoints, witness_client
from secvault.audit.witness_client import Ask, Witness
from secvault.audit.witnesses import ALARMING, WitnessState, have_cosigned, mark_told, states
from secvault.config import Settings
from secvault.crypto.cosignature import WitnessVerifier
from secvault.errors import ConfigurationError, InvalidInput
from secvault.service import authentication
from secvault.service.audit_log import LOG
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

FAILING, CONTRADICTED, COSIGNING = "failing", "contradicted", "cosigning"
ACTION = "audit.witness"


@dataclass(frozen=True)
class WitnessView:
    """A witness that is declared, or was. state: None until it is first asked.

    lag: how many events of the newest checkpoint it has not co-signed.
    """

    name: str
    url: str
    vkey: str
    state: WitnessState | None
    lag: int


class _Faster(Exception):
    """Another node told of it; the transaction is undone."""


def witnesses_of(settings: Settings) -> tuple[Witness, ...]:
    """The witnesses that the settings declare, by name. Raises ConfigurationError."""
    return tuple(
        Witness(name, one.url, _verifier(name, one.vkey), one.seconds, one.ca_file)
        for name, one in sorted(settings.audit.witnesses.items())
    )


def have_head_cosigned(service: Service, ask: Ask = witness_client.ask) -> int:
    """Have the newest checkpoint co-signed, and tell of what fails; how many witnesses did.

    Takes as long as the slowest witness may, twice at most. Raises Unavailable.
    """
    witnesses = witnesses_of(service.settings)
    signed = checkpoints.newest_checkpoint(service.store)
    if not witnesses or signed is None:
        return 0
    done = have_cosigned(service.store, service.clock, signed, witnesses, ask)
    named = {one.name for one in witnesses}
    for state in states(service.store):
        if state.name in named:
            _tell(service, state)
    return done


def all_cosign(service: Service) -> bool:
    """Whether every declared witness co-signs, or has failed only for moments."""
    if not service.settings.audit.witnesses:
        return True
    now = service.clock.micros()
    return all(
        _grave(service, state, now) is None
        for state in states(service.store)
        if state.name in service.settings.audit.witnesses
    )


def list_witnesses(service: Service, caller: Caller) -> tuple[WitnessView, ...]:
    """The declared witnesses, and how asking each goes."""

    def act(_: object) -> Outcome[tuple[WitnessView, ...]]:
        signed = checkpoints.newest_checkpoint(service.store)
        newest = signed.size if signed else 0
        known = {one.name: one for one in states(service.store)}
        views = tuple(
            WitnessView(
                name,
                one.url,
                one.vkey,
                known.get(name),
                max(0, newest - (known[name].size if name in known else 0)),
            )
            for name, one in sorted(service.settings.audit.witnesses.items())
        )
        return Outcome(views, count=len(views))

    return service.spine.read(caller, LOG, act)


def _tell(service: Service, state: WitnessState) -> None:
    """Put on record that a witness fails, contradicts or is back; notices follow from it."""
    reason = _grave(service, state, service.clock.micros())
    back = state.failing_since is None and state.told is not None
    worse = reason is not None and (state.told is None or reason in ALARMING)
    if not (back or (worse and reason != state.told)):
        return
    word = COSIGNING if back else CONTRADICTED if reason in ALARMING else FAILING
    detail: dict[str, str | int | bool] = {
        "target": state.name,
        "state": word,
        "size": state.size,
    }
    if reason is not None:
        detail["reason"] = reason

    def act(connection: Connection) -> Outcome[None]:
        if not mark_told(connection, state.name, reason):
            raise _Faster
        return Outcome(None, detail=detail)

    operation = Operation(ACTION, "it", "log", f"it/audit/witnesses/{state.name}")
    try:
        service.spine.change(Caller(authentication.jobs()), operation, act)
    except _Faster:
        return


def _grave(service: Service, state: WitnessState, now: int) -> str | None:
    """The reason that people should know of; None while it may pass by itself."""
    if state.failing_since is None or state.reason is None:
        return None
    patience = service.settings.audit.witnesses[state.name].late_seconds * 1_000_000
    return (
        state.reason if state.reason in ALARMING or now - state.failing_since >= patience else None
    )


def _verifier(name: str, vkey: str) -> WitnessVerifier:
    try:
        return WitnessVerifier.from_vkey(vkey)
    except InvalidInput as error:
        raise ConfigurationError(f"audit.witnesses.{name}.{error.detail}") from None
