"""Delivery: to a real mail server and a real webhook, which fail in all the ways that they do."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest
from pydantic import SecretStr

from secvault.audit.query import Question, page
from secvault.config.notifications import ChannelSettings
from secvault.errors import ConfigurationError, NotFound
from secvault.log import configure_logging
from secvault.notices import outbox
from secvault.notices.channel import Channel
from secvault.service import authentication, notice_delivery, notifications, people, readiness
from secvault.service.spine import Caller
from secvault.store.tables import person_contact
from tests.notices.conftest import Office, mail_url, office_of, told_by
from tests.notices.receivers import Hook, Mailbox, nobody_listens
from tests.running_service import PASSWORD, House, system_token

HOUR = 3600


def states(office: Office) -> list[tuple[str, str, int, str | None]]:
    with office.service.store.read() as connection:
        found = outbox.listed(connection, limit=1000)
    return [(e.kind, e.state, e.attempts, e.reason) for e in reversed(found)]


def test_a_person_is_told_by_mail_in_their_language_and_says_what_to_do(
    office: Office, mailbox: Mailbox, hook: Hook
) -> None:
    office.contact("clerk", "clerk+vault@example.com", "vi")
    office.tell()
    office.deliver()
    mailbox.got.clear()
    office.sign_in("clerk", "203.0.113.1")
    office.sign_in("clerk", "198.51.100.1")
    office.tell()
    office.deliver()
    (told,) = mailbox.to("clerk+vault@example.com")
    assert told.startswith("[secvault] Đăng nhập từ một mạng mới")
    assert "Xin chào Clerk" in told
    assert "\nNếu không phải bạn" in told
    assert "198.51" not in told
    assert hook.got == []


def test_a_change_of_address_is_told_to_the_one_before_and_the_new_one(
    office: Office, mailbox: Mailbox
) -> None:
    caller = office.contact("clerk", "old@example.com")
    office.tell()
    office.deliver()
    mailbox.got.clear()
    office.contact("clerk", "new@example.com")
    office.tell()
    office.deliver()
    assert [len(mailbox.to(each)) for each in ("old@example.com", "new@example.com")] == [1, 1]
    assert caller.principal.name == "clerk"


def test_channels_are_told_what_concerns_administrators_and_no_secret_is_in_it(
    office: Office, hook: Hook, house: House
) -> None:
    text = system_token(office.service, "worker", "it", "role:it.key_custodian")
    office.tell()
    office.deliver()
    (told,) = hook.got
    assert "role:it.key_custodian was granted to worker" in told["message"]
    everything = str(hook.got)
    for secret in (text, text.split("_")[2], PASSWORD, *house.seeds.values(), hook.url):
        assert secret not in everything


def test_who_has_no_address_is_not_told_and_that_is_seen(office: Office) -> None:
    office.sign_in("clerk", "203.0.113.1")
    office.sign_in("clerk", "198.51.100.1")
    office.tell()
    office.deliver()
    assert states(office) == [("new_network", "unreachable", 1, "no_address")]
    assert readiness.check(office.service).notifications


def test_who_was_disabled_meanwhile_is_told_nothing_any_more(
    office: Office, mailbox: Mailbox
) -> None:
    office.contact("clerk", "clerk@example.com")
    office.tell()
    people.disable_person(
        office.service, Caller(authentication.local_operator(office.service)), "clerk"
    )
    office.deliver()
    assert mailbox.got == []
    assert {reason for *_, reason in states(office)} == {"disabled"}


@pytest.mark.parametrize("fault", ["status", "slow", "down"])
def test_a_webhook_that_fails_is_tried_again_later_and_later_and_then_it_arrives(
    house: House, hook: Hook, fault: str
) -> None:
    url = hook.url
    if fault == "status":
        hook.status = 500
    elif fault == "slow":
        hook.delay, hook.url = 1.5, f"{url}?rto=0.3"
    else:
        hook.url = f"json://127.0.0.1:{nobody_listens()}/hook"
    with office_of(house, told_by(None, hook)) as office:
        office.tell()
        system_token(office.service, "worker", "it", "role:it.auditor")
        office.tell()
        assert office.deliver().failed == 1
        assert office.deliver().failed == 0, "not at once again"
        house.hands.seconds += 29
        assert office.deliver().failed == 0
        house.hands.seconds += 1
        assert office.deliver().failed == 1
        assert states(office) == [("privileged_grant", "waiting", 2, "not_taken")]
        hook.status, hook.delay = 200, 0.0
    hook.url, hook.got = url, []
    with office_of(house, told_by(None, hook)) as office:
        house.hands.seconds += 60
        assert office.deliver().delivered == 1
        assert len(hook.got) == 1
        assert states(office) == [("privileged_grant", "delivered", 3, None)]


def test_what_never_arrives_is_given_up_and_readiness_the_log_and_the_list_tell(
    house: House, hook: Hook
) -> None:
    hook.status = 503
    with office_of(house, told_by(None, hook, give_up_hours=2)) as office:
        office.tell()
        assert readiness.check(office.service).notifications
        system_token(office.service, "worker", "it", "role:it.auditor")
        office.tell()
        for _ in range(8):
            house.hands.seconds += HOUR
            office.deliver()
        assert hook.asked == 2
        assert states(office) == [("privileged_grant", "given_up", 2, "not_taken")]
        state = readiness.check(office.service)
        assert (state.notifications, state.ready) == (False, True)
        office.service.audit.drain()
        (told,) = page(office.service.store, Question(kind="notification.given_up")).events
        assert told.event.detail == {"reason": "not_taken", "target": "channel:ops"}
        house.hands.seconds += 24 * HOUR
        assert readiness.check(office.service).notifications


def test_one_bad_address_holds_up_nobody_else(office: Office, mailbox: Mailbox) -> None:
    mailbox.refuse = {"clerk@example.com"}
    for name in ("clerk", "head", "auditor"):
        office.contact(name, f"{name}@example.com")
    office.tell()
    done = office.deliver()
    assert done.failed == 1
    assert mailbox.to("clerk@example.com") == []
    assert mailbox.to("head@example.com")
    assert mailbox.to("auditor@example.com")


def test_a_damaged_address_or_an_unknown_kind_holds_up_nobody_else(
    office: Office, mailbox: Mailbox
) -> None:
    callers = {
        name: office.contact(name, f"{name}@example.com").principal.id for name in ("clerk", "head")
    }
    office.tell()
    with office.service.store.write() as connection:
        connection.execute(
            person_contact.update()
            .where(person_contact.c.person == callers["clerk"])
            .values(sealed_address=b"\x01" + bytes(40))
        )
        other = next(
            each
            for each in outbox.listed(connection)
            if each.recipient == f"person:{callers['head']}"
        )
        outbox.add(connection, replace(other, id="f" * 32, cause="newer", kind="of_tomorrow"))
    office.deliver()
    assert len(mailbox.to("head@example.com")) == 1
    assert {state for _, state, _, _ in states(office)} == {"waiting", "delivered", "unreachable"}
    assert {reason for *_, reason in states(office)} == {"damaged", None, "unknown_kind"}


def test_a_server_that_answers_nobody_is_asked_three_times_and_not_fifty(
    house: House, hook: Hook
) -> None:
    hook.status = 500
    with office_of(house, told_by(None, hook)) as office:
        office.tell()
        for number in range(12):
            system_token(office.service, f"worker-{number}", "it", "role:it.auditor")
        office.tell()
        office.deliver()
        office.deliver()
        assert hook.asked == 3
        house.hands.seconds += 60
        hook.status = 200
        office.deliver()
        assert len(hook.got) == 12


def test_neither_logs_nor_errors_nor_reprs_hold_the_address_of_a_channel(
    house: House, hook: Hook
) -> None:
    written = io.StringIO()
    configure_logging(written)
    port = nobody_listens()
    secret = "p4ssw0rd-canary"
    with office_of(house, told_by(None, hook)) as office:
        channels = {
            "ops": ChannelSettings(url=SecretStr(f"json://u:{secret}@127.0.0.1:{port}/")),
            "odd": ChannelSettings(url=SecretStr(f"nonsense://{secret}@x/")),
        }
        changed = office.service.settings.notifications.model_copy(update={"channels": channels})
        settings = office.service.settings.model_copy(update={"notifications": changed})
        object.__setattr__(office.service, "settings", settings)
        office.tell()
        system_token(office.service, "worker", "it", "role:it.auditor")
        office.tell()
        assert office.deliver().failed == 2
        operator = Caller(authentication.local_operator(office.service))
        with pytest.raises(ConfigurationError) as odd:
            notifications.try_out(office.service, operator, "odd")
        with pytest.raises(NotFound):
            notifications.try_out(office.service, operator, "unknown")
        assert not notifications.try_out(office.service, operator, "ops")
        shown = [str(odd.value), repr(settings), written.getvalue(), str(states(office))]
        assert not any(secret in each for each in shown)
        assert {reason for *_, reason in states(office)} == {"not_taken", "misconfigured"}


@pytest.mark.parametrize(
    "url",
    [
        "syslog://",
        "dbus://",
        "gnome://",
        "macosx://",
        "windows://",
        "apprises://host/token",
        "file:///etc/passwd",
        "slack://a/b/c?template=/etc/passwd",
        "mailtos://u:p@example.com?pgpkey=/etc/passwd",
        "no address at all",
        "",
    ],
)
def test_an_address_that_does_not_only_speak_to_a_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Channel("notifications.channels.x", SecretStr(url))
    assert "/etc/passwd" not in str(refused.value)


def test_further_kinds_of_addresses_are_taken_when_the_settings_say_so() -> None:
    Channel("x", SecretStr("syslog://"), ["syslog"]).check()
    with pytest.raises(ConfigurationError, match="not complete"):
        Channel("x", SecretStr("slack://")).check()


def test_an_address_of_a_person_cannot_widen_the_mail(mailbox: Mailbox) -> None:
    channel = Channel("x", SecretStr(mail_url(mailbox.port)))
    values = {"id": "1", "organisation": "a", "when": ""}
    said = notifications.message("test", "en", "admin", values)
    channel.to("a@example.com,b@example.com&bcc=c@example.com").send(said)
    assert not any(to in ("b@example.com&bcc", "c@example.com") for to, _ in mailbox.got)


def test_a_test_tells_at_once_and_over_http_it_waits_for_the_worker(
    office: Office, hook: Hook
) -> None:
    operator = Caller(authentication.local_operator(office.service))
    assert notifications.try_out(office.service, operator, "ops")
    asked = notifications.ask_for_test(office.service, operator, "ops")
    office.deliver()
    assert len(hook.got) == 2
    assert notifications.read_notice(office.service, operator, asked.id).state == "delivered"


def test_old_notices_are_forgotten_and_those_that_wait_are_not(house: House, hook: Hook) -> None:
    with office_of(house, told_by(None, hook, keep_days=1)) as office:
        office.tell()
        system_token(office.service, "one-system", "it", "role:it.auditor")
        office.tell()
        office.deliver()
        system_token(office.service, "two-system", "it", "role:it.auditor")
        office.tell()
        house.hands.seconds += 25 * HOUR
        assert notice_delivery.forget_old(office.service) == 1
        assert [state for _, state, _, _ in states(office)] == ["waiting"]


def test_following_costs_a_request_nothing(office: Office, hook: Hook) -> None:
    hook.delay = 5.0
    begun = time.monotonic()
    system_token(office.service, "worker", "it", "role:it.auditor")
    office.tell()
    assert time.monotonic() - begun < 3.0
    assert hook.asked == 0
