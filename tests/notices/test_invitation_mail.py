"""Invitations by mail: to a real mail server, in the person's language, and nowhere else."""

from __future__ import annotations

import io
import re

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound, Unavailable
from secvault.identity.people import NewPerson
from secvault.log import configure_logging
from secvault.notices import outbox
from secvault.service import activation, authentication, invitations, people, people_file
from secvault.service.spine import Caller
from tests.notices.conftest import Office, office_of, told_by
from tests.notices.receivers import Hook, Mailbox
from tests.running_service import House

HEAD = "name,department,contact,language\n"


def code_in(mail: str) -> str:
    found = re.search(r"sva_\w+", mail)
    assert found
    return found[0]


@pytest.fixture
def operator(office: Office) -> Caller:
    return Caller(authentication.local_operator(office.service))


@pytest.mark.parametrize(
    ("language", "subject"), [("", "Your invitation"), ("vi", "Lời mời của bạn")]
)
def test_the_code_is_in_the_mail_in_the_persons_language_and_nowhere_else(
    office: Office, mailbox: Mailbox, operator: Caller, language: str, subject: str
) -> None:
    written = io.StringIO()
    configure_logging(written)
    new = NewPerson.of("mai", "Mai", "hr", "mai@example.com", language=language)
    made = invitations.invite(office.service, operator, new, send=True)
    assert made.code is None
    (mail,) = mailbox.to("mai@example.com")
    assert mail.startswith(f"[secvault] {subject}\n")
    code = code_in(mail)
    shown = activation.look(office.service, Secret.of(code))
    assert shown.person is not None
    assert shown.person.name == "mai"
    office.tell()
    office.deliver()
    with office.service.store.read() as connection:
        told = str(outbox.listed(connection, limit=1000))
        log = str(connection.exec_driver_sql("SELECT body FROM audit_event").all())
    for text in (told, log, written.getvalue()):
        assert code.split("_")[2] not in text
        assert "mai@example.com" not in text


def test_a_mail_that_is_not_taken_leaves_somebody_to_be_invited_again(
    office: Office, mailbox: Mailbox, operator: Caller
) -> None:
    mailbox.refuse.add("mai@example.com")
    new = NewPerson.of("mai", "Mai", "hr", "mai@example.com")
    with pytest.raises(Unavailable, match="invite them again"):
        invitations.invite(office.service, operator, new, send=True)
    assert people.read_person(office.service, operator, "mai").status == "invited"
    mailbox.refuse.clear()
    assert invitations.invite_again(office.service, operator, "mai", send=True).code is None
    (mail,) = mailbox.to("mai@example.com")
    assert code_in(mail)


def test_without_an_address_or_a_mail_server_nothing_is_made(
    office: Office, house: House, hook: Hook, operator: Caller
) -> None:
    with pytest.raises(InvalidInput, match="no address"):
        invitations.invite(office.service, operator, NewPerson.of("mai", "Mai", "hr"), send=True)
    new = NewPerson.of("mai", "Mai", "hr", "mai@example.com")
    with office_of(house, told_by(None, hook)) as bare, pytest.raises(InvalidInput, match="send"):
        invitations.invite(bare.service, operator, new, send=True)
    with pytest.raises(NotFound):
        people.read_person(office.service, operator, "mai")


def test_a_file_sends_each_code_and_says_who_got_none(
    office: Office, mailbox: Mailbox, operator: Caller
) -> None:
    mailbox.refuse.add("b@example.com")
    lines = [f"p{each},hr,{each}@example.com,vi\n" for each in "abc"]
    faulty = (HEAD + "".join(lines) + "pd,hr,,\n").encode()
    with pytest.raises(InvalidInput) as refused:
        people_file.import_people(office.service, operator, faulty, send=True)
    assert [fault.field for fault in refused.value.fields] == ["line 5, contact"]
    assert mailbox.got == []
    content = (HEAD + "".join(lines)).encode()
    done = people_file.import_people(office.service, operator, content, send=True)
    assert [each.person.name for each in done.invited] == ["pa", "pb", "pc"]
    assert {each.code for each in done.invited} == {None}
    assert done.unsent == ("pb",)
    codes = [code_in(mailbox.to(f"{each}@example.com")[0]) for each in "ac"]
    for code, name in zip(codes, ("pa", "pc"), strict=True):
        shown = activation.look(office.service, Secret.of(code))
        assert shown.person is not None
        assert shown.person.name == name


def test_a_mail_server_that_fails_again_and_again_is_asked_no_more(
    office: Office, mailbox: Mailbox, operator: Caller
) -> None:
    mailbox.refuse |= {f"p{number}@example.com" for number in range(3)}
    lines = [f"p{number},hr,p{number}@example.com,\n" for number in range(5)]
    content = (HEAD + "".join(lines)).encode()
    done = people_file.import_people(office.service, operator, content, send=True)
    assert done.unsent == tuple(f"p{number}" for number in range(5))
    assert mailbox.got == []
