"""The secrets of a plan of the store: taken out of its settings, and sealed one by one.

Their key lies in the keyring like those of records, so that the database alone, or a backup of it,
opens none of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, delete, insert, select

from secvault.config import PlanSettings
from secvault.config.backup_sources import SourceSettings
from secvault.crypto import aead
from secvault.crypto.aead import Random
from secvault.crypto.canonical import canonical_json
from secvault.crypto.secret import Secret
from secvault.store.tables import backup_plan_secret

PURPOSE = "plan-secrets"
"""The key of the keyring that seals them."""
PING = "ping_url"
"""Whoever knows it can say that all is well."""

NOWHERE = ""

Secrets = Mapping[str, str]
"""Dotted key in the plan's settings (`sources.erp.password`) to the secret."""

# A secret that was given for one other end is not sent to another: anything that is not here may
# name it.
_WHAT_IS_READ = frozenset(
    {
        *("databases", "minutes", "format", "with_globals", "exclude_tables", "with_users"),
        *("versions", "count_rows", "with_sums"),
    }
)


def keys_of(source: SourceSettings) -> tuple[str, ...]:
    """The keys of a source that hold secrets."""
    fields = type(source).model_fields
    return tuple(name for name in fields if isinstance(getattr(source, name), SecretStr))


def split(plan: PlanSettings) -> tuple[PlanSettings, dict[str, str]]:
    """The settings without any secret, and the secrets by their places."""
    secrets: dict[str, str] = {}
    sources: dict[str, SourceSettings] = {}
    for name, source in plan.sources.items():
        emptied: dict[str, Any] = {}
        for field in keys_of(source):
            if given := getattr(source, field).get_secret_value():
                secrets[f"sources.{name}.{field}"] = given
                emptied[field] = SecretStr("")
        sources[name] = source.model_copy(update=emptied) if emptied else source
    if plan.ping_url:
        secrets[PING] = plan.ping_url
    return plan.model_copy(update={"sources": sources, PING: ""}), secrets


def said(plan: PlanSettings) -> frozenset[str]:
    """The places of secrets that the values named which the plan was parsed from; also empty."""
    inside = {
        f"sources.{name}.{field}"
        for name, source in plan.sources.items()
        for field in source.model_fields_set.intersection(keys_of(source))
    }
    return frozenset(inside | (plan.model_fields_set & {PING}))


def still_fit(before: PlanSettings, after: PlanSettings, place: str) -> bool:
    """Whether a secret of `before` stays one of `after`: it goes to the very same other end."""
    return _other_end(before, place) == _other_end(after, place) != NOWHERE


def places(connection: Connection, plan: str) -> frozenset[str]:
    """Where the plan has a secret."""
    table = backup_plan_secret
    return frozenset(
        connection.execute(select(table.c.place).where(table.c.plan == plan)).scalars()
    )


def keep(
    connection: Connection,
    key: Secret,
    plan: str,
    settings: PlanSettings,
    secrets: Secrets,
    random: Random = os.urandom,
) -> None:
    """Seal these secrets of the plan, in place of those that were there.

    settings: of the plan; each secret opens for that other end alone, whatever becomes of its row.
    """
    forget(connection, plan, [*secrets])
    rows = [
        {
            "plan": plan,
            "place": place,
            "sealed": aead.seal(secret.encode(), key, _context(plan, settings, place), random),
        }
        for place, secret in secrets.items()
    ]
    if rows:
        connection.execute(insert(backup_plan_secret), rows)


def forget(connection: Connection, plan: str, gone: list[str]) -> None:
    """Delete the plan's secrets of these places."""
    table = backup_plan_secret
    connection.execute(delete(table).where(table.c.plan == plan, table.c.place.in_(gone)))


def reveal(
    connection: Connection, key: Secret, plan: str, settings: PlanSettings, place: str
) -> Secret | None:
    """The secret of this place; None where there is none.

    Raises Damaged, also where the settings name another end than the one that it was given for.
    """
    table = backup_plan_secret
    asked = select(table.c.sealed).where(table.c.plan == plan, table.c.place == place)
    sealed = connection.execute(asked).scalar_one_or_none()
    if sealed is None:
        return None
    what = f"The secret {place} of the backup plan {plan}"
    return Secret(aead.open_sealed(sealed, key, _context(plan, settings, place), what))


def _context(plan: str, settings: PlanSettings, place: str) -> bytes:
    return aead.bind("secvault/plan-secret", plan, place, _other_end(settings, place))


def _other_end(settings: PlanSettings, place: str) -> str:
    """Where a secret goes, as a text that is another for each; NOWHERE where no source has it."""
    if place == PING:
        return PING
    _, name, _ = place.split(".", 2)
    source = settings.sources.get(name)
    if source is None:
        return NOWHERE
    # Without what is as it is by default: a setting that is new changes no end.
    left_out = {*_WHAT_IS_READ, *keys_of(source), "kind"}
    naming = source.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
    return canonical_json({"kind": source.kind, "of": naming}).decode()
