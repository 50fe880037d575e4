"""The operations behind the commands, each room imported when a command first names it.

`operations.people.list_people(...)` reads like an import at the top of the file, and is checked
like one; but `secvault --help` pays for none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secvault import config as config
    from secvault import log as log
    from secvault.access import rules as rules
    from secvault.crypto import evidence as evidence
    from secvault.crypto import note as note
    from secvault.jobs import cron as cron
    from secvault.records import collection as collection
    from secvault.service import audit_log as audit_log
    from secvault.service import authentication as authentication
    from secvault.service import backups as backups
    from secvault.service import drills as drills
    from secvault.service import grants as grants
    from secvault.service import opening as vault
    from secvault.service import people as people
    from secvault.service import records as records
    from secvault.service import sample_data as sample_data
    from secvault.service import spine as spine
    from secvault.service import systems as systems
    from secvault.service import transit as transit
    from secvault.service import working as working
    from secvault.store import engine as store
    from secvault.store import migrate as migrate

_ROOMS = {
    "config": "secvault.config",
    "log": "secvault.log",
    "rules": "secvault.access.rules",
    "evidence": "secvault.crypto.evidence",
    "note": "secvault.crypto.note",
    "cron": "secvault.jobs.cron",
    "collection": "secvault.records.collection",
    "vault": "secvault.service.opening",
    "store": "secvault.store.engine",
    "migrate": "secvault.store.migrate",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return importlib.import_module(_ROOMS.get(name, f"secvault.service.{name}"))
