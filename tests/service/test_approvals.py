"""What may need a second person stops where none agreed, from every face, and changes nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from secvault.access.obligations import MAY_NEED_APPROVAL
from secvault.audit.query import Question, page
from secvault.crypto.canonical import JsonValue
from secvault.errors import ApprovalRequired
from secvault.jobs import JobContext, Place, Step, Worker, Workflow, queue
from secvault.keyring.seals.file import FileSeal
from secvault.service import (
    Service,
    audit_keys,
    authentication,
    recovery,
    recovery_kits,
    seals,
    transit,
)
from secvault.service.approval import NOT_REQUIRED, Asked, NothingRequired, Proposal
from secvault.service.spine import Caller, Operation, Outcome, Spine
from secvault.store import tables
from tests.running_service import House, copied, system_token

HOUR = 3600
# What reading, signing in and recording change.
ASIDE = {
    "audit_checkpoint",
    "audit_event",
    "audit_head",
    "audit_outbox",
    "audit_personal",
    "audit_subject_key",
    "session",
    "token",
}


@dataclass
class Nobody:
    """Refuses everything, and keeps what was proposed."""

    proposed: list[Proposal] = field(default_factory=list)

    def grant(self, connection: Connection, proposal: Proposal) -> str:
        assert connection.in_transaction()
        self.proposed.append(proposal)
        raise ApprovalRequired("nobody has approved this", digest=proposal.digest)

    def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:
        raise AssertionError("nobody gave a reason")


def refusing(service: Service, approvals: Nobody) -> Service:
    """The same service where everything needs an approval that nobody gave."""
    spine = Spine(service.store, service.clock, service.policy, service.audit, approvals)
    return replace(service, spine=spine)


class Hand:
    """A key with two versions in a mount of its own, and those who may do everything to it."""

    mount = "keys-of-it"

    def __init__(self, service: Service, house: House) -> None:
        self.service = service
        self.operator = Caller(authentication.local_operator(service))
        self.custodian = Caller(authentication.authenticate(service, house.tokens["custodian"]))
        self.backup = ""

    def made(self) -> None:
        """Make the mount and the keys."""
        service = self.service
        options = transit.KeyOptions(
            exportable=True, allow_plaintext_backup=True, auto_rotate_seconds=2 * HOUR
        )
        transit.enable_mount(service, self.operator, self.mount, "it", "")
        transit.create_key(service, self.custodian, self.mount, "k", options)
        transit.rotate_key(service, self.custodian, self.mount, "k")
        transit.create_key(service, self.custodian, self.mount, "plain", transit.KeyOptions())
        self.configure("k", deletion_allowed=True, min_encryption_version=2)
        self.configure("k", min_decryption_version=2)
        self.configure("plain", deletion_allowed=True)

    def backed_up(self) -> Hand:
        """With a backup of the key in its hand."""
        service = self.service
        self.backup = transit.backup_key(service, self.custodian, self.mount, "k").text()
        return self

    def configure(self, name: str, **changes: Any) -> None:
        given = transit.KeyChanges(**changes)
        transit.configure_key(self.service, self.operator, self.mount, name, given)

    def at(self, name: str = "k") -> tuple[Service, Caller, str, str]:
        return self.service, self.operator, self.mount, name

    def held(self, name: str = "k") -> tuple[Service, Caller, str, str]:
        return self.service, self.custodian, self.mount, name


def _reseal(hand: Hand) -> None:
    file = hand.service.settings.seal_key_file.with_name("other.key")
    made = FileSeal(file)
    if not file.exists():
        made.create()
    seals.change_seal(hand.service, hand.operator, seals.NewSeal(made))


WEIGHTY: Mapping[str, tuple[str, Callable[[Hand], object]]] = {
    "delete a key": ("key.delete", lambda it: transit.delete_key(*it.at())),
    "destroy old versions": ("key.update", lambda it: transit.trim_key(*it.at(), 2)),
    "disable a mount with keys": (
        "mount.delete",
        lambda it: transit.disable_mount(it.service, it.operator, it.mount),
    ),
    "restore over a key": (
        "key.restore",
        lambda it: transit.restore_key(*it.held(), it.backup, force=True),
    ),
    "rotate the log's key": (
        "audit.rotate_key",
        lambda it: audit_keys.rotate_key(it.service, it.operator, 30),
    ),
    "rotate the root": ("root.rotate", lambda it: seals.rotate_root(it.service, it.operator)),
    "change the seal": ("vault.reseal", _reseal),
    "export a key": (
        "key.export",
        lambda it: transit.export_key(*it.held(), "encryption-key", None),
    ),
    "export its HMAC key": (
        "key.export",
        lambda it: transit.export_key(*it.held(), "hmac-key", "latest"),
    ),
    "back a key up in clear": ("key.backup", lambda it: transit.backup_key(*it.held())),
    "show a repository's password": (
        "backup.restore",
        lambda it: recovery.repository_access(it.service, it.operator, "nightly"),
    ),
    "issue the recovery kit": (
        "kit.issue",
        lambda it: recovery_kits.issue_kit(it.service, it.operator, new_shares=True),
    ),
    "let a key be deleted": (
        "key.update",
        lambda it: it.configure("k", deletion_allowed=True),
    ),
    "let a key be exported": ("key.update", lambda it: it.configure("plain", exportable=True)),
    "let a key be backed up": (
        "key.update",
        lambda it: it.configure("plain", allow_plaintext_backup=True),
    ),
    "let an old version decrypt": (
        "key.update",
        lambda it: it.configure("k", min_decryption_version=1),
    ),
    "let an old version encrypt": (
        "key.update",
        lambda it: it.configure("k", min_encryption_version=0),
    ),
    "rotate it by hand only": ("key.update", lambda it: it.configure("k", auto_rotate_seconds=0)),
    "rotate it later": (
        "key.update",
        lambda it: it.configure("k", auto_rotate_seconds=9 * HOUR),
    ),
}


def _public_half(hand: Hand) -> object:
    options = transit.KeyOptions(kind="ed25519")
    transit.create_key(*hand.held("signs"), options)
    return transit.export_key(*hand.held("signs"), "public-key", None)


HARMLESS: Mapping[str, Callable[[Hand], object]] = {
    "rotate a key": lambda it: transit.rotate_key(*it.at()),
    "forbid a deletion": lambda it: it.configure("k", deletion_allowed=False),
    "rotate it sooner": lambda it: it.configure("k", auto_rotate_seconds=HOUR),
    "leave a limit as it is": lambda it: it.configure("plain", min_decryption_version=0),
    "shut a key off": lambda it: transit.set_soft_deleted(*it.at(), deleted=True),
    "give out a public half": _public_half,
    "restore beside a key": lambda it: transit.restore_key(
        *it.held("again"), it.backup, force=False
    ),
}


def _everything(service: Service) -> dict[str, list[tuple[object, ...]]]:
    with service.store.read() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in tables.metadata.sorted_tables
            if table.name not in ASIDE
        }


def _newest(service: Service) -> tuple[str, str, dict[str, object]]:
    service.audit.drain()
    event = page(service.store, Question(), limit=1).events[0].event
    return event.kind, event.outcome, dict(event.detail)


@pytest.fixture(scope="module")
def equipped(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the keys, and the token of who may do everything to them."""
    house = copied(furnished, tmp_path_factory.mktemp("equipped"))
    with house.open() as service:
        roles = ("role:it.key_custodian", "role:it.cryptor")
        house.tokens["custodian"] = system_token(service, "custodian", "it", *roles)
        Hand(service, house).made()
    return house


@pytest.fixture
def house(equipped: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return copied(equipped, tmp_path / "house")


@pytest.fixture
def hand(service: Service, house: House) -> Hand:
    """Those who work in it."""
    return Hand(service, house).backed_up()


@pytest.fixture(scope="module")
def stopped(equipped: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    """Shared by those who are stopped, and so change nothing."""
    house = copied(equipped, tmp_path_factory.mktemp("stopped"))
    with house.open() as service:
        yield Hand(service, house).backed_up()


def _prepare(hand: Hand, name: str) -> None:
    if name == "let a key be deleted":
        hand.configure("k", deletion_allowed=False)


@pytest.mark.parametrize("name", WEIGHTY)
def test_without_an_approval_it_stops_before_anything_is_changed(stopped: Hand, name: str) -> None:
    action, do = WEIGHTY[name]
    service, hand = stopped.service, copy(stopped)
    hand.configure("k", deletion_allowed=True)
    _prepare(hand, name)
    before = _everything(service)
    nobody = Nobody()
    hand.service = refusing(service, nobody)
    with pytest.raises(ApprovalRequired) as refused:
        do(hand)
    assert (refused.value.status, refused.value.exit_code) == (403, 3)
    assert _everything(service) == before
    (proposed,) = nobody.proposed
    assert proposed.action == action
    assert hand.backup not in repr(proposed)
    told = {"reason": "approval-required", "digest": proposed.digest}
    assert _newest(service) == (action, "denied", told)


@pytest.mark.parametrize("name", WEIGHTY)
def test_where_no_policy_asks_for_one_it_is_done_and_the_log_says_so(
    service: Service, hand: Hand, name: str
) -> None:
    action, do = WEIGHTY[name]
    _prepare(hand, name)
    nobody = Nobody()
    hand.service = refusing(service, nobody)
    with pytest.raises(ApprovalRequired):
        do(hand)
    spine = Spine(service.store, service.clock, service.policy, service.audit, NothingRequired())
    hand.service = replace(service, spine=spine)
    do(hand)
    kind, outcome, detail = _newest(service)
    assert (kind, outcome, detail["approval"]) == (action, "ok", NOT_REQUIRED)
    # The same that was proposed before, so that an approval of it would have been found.
    assert detail["digest"] == nobody.proposed[0].digest


@pytest.mark.parametrize("name", HARMLESS)
def test_what_takes_no_protection_away_asks_nobody(service: Service, hand: Hand, name: str) -> None:
    nobody = Nobody()
    hand.service = refusing(service, nobody)
    HARMLESS[name](hand)
    assert nobody.proposed == []
    _, outcome, detail = _newest(service)
    assert outcome == "ok"
    assert "approval" not in detail


def test_an_approval_is_bound_to_what_exactly_is_done() -> None:
    first = Proposal("user:1", "key.delete", "it", "transit/k", "it/transit/k", {"version": 1})
    assert first.digest == replace(first, subject="user:2").digest
    others = (
        replace(first, terms={"version": 2}),
        replace(first, resource="it/transit/other"),
        replace(first, action="key.update"),
        replace(first, department="hr"),
    )
    assert len({first.digest, *(each.digest for each in others)}) == 5
    # Golden: approvals that are kept are bound to it.
    written = (
        '{"action":"key.delete","department":"it","resource":"it/transit/k","terms":{"version":1}}'
    )
    assert first.digest == hashlib.sha256(written.encode()).hexdigest()


def test_an_approval_that_is_used_up_is_used_up_with_the_deed_or_not_at_all(
    service: Service, hand: Hand
) -> None:
    class Once:
        def grant(self, connection: Connection, proposal: Proposal) -> str:
            row = {"id": "approval", "started_at": 1, "beat_at": 1}
            connection.execute(tables.node.insert().values(row))
            return "two-persons"

        def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:
            raise AssertionError("nobody gave a reason")

    spine = Spine(service.store, service.clock, service.policy, service.audit, Once())
    hand.service = replace(service, spine=spine)
    hand.configure("k", deletion_allowed=False)
    before = _everything(service)
    with pytest.raises(Exception, match="deletion is not allowed"):
        transit.delete_key(*hand.at())
    assert _everything(service) == before
    hand.configure("k", deletion_allowed=True)
    assert _newest(service)[2]["approval"] == "two-persons"
    with service.store.read() as connection:
        assert connection.execute(select(tables.node.c.id)).scalars().all() == ["approval"]


@pytest.mark.parametrize("action", sorted(MAY_NEED_APPROVAL))
def test_an_operation_that_forgets_to_say_what_it_does_is_not_done(
    stopped: Hand, action: str
) -> None:
    service = stopped.service
    caller = Caller(authentication.local_operator(service))
    operation = Operation(action, "it", "*", "it/x")

    def act(*_: object) -> Outcome[None]:
        raise AssertionError("done")

    for verb in (service.spine.change, service.spine.read, service.spine.work):
        with pytest.raises(AssertionError, match="with its terms"):
            verb(caller, operation, act)


def test_a_job_that_would_do_it_fails_and_changes_nothing(service: Service) -> None:
    nobody = Nobody()
    guarded = refusing(service, nobody)
    operator = Caller(authentication.local_operator(service))

    def act(_context: JobContext, _results: object) -> JsonValue:
        return seals.rotate_root(guarded, operator).generation

    data = service.settings.data_folder
    worker = Worker(
        service.store,
        service.clock,
        [Workflow("weighty", (Step("rotate", act),))],
        Place(data / "jobs.db", data / "worker.lock"),
        lambda _event, **_fields: None,
    )
    with service.store.write() as connection:
        job = queue.request(connection, kind="weighty", plan="root", requested_by="test", now=1)
    with service.store.read() as connection:
        before = connection.execute(select(tables.vault)).all()
    worker.start()
    try:
        end = time.monotonic() + 300
        while (found := _job(service, job)).state not in ("done", "failed"):
            assert time.monotonic() < end, found
            time.sleep(0.05)
    finally:
        assert worker.stop() == ()
    assert (found.state, (found.error or "").partition(":")[0]) == ("failed", "approval-required")
    assert [each.action for each in nobody.proposed] == ["root.rotate"]
    with service.store.read() as connection:
        assert connection.execute(select(tables.vault)).all() == before


def _job(service: Service, job: str) -> queue.Job:
    with service.store.read() as connection:
        return queue.get(connection, job)
