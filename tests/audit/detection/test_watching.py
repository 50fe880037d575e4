"""Following the log: each event once, no alarm on steady traffic, the planted pattern found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from secvault.audit import Actor, AuditLog, Event
from secvault.audit.detection import alerts, rules, watching
from secvault.audit.detection.rules import Alert
from secvault.audit.detection.watching import Watch
from secvault.clock import Clock
from secvault.config.detection import DetectionSettings
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.store import Store, open_store
from secvault.store.tables import audit_count
from tests.audit.tampering import change, intrusion

START = 1_790_000_000_000_000 // rules.DAY * rules.DAY
MINUTE = 60 * 1_000_000
COUNTING = DetectionSettings(
    many_reads_people=200, unusual_from=20, many_refusals=10, volume_from=5, after_hours=()
)


@dataclass
class Place:
    """A log whose time the test sets, and what was raised."""

    store: Store
    now: int = START
    found: list[Alert] = field(default_factory=list)
    settings: DetectionSettings = COUNTING

    def __post_init__(self) -> None:
        clock = Clock(lambda: self.now, lambda: 0.0, lambda _: None)
        self.log = AuditLog(self.store, clock, node="node-1")

    def watch(self) -> Watch:
        def raised(connection: Connection, alert: Alert) -> None:
            if alerts.raise_alert(connection, alert, cool_down_minutes=60):
                self.found.append(alert)

        return Watch(self.settings, raised=raised)

    def happen(self, kind: str, actor: str, many: int = 1, *, outcome: str = "ok") -> None:
        event = Event(
            kind=kind,
            outcome=outcome,  # type: ignore[arg-type]
            actor=Actor("user", actor),
            resource="hr/payroll/p-1",
            department="hr",
            count=many,
        )
        self.log.record(event)

    def look(self) -> None:
        assert watching.follow(self.store, self.watch())
        watching.compare_hours(self.store, self.watch(), self.now)

    def rules(self) -> list[str]:
        return [alert.rule for alert in self.found]


@contextmanager
def opened(store: Store) -> Iterator[Place]:
    made = Place(store)
    made.look()
    try:
        yield made
    finally:
        made.log.close()


@pytest.fixture
def place(any_store: Store) -> Iterator[Place]:
    with opened(any_store) as made:
        yield made


def test_what_happened_before_the_first_look_is_history(any_store: Store) -> None:
    made = Place(any_store)
    made.happen("data.decrypt", "lan", 5_000)
    made.look()
    assert made.found == []
    made.happen("data.decrypt", "lan", 5_000)
    made.look()
    assert made.rules() == ["many_reads"]
    made.log.close()


def test_a_damaged_event_raises_an_alert_and_hides_nothing_that_follows_it(place: Place) -> None:
    place.happen("record.read", "lan")
    with intrusion(place.store) as connection:
        change(connection, 0, body=b"\xff{")
    for _ in range(8):
        place.happen("record.read", "lan", 1_000)
    place.look()
    assert sorted(place.rules()) == ["many_reads", "verification_failed"]


def test_many_reads_raise_one_alert_in_a_cool_down_that_counts_on(place: Place) -> None:
    for _ in range(8):
        place.happen("record.read", "lan", 60)
        place.look()
        place.now += 5 * MINUTE
    assert place.rules() == ["many_reads"]
    with place.store.read() as connection:
        (kept,) = alerts.listed(connection)
        assert (kept.subject, kept.threshold) == ("user:lan", 200)
        assert kept.times > 1
        assert (kept.counted or 0) >= 240
    place.now += 60 * MINUTE
    place.happen("record.read", "lan", 500)
    place.look()
    assert place.rules() == ["many_reads", "many_reads"]


def test_a_burst_over_the_border_of_two_slots_is_found(place: Place) -> None:
    place.now = START + rules.SLOT - MINUTE
    place.happen("data.decrypt", "lan", 120)
    place.look()
    place.now += 2 * MINUTE
    place.happen("data.decrypt", "lan", 120)
    place.look()
    assert place.rules() == ["many_reads"]


def test_an_event_is_looked_at_once_however_many_look_and_whenever_one_is_killed(
    place: Place,
) -> None:
    class Killed(Exception):
        pass

    def killed(_connection: Connection, _alert: Alert) -> None:
        raise Killed

    place.happen("data.decrypt", "lan", 250)
    with pytest.raises(Killed):
        watching.follow(place.store, Watch(COUNTING, raised=killed))
    place.look()
    place.look()
    assert place.rules() == ["many_reads"]
    with place.store.read() as connection:
        amounts = connection.execute(
            select(audit_count.c.amount).where(audit_count.c.measure == "reads")
        ).scalars()
        assert list(amounts) == [250]


def test_refusals_are_counted_by_who_and_over_all(place: Place) -> None:
    for number in range(9):
        place.happen("record.read", "lan", outcome="denied")
        place.happen("record.read", f"other-{number}", outcome="denied")
    place.look()
    assert place.found == []
    place.happen("record.read", "lan", outcome="denied")
    place.look()
    assert [(alert.rule, alert.subject) for alert in place.found] == [("many_refusals", "user:lan")]
    place.settings = COUNTING.model_copy(update={"many_refusals_all": 20})
    place.happen("record.read", "other", outcome="denied")
    place.look()
    assert place.found[-1].subject == "everybody"


def test_an_hour_that_is_far_quieter_than_on_other_days_is_found_and_a_usual_one_is_not(
    place: Place,
) -> None:
    for _day in range(5):
        for _hour in range(24):
            for _ in range(10):
                place.happen("data.encrypt", "lan")
            place.now += rules.HOUR
            place.look()
    assert place.found == []
    place.now += rules.HOUR
    place.look()
    place.look()
    assert place.rules() == ["volume_drop"]
    assert (place.found[0].count, place.found[0].threshold) == (0, 2)


def test_alerts_are_listed_until_somebody_acknowledges_them(place: Place) -> None:
    with place.store.write() as connection:
        for number in range(3):
            alert = Alert("break_glass", f"user:u-{number}", START + number)
            assert alerts.raise_alert(connection, alert, cool_down_minutes=60)
        first, second, third = alerts.listed(connection)
        assert [first.subject, third.subject] == ["user:u-2", "user:u-0"]
        done = alerts.acknowledge(connection, second.id, "user:auditor", START + 9)
        assert (done.acknowledged_by, done.acknowledged_at) == ("user:auditor", START + 9)
        assert alerts.listed(connection) == (first, third)
        assert alerts.listed(connection, after=first.id) == (third,)
        assert len(alerts.listed(connection, every=True)) == 3
        with pytest.raises(Conflict):
            alerts.acknowledge(connection, second.id, "user:other", START)
        with pytest.raises(NotFound):
            alerts.acknowledge(connection, "0" * 32, "user:other", START)
        with pytest.raises(InvalidInput):
            alerts.listed(connection, limit=0)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rates=st.lists(st.integers(2, 4), min_size=40, max_size=60),
    at=st.integers(20, 39),
    burst=st.integers(200, 2_000),
)
def test_steady_traffic_raises_nothing_and_a_burst_planted_in_it_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_file: Path,
    rates: list[int],
    at: int,
    burst: int,
) -> None:
    file = tmp_path_factory.mktemp("log") / "log.db"
    shutil.copy(migrated_file, file)
    store = open_store(f"sqlite:///{file}")
    try:
        with opened(store) as place:
            for number, rate in enumerate(rates):
                place.happen("record.read", "lan", rate)
                place.happen("record.read", "minh", rate)
                place.look()
                assert number >= at or place.found == []
                if number == at:
                    place.happen("record.read", "lan", burst)
                    place.look()
                place.now += rules.SLOT
            assert {(alert.rule, alert.subject) for alert in place.found} == {
                ("many_reads", "user:lan")
            }
    finally:
        store.close()
