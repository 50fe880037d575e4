"""Streams of a vault: a receiver that loses its connection or its memory misses nothing."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from secvault.audit import query
from secvault.audit.query import Question
from secvault.audit.streams import place
from secvault.config.audit import AuditSettings
from secvault.config.streams import StreamSettings
from secvault.errors import NotFound, Refused
from secvault.jobs import queue
from secvault.service import Service, audit_streams, authentication, readiness, stream_delivery
from secvault.service.spine import Caller
from tests.audit.streams.receivers import (
    Identity,
    SyslogReceiver,
    identity,
    syslog_receiver,
    webhook_receiver,
)
from tests.running_service import House

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def receiver_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("receiver"))


@contextmanager
def streaming(house: House, **streams: StreamSettings) -> Iterator[Service]:
    with house.open() as service:
        changed = service.settings.model_copy(update={"audit": AuditSettings(streams=streams)})
        object.__setattr__(service, "settings", changed)
        stream_delivery.look_after(service)
        yield service


def siem(receiver: SyslogReceiver, of: Identity, **more: Any) -> StreamSettings:
    return StreamSettings(
        address=f"tls://127.0.0.1:{receiver.port}", ca_file=of.certificate, **more
    )


def happen(service: Service, many: int) -> None:
    """So many entries of the log."""
    caller = Caller(authentication.local_operator(service))
    for _ in range(many):
        audit_streams.list_streams(service, caller)
    service.audit.drain()


def numbers(receiver: SyslogReceiver) -> list[int]:
    return [int(re.findall(rb' seq="(\d+)"', each)[0]) for each in receiver.got]


def place_of(service: Service, name: str = "siem") -> place.Place:
    with service.store.read() as connection:
        found = place.read(connection, name)
    assert found is not None
    return found


def size(service: Service) -> int:
    with service.store.read() as connection:
        return place.log_size(connection)


def entries(service: Service, kind: str) -> list[dict[str, Any]]:
    service.audit.drain()
    found = query.page(service.store, Question(kind=kind), newest_first=False).events
    return [dict(each.event.detail) for each in found]


def test_a_receiver_that_breaks_connections_at_random_misses_nothing(
    house: House, receiver_identity: Identity
) -> None:
    chance = random.Random(4)
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(house, siem=siem(receiver, receiver_identity, at_once=7, overlap=3)) as service,
    ):
        start = place_of(service).first_seq
        happen(service, 120)
        end = size(service)
        for _ in range(200):
            if place_of(service).acknowledged_seq == end - 1:
                break
            receiver.faults = chance.choices(["", "reset", "mute"], k=3)
            stream_delivery.deliver(service, "siem")
            house.hands.seconds += 400
        assert place_of(service).acknowledged_seq == end - 1
        got = numbers(receiver)
        assert set(got) == set(range(start, end)), "every entry arrived"
        # In order: nothing is new that comes before what has come already.
        assert list(dict.fromkeys(got)) == list(range(start, end))
        by_number = dict(zip(got, receiver.got, strict=True))
        for stored in query.page(service.store, limit=100).events:
            if start <= stored.seq < end:
                assert by_number[stored.seq].endswith(stored.body)


def test_what_a_receiver_forgot_after_it_acknowledged_is_sent_again_once_its_connection_breaks(
    house: House, receiver_identity: Identity
) -> None:
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(house, siem=siem(receiver, receiver_identity, overlap=50)) as service,
    ):
        happen(service, 40)
        stream_delivery.deliver(service, "siem")
        seen = place_of(service).acknowledged_seq
        # Its memory is lost, and the next connection breaks.
        forgotten = numbers(receiver)
        receiver.got.clear()
        receiver.faults = ["reset"]
        happen(service, 400)
        assert stream_delivery.deliver(service, "siem").reason != ""
        assert place_of(service).acknowledged_seq == seen, "nothing unsaid is taken as said"
        house.hands.seconds += 60
        receiver.got.clear()
        stream_delivery.deliver(service, "siem")
        assert set(forgotten[-50:]) <= set(numbers(receiver))
        assert set(range(seen + 1, size(service))) <= set(numbers(receiver))


def test_a_kill_between_acknowledgement_and_note_sends_again_and_skips_nothing(
    house: House, receiver_identity: Identity
) -> None:
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(house, siem=siem(receiver, receiver_identity)) as service,
    ):
        happen(service, 10)
        at = place_of(service)
        with service.store.read() as connection:
            batch = place.next_batch(connection, at, at_once=5, form="json")
        assert batch is not None
        chosen = service.settings.audit.streams["siem"]
        audit_streams.destination(service, "siem", chosen).deliver(batch)
    with streaming(house, siem=chosen) as again, syslog_receiver(receiver_identity) as receiver:
        moved = siem(receiver, receiver_identity)
        object.__setattr__(
            again,
            "settings",
            again.settings.model_copy(update={"audit": AuditSettings(streams={"siem": moved})}),
        )
        again.audit.drain()
        stream_delivery.deliver(again, "siem")
        assert numbers(receiver) == list(range(at.first_seq, size(again)))


def test_a_stream_begins_at_its_own_time_or_with_the_whole_history(
    house: House, receiver_identity: Identity
) -> None:
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(
            house,
            fresh=siem(receiver, receiver_identity),
            whole=siem(receiver, receiver_identity, history=True),
        ) as service,
    ):
        assert place_of(service, "fresh").next_seq == size(service)
        assert stream_delivery.deliver(service, "fresh").events == 0
        stream_delivery.deliver(service, "whole")
        assert numbers(receiver) == list(range(size(service)))


def test_one_delivery_is_asked_for_at_a_time_and_none_while_there_is_nothing(
    house: House, receiver_identity: Identity
) -> None:
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(house, siem=siem(receiver, receiver_identity, every_seconds=30)) as service,
    ):
        assert stream_delivery.look_after(service) == 0
        happen(service, 3)
        assert stream_delivery.look_after(service) == 0, "more may come"
        house.hands.seconds += 31
        assert stream_delivery.look_after(service) == 1
        assert stream_delivery.look_after(service) == 0
        with service.store.read() as connection:
            (asked,) = queue.jobs(connection, kind=stream_delivery.KIND)
        assert (asked.plan, asked.requested_by) == ("siem", "system:jobs")


def test_a_stream_that_stands_still_is_put_on_record_once_degrades_and_resumes(
    house: House, receiver_identity: Identity
) -> None:
    with syslog_receiver(receiver_identity) as receiver:
        chosen = siem(receiver, receiver_identity, stalled_minutes=10)
        with streaming(house, siem=chosen) as service:
            happen(service, 3)
            receiver.faults = ["mute"] * 99
            waits = []
            for _ in range(6):
                stream_delivery.deliver(service, "siem")
                at = place_of(service)
                waits.append((at.next_try_at - service.clock.micros()) // place.MICROS)
                house.hands.seconds = at.next_try_at / 1_000_000
            assert waits == [2, 4, 8, 16, 32, 64]
            assert readiness.check(service).streams is True
            house.hands.seconds += 600
            for _ in range(2):
                stream_delivery.look_after(service)
            (noted,) = entries(service, "audit.stream")
            assert (noted["target"], noted["state"]) == ("siem", "stalled")
            state = readiness.check(service)
            assert (state.streams, state.ready) == (False, True)
            receiver.faults = []
            stream_delivery.deliver(service, "siem")
            assert readiness.check(service).streams is True
            assert [each["state"] for each in entries(service, "audit.stream")] == [
                "stalled",
                "resumed",
            ]


def test_a_webhook_gets_every_entry_in_order_though_it_refuses_some_of_the_time(
    house: House, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with webhook_receiver() as hook:
        chosen = StreamSettings(
            address=f"http://127.0.0.1:{hook.port}/in", secret_file=secret, at_once=10
        )
        with streaming(house, siem=chosen) as service:
            start = place_of(service).first_seq
            happen(service, 35)
            for status in (503, 204, 500, 200):
                hook.status = status
                stream_delivery.deliver(service, "siem")
                house.hands.seconds += 400
            got = [
                entry["seq"] for _, body in hook.got for entry in json.loads(body)["data"]["events"]
            ]
            assert got == list(range(start, size(service)))
            secret.write_text("nothing")
            happen(service, 1)
            assert stream_delivery.deliver(service, "siem").reason == "misconfigured"
            assert place_of(service).reason == "misconfigured"


def test_streams_are_listed_with_their_lag_and_tried_out_by_those_who_may(
    house: House, receiver_identity: Identity
) -> None:
    with (
        syslog_receiver(receiver_identity) as receiver,
        streaming(house, siem=siem(receiver, receiver_identity)) as service,
    ):
        operator = Caller(authentication.local_operator(service))
        happen(service, 4)
        house.hands.seconds += 90
        (stream,) = audit_streams.list_streams(service, operator)
        assert (stream.state, stream.target, stream.lag_seconds) == ("running", "syslog", 90)
        assert stream.lag_events >= 4
        tried = audit_streams.test_stream(service, operator, "siem")
        assert tried.taken
        assert numbers(receiver) == [tried.seq]
        with pytest.raises(NotFound):
            audit_streams.test_stream(service, operator, "other")
        clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
        with pytest.raises(Refused):
            audit_streams.list_streams(service, clerk)
