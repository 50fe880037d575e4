"""The operations behind the commands, each room imported when a command first names it.

`operations.people.list_people(...)` reads like an import at the top of the file, and is checked
like one; but `secvault --help` pays for none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secvault import config, log
    from secvault.access import rules, scope
    from secvault.audit import query
    from secvault.backup import repository
    from secvault.cli import selfcheck
    from secvault.crypto import evidence, note
    from secvault.identity import directory, networks, qr, secret_ids, totp
    from secvault.identity import people as persons
    from secvault.jobs import cron
    from secvault.keyring.seals import configured as seal_files
    from secvault.records import collection
    from secvault.service import (
        activation,
        approles,
        audit_log,
        authentication,
        backups,
        bootstrap,
        contacts,
        drills,
        eligibilities,
        factors,
        federation,
        grants,
        hardware_tokens,
        invitations,
        key_limits,
        key_usage,
        leaked_tokens,
        notifications,
        opening,
        own_factors,
        passkey_sign_in,
        people,
        people_file,
        reauthentication,
        records,
        recovery,
        resets,
        rewrap_runs,
        rewrapping,
        role_activation,
        role_requests,
        sample_data,
        seals,
        sessions,
        spans,
        spine,
        systems,
        token_life,
        token_policies,
        transit,
        working,
    )
    from secvault.service.approvals import operations as approvals
    from secvault.service.sealing import client as sealing
    from secvault.service.sealing import running as sealer
    from secvault.service.sealing import visit
    from secvault.store import engine, migrate

__all__ = [
    "activation",
    "approles",
    "approvals",
    "audit_log",
    "authentication",
    "backups",
    "bootstrap",
    "collection",
    "config",
    "contacts",
    "cron",
    "directory",
    "drills",
    "eligibilities",
    "engine",
    "evidence",
    "factors",
    "federation",
    "grants",
    "hardware_tokens",
    "invitations",
    "key_limits",
    "key_usage",
    "leaked_tokens",
    "log",
    "migrate",
    "networks",
    "note",
    "notifications",
    "opening",
    "own_factors",
    "passkey_sign_in",
    "people",
    "people_file",
    "persons",
    "qr",
    "query",
    "reauthentication",
    "records",
    "recovery",
    "repository",
    "resets",
    "rewrap_runs",
    "rewrapping",
    "role_activation",
    "role_requests",
    "rules",
    "sample_data",
    "scope",
    "seal_files",
    "sealer",
    "sealing",
    "seals",
    "secret_ids",
    "selfcheck",
    "sessions",
    "spans",
    "spine",
    "systems",
    "token_life",
    "token_policies",
    "totp",
    "transit",
    "visit",
    "working",
]

# Where a room lies that is not a file of `secvault.service`.
_ELSEWHERE = {
    "approvals": "secvault.service.approvals.operations",
    "collection": "secvault.records.collection",
    "config": "secvault.config",
    "cron": "secvault.jobs.cron",
    "directory": "secvault.identity.directory",
    "engine": "secvault.store.engine",
    "evidence": "secvault.crypto.evidence",
    "log": "secvault.log",
    "migrate": "secvault.store.migrate",
    "networks": "secvault.identity.networks",
    "note": "secvault.crypto.note",
    "persons": "secvault.identity.people",
    "qr": "secvault.identity.qr",
    "query": "secvault.audit.query",
    "repository": "secvault.backup.repository",
    "rules": "secvault.access.rules",
    "scope": "secvault.access.scope",
    "sealer": "secvault.service.sealing.running",
    "seal_files": "secvault.keyring.seals.configured",
    "sealing": "secvault.service.sealing.client",
    "secret_ids": "secvault.identity.secret_ids",
    "selfcheck": "secvault.cli.selfcheck",
    "totp": "secvault.identity.totp",
    "visit": "secvault.service.sealing.visit",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(name)
        return importlib.import_module(_ELSEWHERE.get(name, f"secvault.service.{name}"))
