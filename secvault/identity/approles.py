"""AppRoles: how a calling system signs in by itself, made by administrators.

An AppRole belongs to a service account. Its role id names it and is no secret; its secret ids are
(see `secret_ids`). The tokens that it makes end with it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random, draw
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import names, service_accounts, token_tree
from secvault.identity.layers import Layers, layers_of, text_of
from secvault.identity.networks import Networks, networks_of, networks_text
from secvault.identity.secret_strength import require_strong
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import approle, secret_id, service_account, token

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_ROLE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_SECONDS = (
    "secret_id_ttl",
    "token_ttl",
    "token_max_ttl",
    "token_explicit_max_ttl",
    "token_period",
)
_USES = ("secret_id_num_uses", "token_num_uses")


@dataclass(frozen=True)
class RoleSettings:
    """What can be set of an AppRole. Seconds; numbers of uses; 0 where nothing is asked.

    policies: names of roles that its tokens are narrowed to; none for all of its account's.
    bind_secret_id: whether a secret id must be shown; else the networks are all that binds.
    """

    policies: tuple[str, ...] = ()
    no_default_policy: bool = False
    bind_secret_id: bool = True
    secret_id_bound_cidrs: Networks = ()
    token_bound_cidrs: Networks = ()
    secret_id_ttl: int = 0
    secret_id_num_uses: int = 0
    token_ttl: int = 0
    token_max_ttl: int = 0
    token_explicit_max_ttl: int = 0
    token_period: int = 0
    token_num_uses: int = 0

    def check(self) -> None:
        """Raise InvalidInput naming the field unless all of it fits together."""
        for field in _SECONDS:
            if not 0 <= getattr(self, field) <= token_tree.LONGEST_SECONDS:
                raise InvalidInput.at(
                    field, f"must be from 0 to {token_tree.LONGEST_SECONDS} seconds"
                )
        for field in _USES:
            if not 0 <= getattr(self, field) <= token_tree.MOST_USES:
                raise InvalidInput(f"{field} cannot be negative, or beyond {token_tree.MOST_USES}")
        if self.token_max_ttl and self.token_ttl > self.token_max_ttl:
            raise InvalidInput("'token_ttl' cannot be greater than 'token_max_ttl'")
        if not (self.bind_secret_id or self.secret_id_bound_cidrs or self.token_bound_cidrs):
            raise InvalidInput("at least one constraint should be enabled on the role")

    @property
    def longest(self) -> int:
        """Seconds after which a token of this role ends, however often it is renewed."""
        bounds = (self.token_max_ttl, self.token_explicit_max_ttl)
        return min((each for each in bounds if each), default=token_tree.DEFAULT_SECONDS)


@dataclass(frozen=True)
class AppRole:
    """An AppRole. account: id of the service account. layers: what its tokens are narrowed to."""

    id: str
    name: str
    account: str
    role_id: str
    layers: Layers
    settings: RoleSettings
    created_at: int


def role_name(text: str) -> str:
    """The name of an AppRole, in lower case as in the peer. Raises InvalidInput."""
    if not _NAME.fullmatch(text):
        raise InvalidInput.at("role_name", "takes 128 letters, digits, _, . and -")
    return text.lower()


def create_approle(
    connection: Connection,
    clock: Clock,
    random: Random,
    *,
    name: str,
    account: str,
    settings: RoleSettings,
    layers: Layers,
) -> AppRole:
    """Make an AppRole of an active account. Raises InvalidInput, NotFound, Conflict."""
    settings.check()
    if service_accounts.read_account(connection, account).state != service_accounts.ACTIVE:
        raise Conflict("the service account is disabled; it gets no AppRole")
    role_id = str(uuid.UUID(bytes=draw(16, random), version=4))
    made = AppRole(
        names.new_id(clock), role_name(name), account, role_id, layers, settings, clock.micros()
    )
    if find_approle(connection, made.name) is not None:
        raise Conflict(f"the AppRole {made.name} exists already")
    connection.execute(insert(approle).values(**_values(made)))
    return made


def change_approle(
    connection: Connection, present: AppRole, settings: RoleSettings, layers: Layers
) -> AppRole:
    """Change what is set of an AppRole. Raises InvalidInput.

    What its tokens are narrowed to by that holds for those that live already, too; what they are
    widened to does not.
    """
    settings.check()
    if not settings.bind_secret_id and present.settings.bind_secret_id:
        require_strong(present.role_id, "role_id")
    lock_account(connection, present.account)
    changed = replace(present, settings=settings, layers=layers)
    connection.execute(update(approle).where(approle.c.id == present.id).values(**_values(changed)))
    if layers != present.layers and layers:
        _narrow_tokens(connection, present.id, layers[-1])
    return changed


def set_role_id(connection: Connection, present: AppRole, role_id: str) -> AppRole:
    """Give an AppRole another role id. Raises InvalidInput, Conflict when another has it."""
    if not _ROLE_ID.fullmatch(role_id):
        raise InvalidInput.at("role_id", "takes 128 letters, digits, _, ., : and -")
    if not present.settings.bind_secret_id:
        require_strong(role_id, "role_id")
    taken = select(approle.c.id).where(approle.c.role_id == role_id, approle.c.id != present.id)
    if connection.execute(taken).first():
        raise Conflict("role_id: another AppRole has it already")
    connection.execute(update(approle).where(approle.c.id == present.id).values(role_id=role_id))
    return replace(present, role_id=role_id)


def find_approle(connection: Connection, name: str) -> AppRole | None:
    """The AppRole of this name, if there is one."""
    row = connection.execute(select(approle).where(approle.c.name == name.lower())).one_or_none()
    return None if row is None else _approle(row)


def by_role_id(connection: Connection, role_id: str) -> AppRole | None:
    """The AppRole with this role id, if there is one."""
    row = connection.execute(select(approle).where(approle.c.role_id == role_id)).one_or_none()
    return None if row is None else _approle(row)


def read_approle(connection: Connection, name: str) -> AppRole:
    """The AppRole of this name. Raises NotFound."""
    found = find_approle(connection, name)
    if found is None:
        raise NotFound(f'role "{name[:128]}" does not exist')
    return found


def list_approles(connection: Connection) -> tuple[AppRole, ...]:
    """All of them, by name."""
    rows = connection.execute(select(approle).order_by(approle.c.name))
    return tuple(_approle(row) for row in rows)


def delete_approle(connection: Connection, clock: Clock, present: AppRole) -> int:
    """Remove an AppRole with its secret ids, and end its tokens. Returns how many tokens."""
    lock_account(connection, present.account)
    connection.execute(delete(secret_id).where(secret_id.c.approle == present.id))
    connection.execute(delete(approle).where(approle.c.id == present.id))
    return end_tokens(connection, clock, present.id)


def end_tokens(connection: Connection, clock: Clock, role: str, accessor: str | None = None) -> int:
    """End the tokens that came from an AppRole, or from one of its secret ids only."""
    announce(connection, CREDENTIALS)
    whose = [token.c.approle == role, token.c.revoked_at.is_(None)]
    if accessor is not None:
        whose.append(token.c.secret_accessor == accessor)
    ended = connection.execute(update(token).where(*whose).values(revoked_at=clock.micros()))
    return ended.rowcount


def lock_account(connection: Connection, account: str) -> None:
    """Wait until no other transaction makes or ends tokens of the account; see `lock_tree`."""
    connection.execute(
        select(service_account.c.id).where(service_account.c.id == account).with_for_update()
    )


def _narrow_tokens(connection: Connection, role: str, layer: frozenset[str]) -> None:
    living = select(token.c.key_id, token.c.narrowing).where(
        token.c.approle == role, token.c.revoked_at.is_(None)
    )
    announce(connection, CREDENTIALS)
    for row in connection.execute(living).all():
        present = layers_of(row.narrowing)
        narrower = text_of(present if layer in present else (*present, layer))
        connection.execute(
            update(token).where(token.c.key_id == row.key_id).values(narrowing=narrower)
        )


def _values(role: AppRole) -> Mapping[str, Any]:
    settings = vars(role.settings)
    return {
        **settings,
        "policies": msgspec.json.encode(list(role.settings.policies)).decode(),
        "secret_id_bound_cidrs": networks_text(role.settings.secret_id_bound_cidrs),
        "token_bound_cidrs": networks_text(role.settings.token_bound_cidrs),
        "id": role.id,
        "name": role.name,
        "account": role.account,
        "role_id": role.role_id,
        "narrowing": text_of(role.layers),
        "created_at": role.created_at,
    }


def _approle(row: Row[Any]) -> AppRole:
    known = {field: getattr(row, field) for field in RoleSettings.__dataclass_fields__}
    known["policies"] = tuple(msgspec.json.decode(row.policies, type=list[str]))
    for field in ("secret_id_bound_cidrs", "token_bound_cidrs"):
        known[field] = networks_of(known[field])
    return AppRole(
        row.id,
        row.name,
        row.account,
        row.role_id,
        layers_of(row.narrowing),
        RoleSettings(**known),
        row.created_at,
    )
