"""Service accounts: the identities of calling systems. A person answers for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import names, people
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import service_account, token

ACTIVE = "active"
DISABLED = "disabled"
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class ServiceAccount:
    """A calling system. owner: id of the person who answers for it. created_at: microseconds."""

    id: str
    name: str
    department: str
    owner: str
    state: str
    created_at: int

    @property
    def subject(self) -> str:
        """How policies and the audit log name this account."""
        return f"svc:{self.id}"


def create_account(
    connection: Connection, clock: Clock, *, name: str, department: str, owner: str
) -> ServiceAccount:
    """Create an active account; durable with the caller's transaction.

    name: by the rules of sign-in names. owner: id of an active person. Raises InvalidInput naming
    the field; Conflict when the name is taken.
    """
    folded = names.sign_in_name(name)
    _require_active(connection, owner)
    if connection.execute(
        select(service_account.c.id).where(service_account.c.name == folded)
    ).first():
        raise Conflict(f"the service account {folded} exists already; choose another name")
    created = ServiceAccount(
        id=names.new_id(clock),
        name=folded,
        department=names.department_name(department),
        owner=owner,
        state=ACTIVE,
        created_at=clock.micros(),
    )
    connection.execute(insert(service_account).values(**vars(created)))
    return created


def read_account(connection: Connection, account_id: str) -> ServiceAccount:
    """The account with this id. Raises NotFound."""
    row = None
    if names.is_id(account_id):
        row = connection.execute(
            select(service_account).where(service_account.c.id == account_id)
        ).one_or_none()
    if row is None:
        raise NotFound(f"there is no service account with the id {account_id[:64]!r}")
    return _account(row)


def by_name_or_id(connection: Connection, text: str) -> ServiceAccount:
    """The account with this id, or else with this name. Raises NotFound."""
    if names.is_id(text):
        return read_account(connection, text)
    row = None
    try:
        folded = names.sign_in_name(text)
        row = connection.execute(
            select(service_account).where(service_account.c.name == folded)
        ).one_or_none()
    except InvalidInput:
        row = None
    if row is None:
        raise NotFound(f"there is no service account {text[:64]!r}")
    return _account(row)


def list_accounts(
    connection: Connection, *, after: str = "", limit: int = 100, owner: str | None = None
) -> tuple[ServiceAccount, ...]:
    """Accounts in the order of their creation, at most `limit` (1 to 1000).

    after: id of the last account of the page before.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be 1 to {LARGEST_PAGE}")
    if after and not names.is_id(after):
        raise InvalidInput.at("after", "must be the id that ended the page before")
    question = select(service_account).where(service_account.c.id > after)
    if owner is not None:
        question = question.where(service_account.c.owner == owner)
    ordered = question.order_by(service_account.c.id).limit(limit)
    return tuple(_account(row) for row in connection.execute(ordered))


def disable_account(connection: Connection, clock: Clock, account_id: str) -> int:
    """Shut the account out and revoke its tokens. Returns how many tokens were revoked.

    Raises NotFound; Conflict when it is disabled already.
    """
    read_account(connection, account_id)
    announce(connection, CREDENTIALS)
    changed = connection.execute(
        update(service_account)
        .where(service_account.c.id == account_id, service_account.c.state == ACTIVE)
        .values(state=DISABLED)
    )
    if changed.rowcount != 1:
        raise Conflict("this service account is disabled already")
    revoked = connection.execute(
        update(token)
        .where(token.c.account == account_id, token.c.revoked_at.is_(None))
        .values(revoked_at=clock.micros())
    )
    return revoked.rowcount


def hand_over(connection: Connection, account_id: str, owner: str) -> ServiceAccount:
    """Let another active person answer for the account. owner: their id.

    Raises NotFound; InvalidInput at `owner`.
    """
    read_account(connection, account_id)
    _require_active(connection, owner)
    connection.execute(
        update(service_account).where(service_account.c.id == account_id).values(owner=owner)
    )
    return read_account(connection, account_id)


def require_answered_for(connection: Connection, account_id: str) -> ServiceAccount:
    """The account, which may get tokens: it is active, and so is the person who answers for it.

    An account whose owner was disabled goes on working, since what it does is not the owner's;
    it gets nothing new until it is handed over. Raises NotFound, Conflict.
    """
    found = read_account(connection, account_id)
    if found.state != ACTIVE:
        raise Conflict("the service account is disabled; it gets no tokens")
    if people.read_person(connection, found.owner).state != people.ACTIVE:
        raise Conflict(
            "the owner of the service account is disabled; hand it over to somebody who answers "
            "for it, then it gets tokens again"
        )
    return found


def accounts_of(connection: Connection, owner: str) -> tuple[ServiceAccount, ...]:
    """The active accounts that this person answers for."""
    question = select(service_account).where(
        service_account.c.owner == owner, service_account.c.state == ACTIVE
    )
    rows = connection.execute(question.order_by(service_account.c.id))
    return tuple(_account(row) for row in rows)


def _require_active(connection: Connection, owner: str) -> None:
    try:
        answering = people.read_person(connection, owner)
    except NotFound:
        raise InvalidInput.at("owner", "must be the id of a person") from None
    if answering.state != people.ACTIVE:
        raise InvalidInput.at("owner", "must be an active person; this one cannot sign in")


def _account(row: Row[Any]) -> ServiceAccount:
    return ServiceAccount(**row._asdict())
