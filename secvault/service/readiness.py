"""Whether the parts that every request needs work right now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from secvault.audit import publication
from secvault.errors import SecvaultError
from secvault.notices import outbox
from secvault.service import audit_witnesses, stream_delivery
from secvault.service.policies.first import look_at_folder
from secvault.service.service import Service
from secvault.store import tables

LATELY = 24 * 60 * 60 * 1_000_000
"""Microseconds for which a notice that was given up is told."""


@dataclass(frozen=True)
class Readiness:
    """Yes or no for each part; an open service is unsealed."""

    database: bool
    audit: bool
    unsealed: bool = True
    notifications: bool = True
    """Whether no notice was given up of late. Requests can be served all the same."""
    streams: bool = True
    """Whether no stream of the audit log stands still. Requests are served all the same."""
    policy_files: bool = True
    """Whether the policies folder holds what is in force, which is served in any case."""
    witnesses: bool = True
    """Whether every witness co-signs the audit log, or failed only for moments."""

    publications: bool = True
    """Whether no publication of the audit log is broken, as people were told."""

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return self.database and self.audit and self.unsealed


SEALED = Readiness(database=False, audit=False, unsealed=False)
"""Of a process whose service is not open: nothing in it can be used."""


def check(service: Service) -> Readiness:
    """Ask the database for a row, and the audit log whether it could write of late."""
    try:
        with service.store.read() as connection:
            connection.execute(select(tables.vault.c.id)).one()
        database = True
    except SecvaultError:
        database = False
    return Readiness(
        database=database,
        audit=service.audit.trouble is None,
        notifications=database and _notices_arrive(service),
        streams=database and _streams_flow(service),
        policy_files=database and _files_in_force(service),
        publications=database and _published(service),
        witnesses=database and _witnesses_cosign(service),
    )


def _files_in_force(service: Service) -> bool:
    try:
        with service.store.read() as connection:
            return look_at_folder(service.settings, connection).same
    except SecvaultError:
        return False


def _published(service: Service) -> bool:
    names = service.settings.audit.published
    try:
        with service.store.read() as connection:
            states = [publication.state_of(connection, name) for name in names]
    except SecvaultError:
        return False
    return not any(state.told_at for state in states)


def _streams_flow(service: Service) -> bool:
    try:
        with service.store.read() as connection:
            return not stream_delivery.any_stalled(service, connection)
    except SecvaultError:
        return False


def _witnesses_cosign(service: Service) -> bool:
    try:
        return audit_witnesses.all_cosign(service)
    except SecvaultError:
        return False


def _notices_arrive(service: Service) -> bool:
    try:
        with service.store.read() as connection:
            return not outbox.given_up_since(connection, service.clock.micros() - LATELY)
    except SecvaultError:
        return False
