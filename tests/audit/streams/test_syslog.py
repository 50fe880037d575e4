"""Syslog: the exact message, and what counts as delivered."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from msgspec.structs import replace as with_

from secvault.audit.event import Outcome
from secvault.audit.leaf import StoredEvent
from secvault.audit.streams.batch import Batch, FormName, Undelivered, hash_of
from secvault.audit.streams.syslog import Syslog, message
from secvault.errors import ConfigurationError
from tests.audit.streams.receivers import Identity, SyslogReceiver, syslog_receiver

Stored = Callable[[int], StoredEvent]

RFC_5424 = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([\x21-\x7e]{1,255}) secvault "
    rb"([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) "
    rb'(\[secvault@32473(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")+\]) '
    rb"(.*)",
    re.DOTALL,
)


@pytest.fixture
def tls(receiver_identity: Identity) -> Iterator[SyslogReceiver]:
    with syslog_receiver(receiver_identity) as receiver:
        yield receiver


def over_tls(receiver: SyslogReceiver, of: Identity) -> Syslog:
    return Syslog("siem", "tls", "127.0.0.1", receiver.port, "vault-1", 5.0, ca_file=of.certificate)


def batch(stored: Stored, many: int, start: int = 0) -> Batch:
    return Batch("siem", tuple(stored(seq) for seq in range(start, start + many)), "json")


def test_a_message_has_the_parts_of_the_rfc_and_the_exact_leaf(stored: Stored) -> None:
    event = stored(3)
    found = RFC_5424.fullmatch(message(event, event.body, "vault-1"))
    assert found is not None
    priority, time, host, process, kind, data, text = found.groups()
    assert (priority, host, process, kind) == (b"110", b"vault-1", b"start-1", b"record.read")
    assert time == b"2026-09-21T14:13:20.000003Z"
    assert text == event.body
    assert (
        data
        == (
            f'[secvault@32473 seq="3" id="{event.id}" leaf="{hash_of(event)}" kind="record.read" '
            'outcome="ok" actor="user:u-7"]'
        ).encode()
    )


@pytest.mark.parametrize(
    ("code", "outcome", "severity"),
    [(1, "ok", 6), (2, "denied", 4), (3, "error", 3), (0, "unknown", 5)],
)
def test_the_severity_follows_the_outcome_and_an_alert_is_critical(
    stored: Stored, code: int, outcome: Outcome, severity: int
) -> None:
    event = stored(0)
    changed = with_(event, leaf=with_(event.leaf, o=code))
    assert changed.event.outcome == outcome
    assert message(changed, b"{}", "h").startswith(b"<%d>1 " % (13 * 8 + severity))
    alert = with_(event, leaf=with_(event.leaf, k="audit.alert"))
    assert message(alert, b"{}", "h").startswith(b"<106>1 ")


def test_nothing_in_an_event_breaks_out_of_its_place(stored: Stored) -> None:
    event = stored(0)
    actor, writer = with_(event.leaf.a, i='x"] y\\'), with_(event.leaf.n, s="a b\nc\u00e9")
    odd = with_(event, leaf=with_(event.leaf, a=actor, n=writer))
    made = message(odd, '{"i":"h\u1ed3 s\u01a1"}'.encode(), "host with spaces\r\n")
    found = RFC_5424.fullmatch(made)
    assert found is not None
    assert found[3] == b"host-with-spaces--"
    assert found[4] == b"a-b-c-"
    assert b'actor="user:x\\"\\] y\\\\"' in found[6]
    assert found[7].startswith(b"\xef\xbb\xbf{"), "text that is not ASCII has its mark"


def test_a_batch_arrives_whole_and_in_order_over_tls(
    tls: SyslogReceiver, receiver_identity: Identity, stored: Stored
) -> None:
    sent = batch(stored, 700)
    over_tls(tls, receiver_identity).deliver(sent)
    assert tls.got == [message(each, each.body, "vault-1") for each in sent.events]


@pytest.mark.parametrize("fault", ["reset", "mute"])
def test_a_connection_that_breaks_has_delivered_nothing(
    tls: SyslogReceiver, receiver_identity: Identity, stored: Stored, fault: str
) -> None:
    tls.faults = [fault]
    with pytest.raises(Undelivered):
        over_tls(tls, receiver_identity).deliver(batch(stored, 400))


def test_a_receiver_of_another_ca_or_name_gets_nothing(
    tls: SyslogReceiver, receiver_identity: Identity, another_identity: Identity, stored: Stored
) -> None:
    with pytest.raises(Undelivered, match="certificate_refused"):
        over_tls(tls, another_identity).deliver(batch(stored, 1))
    misnamed = replace(over_tls(tls, receiver_identity), host="localhost")
    with pytest.raises(Undelivered, match="certificate_refused"):
        misnamed.deliver(batch(stored, 1))
    assert tls.got == []
    nothing = replace(over_tls(tls, receiver_identity), ca_file=receiver_identity.key)
    with pytest.raises(ConfigurationError, match=r"audit\.streams\.siem\.ca_file"):
        nothing.deliver(batch(stored, 1))


def test_over_tcp_the_receivers_orderly_end_acknowledges_and_a_reset_does_not(
    stored: Stored,
) -> None:
    with syslog_receiver(None) as receiver:
        sent = batch(stored, 50)
        plain = Syslog("lab", "tcp", "127.0.0.1", receiver.port, "vault-1", 5.0)
        plain.deliver(sent)
        assert len(receiver.got) == 50
        receiver.faults = ["reset"]
        with pytest.raises(Undelivered):
            plain.deliver(batch(stored, 400))
    with pytest.raises(Undelivered, match="unreachable"):
        plain.deliver(sent)


def test_a_receiver_that_reads_and_never_ends_has_acknowledged_nothing(stored: Stored) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_at = silent.getsockname()[1]
        with pytest.raises(Undelivered, match="timeout"):
            Syslog("lab", "tcp", "127.0.0.1", silent_at, "h", 0.2).deliver(batch(stored, 1))


def test_over_udp_each_message_is_a_datagram(stored: Stored) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sent = batch(stored, 3)
        Syslog("lab", "udp", "127.0.0.1", receiver.getsockname()[1], "vault-1").deliver(sent)
        got = [receiver.recv(65_535) for _ in range(3)]
    assert got == [message(each, each.body, "vault-1") for each in sent.events]


@pytest.mark.parametrize(("form", "begins"), [("cef", b"CEF:0|secvault|"), ("ocsf", b"{")])
def test_other_forms_are_those_of_the_exports(
    tls: SyslogReceiver,
    receiver_identity: Identity,
    stored: Stored,
    form: FormName,
    begins: bytes,
) -> None:
    sent = replace(batch(stored, 2), form=form, origin="vault.example.com/audit")
    over_tls(tls, receiver_identity).deliver(sent)
    for got, line, event in zip(tls.got, sent.lines(), sent.events, strict=True):
        assert line.startswith(begins)
        assert got.endswith(line)
        assert hash_of(event).encode() in line, "what a copy is checked by"
