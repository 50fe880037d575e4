"""Repositories that were added while the service runs, beside those of the settings.

Their settings are those of the file, less what would let whoever adds one reach further than that:
no file of this machine is named, and a folder lies below one that the settings allow. What is
secret is sealed apart and never shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError
from sqlalchemy import Connection, delete, insert, select

from secvault.backup.plan_rules import Openings
from secvault.backup.repository import LocalFolder, parse_location, settings_for_keys
from secvault.config import RepositorySettings
from secvault.config.section import is_name
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import (
    ConfigurationError,
    Conflict,
    Damaged,
    FieldError,
    InvalidInput,
    NotFound,
)
from secvault.store import Store, tables

SECRETS = ("secret_access_key", "prune_secret_access_key")
# They would be read with secvault's own rights.
FILES = ("secret_access_key_file", "prune_secret_access_key_file", "ca_file")


@dataclass(frozen=True)
class StoredRepository:
    """An added repository. Its settings hold its secrets; never show them."""

    name: str
    settings: RepositorySettings
    added_by: str
    added_at: int


@dataclass(frozen=True)
class RepositoriesAtHand:
    """Repositories by name: those of the settings, which go before an added one of their name.

    declared: their settings by name; raises ConfigurationError for an unknown. declared_names: all
    of them. key: opens the secrets of the others. openings: where these may lie.
    """

    declared: Callable[[str], RepositorySettings]
    declared_names: tuple[str, ...]
    store: Store
    key: Secret
    openings: Openings

    def get(self, name: str) -> RepositorySettings:
        """The settings of a repository, its secrets in them.

        Raises ConfigurationError for one that there is not, or that the settings of now do not
        allow; Damaged.
        """
        if name in self.declared_names:
            return self.declared(name)
        with self.store.read() as connection:
            found = find(connection, self.key, name)
        if found is None:
            return self.declared(name)
        try:
            require_addable(found.settings, self.openings)
        except InvalidInput as error:
            raise ConfigurationError(
                f"the repository {name}, which was added, is not allowed any more: {error.detail}",
                fields=error.fields,
            ) from None
        return found.settings

    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        with self.store.read() as connection:
            return tuple(sorted({*self.declared_names, *names(connection)}))


def parse(values: Mapping[str, Any]) -> RepositorySettings:
    """The settings of a repository from a table or JSON object, in the words of the settings' file.

    Raises InvalidInput naming every field at fault, and no value.
    """
    try:
        return RepositorySettings.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = tuple(
        FieldError(
            ".".join(map(str, fault["loc"])) or "settings",
            "no such setting"
            if fault["type"] == "extra_forbidden"
            else fault["msg"].removeprefix("Value error, "),
        )
        for fault in found
    )
    raise InvalidInput("; ".join(f"{one.field}: {one.detail}" for one in faults), fields=faults)


def require_addable(settings: RepositorySettings, openings: Openings) -> None:
    """Refuse what an added repository may not say. Raises InvalidInput naming the field.

    openings: the folders below which local ones may lie, and those that are closed to them.
    """
    for field in FILES:
        if getattr(settings, field) is not None:
            raise InvalidInput.at(field, "is a file of this machine; only config.toml may name one")
    _require_place("location", settings.location, openings)
    if settings.keys_location:
        _require_place("keys_location", settings.keys_location, openings)
    if isinstance(parse_location(settings.location), LocalFolder):
        # Beside it, unless said otherwise: inside the same folder that is open.
        _require_place("location", settings_for_keys(settings).location, openings)
        return
    for role in ("", "prune_"):
        key_id = getattr(settings, f"{role}access_key_id")
        secret = getattr(settings, f"{role}secret_access_key").get_secret_value()
        # Without a key of its own it would be reached by what the environment of secvault holds.
        if bool(key_id) != bool(secret) or (not role and not key_id):
            raise InvalidInput.at(
                f"{role}access_key_id", "give the access key's id together with its secret"
            )


def add(
    connection: Connection,
    key: Secret,
    random: aead.Random,
    repository: StoredRepository,
) -> None:
    """Keep a repository. key: seals its secrets. Raises Conflict where the name is taken."""
    secrets = {name: getattr(repository.settings, name).get_secret_value() for name in SECRETS}
    shown = repository.settings.model_dump(mode="json", exclude={*SECRETS, *FILES})
    connection.execute(
        insert(tables.stored_repository).values(
            name=repository.name,
            settings=json.dumps(shown, sort_keys=True),
            sealed_secrets=aead.seal(
                json.dumps(secrets).encode(), key, _place(repository.name), random
            ),
            added_by=repository.added_by,
            added_at=repository.added_at,
        )
    )


def find(connection: Connection, key: Secret, name: str) -> StoredRepository | None:
    """The added repository of that name, or None. Raises Damaged."""
    table = tables.stored_repository
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        return None
    what = f"The secrets of the repository {name}"
    opened = aead.open_sealed(row.sealed_secrets, key, _place(name), what)
    try:
        secrets: Mapping[str, str] = json.loads(opened)
        settings = RepositorySettings.model_validate(
            {**json.loads(row.settings), **{one: SecretStr(secrets[one]) for one in SECRETS}}
        )
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"the settings of the repository {name} cannot be read") from None
    return StoredRepository(name, settings, row.added_by, row.added_at)


def names(connection: Connection) -> tuple[str, ...]:
    """The names of all added repositories, in order."""
    table = tables.stored_repository
    return tuple(connection.execute(select(table.c.name).order_by(table.c.name)).scalars())


def remove(connection: Connection, name: str) -> None:
    """Forget where a repository lies, and its secrets; what was saved there stays, and so does its
    password here. Raises NotFound.
    """
    table = tables.stored_repository
    gone = connection.execute(delete(table).where(table.c.name == name))
    if gone.rowcount != 1:
        raise NotFound(f"there is no added repository {name!r}; those of config.toml stay in it")


def require_free(name: str, taken: Iterable[str]) -> None:
    """Raise InvalidInput for what is no name, Conflict for one that is in use."""
    if not is_name(name):
        raise InvalidInput.at(
            "name", "name it with a-z, 0-9, '-' and '_', at most 63, a letter or digit first"
        )
    if name in taken:
        raise Conflict(f"there is a repository {name!r} already; choose another name")


def _require_place(field: str, location: str, openings: Openings) -> None:
    try:
        place = parse_location(location)
    except InvalidInput as error:
        raise InvalidInput.at(field, error.fields[0].detail) from None
    if isinstance(place, LocalFolder) and not openings.admit(place.path):
        raise InvalidInput.at(
            field,
            "lies below none of backup.repository_folders of the settings, or is secvault's own; "
            "use a bucket, or declare it in config.toml",
        )


def _place(name: str) -> bytes:
    return aead.bind("secvault/repository-secrets", name)
