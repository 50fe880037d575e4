"""The guided recovery: what people are asked, what is done, and what is left of it in the log."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from secvault.clock import system_clock
from secvault.config import load
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.secret import Secret
from secvault.crypto.shares import split
from secvault.errors import Cancelled, Conflict
from secvault.service import Service, opening
from secvault.service.recovering import guided, incident
from secvault.service.recovering.place import Place
from secvault.service.recovering.work import Order
from secvault.store.tables import audit_event, break_glass_incident, session
from tests.acceptance.recovered import Company, Furnished, company, furnish, require_usable

DOCUMENTS = """
[backup.plans.files]
vault = false
repository = "here"
folders = ["FOLDER/documents"]
"""


class Gone(Exception):
    """The window was closed."""


@dataclass
class Person:
    """Who sits at the terminal. answers: by the beginning of a question; a function is called."""

    shares: list[Secret]
    answers: dict[str, str | Callable[[], str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Read it."""
        self.said.append(text)

    def ask(self, question: str, default: str = "") -> str:
        """Answer."""
        return self._answer(question, default)

    def secret(self, question: str) -> Secret:
        """Give the next share; no other secret is at hand."""
        return self.shares.pop(0) if question.startswith("Share") else Secret(b"")

    def yes(self, question: str, *, default: bool | None) -> bool:
        """Answer."""
        return self._answer(question, "yes" if default in (True, None) else "no") == "yes"

    def _answer(self, question: str, otherwise: str) -> str:
        for begins, answer in self.answers.items():
            if question.startswith(begins):
                return answer if isinstance(answer, str) else answer()
        return "Lan Trần, quản trị" if question.startswith("Who are you") else otherwise


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """A company that is lost, with a second plan for documents."""
    folder = tmp_path_factory.mktemp("lost")
    (folder / "documents").mkdir()
    (folder / "documents" / "contract.txt").write_text("Hợp đồng số 7")
    lost = company(folder, DOCUMENTS.replace("FOLDER", str(folder)))
    made = furnish(lost)
    lost.back_up("files")
    return made


@pytest.fixture
def order(furnished: Furnished, tmp_path: Path) -> Order:
    """What is known at the beginning."""
    return Order(
        folder=tmp_path / "secvault",
        kit=furnished.company.kit,
        shares=(),
        environment={"PATH": os.environ["PATH"]},
        requested_by="",
    )


def _shares(lost: Company) -> list[Secret]:
    return list(lost.shares[:3])


def _start(order: Order, person: Person) -> guided.Recovered:
    return guided.start(order, person, system_clock(), os.urandom)


def _opened(place: Place) -> Iterator[Service]:
    settings = load(place.settings, {})
    with opening.opened(settings, system_clock(), program="test", environment={}) as service:
        yield service


def _events(service: Service, kind: str) -> int:
    service.audit.drain()
    with service.store.read() as connection:
        rows = connection.execute(select(audit_event.c.kind).where(audit_event.c.kind == kind))
        return len(rows.all())


def test_it_leads_from_the_kit_to_the_services_and_puts_down_who_did_what(
    furnished: Furnished, order: Order
) -> None:
    person = Person(_shares(furnished.company))
    done = _start(order, person)
    assert done.left == ()
    # By which a forged kit is known before a share is given.
    assert any(furnished.vkey in one for one in person.said)
    contract = [*done.place.services.rglob("contract.txt")]
    assert [one.read_text() for one in contract] == ["Hợp đồng số 7"]
    entries = incident.read(done.place.incident)
    whats = [one.what for one in entries]
    assert whats[:2] == ["declared", "old-machine"]
    assert whats.count("share-given") == 3
    assert {one.who for one in entries} == {"Lan Trần, quản trị"}
    assert whats[-1] == "closed"
    for service in _opened(done.place):
        require_usable(service, furnished)
        assert _events(service, "vault.recovered") == 2
        assert _events(service, "audit.accept_rollback") == 1
        assert service.settings.backup.plans["nightly"].schedule
        with service.store.read() as connection:
            assert not connection.execute(select(session).where(session.c.ended_at.is_(None))).all()
        assert done.signed is not None
        stated = verify_evidence(
            done.signed.document, done.signed.note, service.signing.evidence.verifier()
        )
        assert stated["kind"] == "recovery"
    text = done.place.incident.read_text() + "".join(person.said)
    assert not any(share.text() in text for share in furnished.company.shares)


def test_while_the_old_machine_may_run_nothing_is_begun(furnished: Furnished, order: Order) -> None:
    person = Person(_shares(furnished.company), {"Is the old machine": "no"})
    with pytest.raises(Cancelled):
        _start(order, person)
    assert [one.name for one in order.folder.iterdir()] == ["incident.jsonl"]
    assert len(person.shares) == 3


def test_a_share_that_is_none_or_foreign_or_given_twice_is_asked_for_again(
    furnished: Furnished, order: Order
) -> None:
    first, second, third = _shares(furnished.company)
    _, (foreign, *_) = split(Secret(bytes(32)), 3, 5)
    mistyped = Secret.of(first.text().replace(" ", " x", 1))
    person = Person([mistyped, first, foreign, first, second, third], {"Can at least": "yes"})
    _start(order, person)
    assert person.shares == []


def test_broken_off_it_goes_on_where_it_was(furnished: Furnished, order: Order) -> None:
    def closed() -> str:
        raise Gone

    for at in ("Which snapshot", "Can at least"):
        with pytest.raises(Gone):
            _start(order, Person(_shares(furnished.company), {at: closed}))
    done = _start(order, Person(_shares(furnished.company), {"Who are you": "Bình"}))
    entries = incident.read(done.place.incident)
    assert [one.what for one in entries].count("resumed") == 2
    assert {one.who for one in entries} == {"Lan Trần, quản trị", "Bình"}
    assert done.signed is not None
    # As long as all of it took, and not what came behind the last break alone.
    stated = json.loads(done.signed.document)
    began = datetime.fromisoformat(entries[0].at)
    assert abs(datetime.fromisoformat(stated["started_at"]) - began) < timedelta(seconds=1)
    assert stated["figures"]["rto_ms"] >= 1000 * _seconds_between(entries, "resumed")
    for service in _opened(done.place):
        require_usable(service, furnished)
    # Once it is handed over, nothing of it is done again, and no share is asked for.
    again = _start(order, Person([]))
    assert again.place == done.place


def test_variables_of_another_vault_on_this_machine_lead_nowhere(
    furnished: Furnished, order: Order, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "another"
    variables = {
        "SECVAULT_DATA": str(elsewhere),
        "SECVAULT_STORE__URL": f"sqlite:///{elsewhere}/secvault.db",
    }
    here = replace(order, environment={**order.environment, **variables})
    done = _start(here, Person(_shares(furnished.company)))
    assert not elsewhere.exists()
    for service in _opened(done.place):
        assert _events(service, "vault.recovered") == 2


@pytest.mark.parametrize("left", [b"", b'{"at":"2026-'])
def test_it_begins_behind_a_log_in_which_a_killed_process_ended_no_line(
    furnished: Furnished, order: Order, left: bytes
) -> None:
    order.folder.mkdir(mode=0o700)
    (order.folder / "incident.jsonl").write_bytes(left)
    done = _start(order, Person(_shares(furnished.company)))
    assert incident.read(done.place.incident)[0].what == "declared"


def test_what_was_fetched_of_another_snapshot_is_not_taken_for_the_chosen_one(
    furnished: Furnished, order: Order
) -> None:
    def closed() -> str:
        raise Gone

    oldest = Person(_shares(furnished.company), {"Which snapshot": "3", "Can at least": closed})
    with pytest.raises(Gone):
        _start(order, oldest)
    done = _start(order, Person(_shares(furnished.company)))
    for service in _opened(done.place):
        # Of which the oldest knows nothing.
        require_usable(service, furnished)


def _seconds_between(entries: tuple[incident.Entry, ...], what: str) -> float:
    """From the beginning to the last entry of this kind."""
    last = [one for one in entries if one.what == what][-1]
    begun, ended = (datetime.fromisoformat(one.at) for one in (entries[0], last))
    return (ended - begun).total_seconds()


def test_a_database_that_a_service_has_worked_with_is_not_replaced(
    furnished: Furnished, order: Order
) -> None:
    def closed() -> str:
        raise Gone

    with pytest.raises(Gone):
        _start(order, Person(_shares(furnished.company), {"Can at least": closed}))
    (order.folder / "data" / "serve.lock").touch()
    before = (order.folder / "data" / "secvault.db").stat().st_mtime_ns
    with pytest.raises(Conflict, match="is not replaced"):
        _start(order, Person(_shares(furnished.company)))
    assert (order.folder / "data" / "secvault.db").stat().st_mtime_ns == before


def test_who_cannot_sign_in_is_let_in_by_the_holders_of_the_shares(
    furnished: Furnished, order: Order
) -> None:
    # What the shell says of another vault is not of this one.
    left = {
        "SECVAULT_DATA": "/nowhere",
        "SECVAULT_STORE__URL": "sqlite:////nowhere/secvault.db",
        "SECVAULT_SEAL__KIND": "shares",
    }
    order = replace(order, environment={**order.environment, **left})
    done = _start(order, Person(_shares(furnished.company), {"Can at least": "no"}))
    assert done.way_in
    for service in _opened(done.place):
        with service.store.read() as connection:
            kinds = connection.execute(select(break_glass_incident.c.kind)).scalars().all()
        assert kinds == ["recovery"]
        assert _events(service, "break_glass.recover") == 1
