"""The people, records and rules of AuthZEN's interop demos, in a policy folder and a vault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secvault.access import add_grant
from secvault.crypto.secret import Secret
from secvault.identity import external, people, placement
from secvault.identity.external import Origin
from secvault.identity.people import NewPerson
from secvault.identity.placement import Placement
from secvault.records import record as rows
from secvault.records.collection import parse_record
from secvault.service import Service

HERE = Path(__file__).parent
INTEROP = HERE / "interop"
SHIPPED = HERE.parents[1] / "policies"
WHERE = "administration"
_PASSWORD = Secret.of("a long enough passphrase")
CONDITIONS = {
    "SECVAULT_CONDITIONS__TICKETS": '["OPS-#"]',
    "SECVAULT_CONDITIONS__NETWORKS__OFFICE__BLOCKS": '["10.20.0.0/16"]',
}

LIBRARY_ROLES: Mapping[str, tuple[str, ...]] = {
    "manager": ("library_manager",),
    "employee": ("library_staff",),
    "contractor": ("library_staff",),
}
# By mail: what their provider calls them, and their roles, as the to-do demo has them.
TODO_PEOPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rick@the-citadel.com": ("A", ("todo_admin", "todo_genius")),
    "morty@the-citadel.com": ("E", ("todo_editor",)),
    "summer@the-smiths.com": ("I", ("todo_editor",)),
    "beth@the-smiths.com": ("M", ("todo_viewer",)),
    "jerry@the-smiths.com": ("Q", ("todo_viewer",)),
}


def published(name: str) -> Any:
    """A file of the interop suite."""
    return json.loads((INTEROP / name).read_text("utf-8"))


def policy_folder(folder: Path, names: str | None = None) -> Path:
    """The shipped policy with the demos' rules and collections. names: another `authzen.toml`."""
    shutil.copytree(SHIPPED, folder)
    for file, more in (
        (folder / "roles.csv", "roles.csv"),
        (folder / "collections" / f"{WHERE}.toml", "collections.toml"),
    ):
        file.write_text(file.read_text("utf-8") + (HERE / "policies" / more).read_text("utf-8"))
    shipped = (HERE / "policies" / "authzen.toml").read_text("utf-8")
    (folder / "authzen.toml").write_text(shipped if names is None else names)
    return folder


def add_somebody(
    service: Service, name: str, *roles: str, team: str = "", external_id: str = ""
) -> str:
    """An active person who owns what `owner` says; the subject."""
    hashed = service.entrance.hasher.hash(_PASSWORD)
    with service.store.write() as connection:
        new = NewPerson.of(name, name, WHERE)
        made = people.create_person(connection, service.clock, new, hashed)
        teams = (team,) if team else ()
        placement.place(connection, made, made.version, Placement.of(name, teams))
        if external_id:
            external.add(
                connection,
                service.clock,
                "citadel",
                made.id,
                Origin.LINKED,
                subject=f"sub-{external_id}",
                external_id=external_id,
            )
        for role in roles:
            add_grant(
                connection,
                service.policy.rules,
                subject=made.subject,
                role=f"role:{WHERE}.{role}",
                department=WHERE,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
    return made.subject


def add_record(service: Service, record_id: str, **values: str) -> None:
    """A record of the library."""
    collection = service.collections["library"]
    with service.store.write() as connection:
        rows.create_record(
            connection,
            service.keyring,
            collection,
            record_id,
            parse_record(collection, values, partial=False),
            service.clock.micros(),
        )


def populate(service: Service) -> None:
    """Everybody and everything of both demos."""
    for user in published("search/data/users.json"):
        roles = LIBRARY_ROLES[user["role"]]
        add_somebody(service, user["name"], *roles, team=user["department"])
    for mail, (letter, roles) in TODO_PEOPLE.items():
        known = f"CiRmZD{letter}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs"
        add_somebody(service, mail, *roles, external_id=known)
    for record in published("search/data/records.json"):
        values = {name: record[name] for name in ("title", "department", "owner")}
        add_record(service, str(record["id"]), **values)
