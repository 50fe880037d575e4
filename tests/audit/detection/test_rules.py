"""The rules by themselves: steady traffic raises nothing, what is planted in it is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secvault.audit.detection import rules
from secvault.audit.detection.rules import Sight
from secvault.config.detection import DetectionSettings

SETTINGS = DetectionSettings()
MONDAY = 1_790_000_000_000_000
LAN = "user:lan"


def sight(kind: str, *, outcome: str = "ok", actor: str = LAN, **more: object) -> Sight:
    return Sight(7, MONDAY, kind, outcome, actor, **more)  # type: ignore[arg-type]


@given(
    usual=st.lists(st.integers(20, 40), min_size=rules.LEAST_SLOTS, max_size=300),
    now=st.integers(20, 40),
    before=st.integers(20, 40),
)
def test_what_is_usual_for_somebody_raises_nothing(usual: list[int], now: int, before: int) -> None:
    assert rules.too_many_reads(LAN, now + before, usual, SETTINGS) is None


@given(
    usual=st.lists(st.integers(1, 10), min_size=rules.LEAST_SLOTS, max_size=300),
    burst=st.integers(200, 10_000),
)
def test_a_burst_beyond_what_is_usual_is_found_below_the_fixed_cap(
    usual: list[int], burst: int
) -> None:
    most = rules.too_many_reads(LAN, burst, usual, SETTINGS)
    assert most is not None
    assert most <= SETTINGS.many_reads_people


@given(usual=st.lists(st.integers(1, 10**6), max_size=300), more=st.integers(0, 10**6))
def test_the_fixed_cap_holds_whatever_is_usual(usual: list[int], more: int) -> None:
    recent = SETTINGS.many_reads_people + more
    assert rules.too_many_reads(LAN, recent, usual, SETTINGS) is not None
    assert rules.too_many_reads("svc:erp", SETTINGS.many_reads_systems + more, usual, SETTINGS)


def test_systems_have_a_cap_of_their_own_and_little_is_never_much() -> None:
    assert rules.too_many_reads("svc:erp", 10_000, [], SETTINGS) is None
    assert rules.too_many_reads(LAN, 99, [1] * 300, SETTINGS) is None


@given(st.lists(st.integers(900, 1_100), min_size=rules.LEAST_DAYS, max_size=14))
def test_the_volume_of_other_days_raises_nothing_and_a_drop_is_found(earlier: list[int]) -> None:
    assert rules.too_little(900, earlier, SETTINGS) is None
    assert rules.too_little(100, earlier, SETTINGS) is not None
    assert rules.too_little(0, earlier, SETTINGS) is not None


@given(st.lists(st.integers(0, 199), max_size=14), st.integers(0, 10))
def test_little_traffic_is_no_measure_of_a_drop(earlier: list[int], count: int) -> None:
    assert rules.too_little(count, earlier, SETTINGS) is None


def test_two_days_are_no_measure_either() -> None:
    assert rules.too_little(0, [1000, 1000], SETTINGS) is None


def test_one_event_is_enough_where_it_says_it_all() -> None:
    def rule_of(one: Sight, **settings: object) -> str | None:
        given = DetectionSettings.model_validate(settings)
        alert = rules.alert_of(one, given, lambda _at: False)
        return alert.rule if alert else None

    assert rule_of(sight("auth.sign_in", detail={"new_network": True})) == "new_network"
    assert rule_of(sight("auth.sign_in", detail={"new_network": False})) is None
    assert rule_of(sight("break_glass.start")) == "break_glass"
    assert rule_of(sight("break_glass.start", outcome="denied")) is None
    assert rule_of(sight("audit.verify", detail={"passed": False})) == "verification_failed"
    assert rule_of(sight("audit.verify", detail={"passed": True})) is None
    assert rule_of(sight("break_glass.start"), off=["break_glass"]) is None


def test_after_hours_is_about_people_and_sensitive_collections_outside_the_hours() -> None:
    opened = sight("record.read", resource="hr/payroll/pay-1", department="hr")

    def rule_of(one: Sight, *, open_now: bool = False) -> str | None:
        alert = rules.alert_of(one, SETTINGS, lambda _at: open_now)
        return alert.rule if alert else None

    assert rule_of(opened) == "after_hours"
    assert rule_of(opened, open_now=True) is None
    other = sight("record.read", resource="logistics/shipments/s-1", department="logistics")
    assert rule_of(other) is None
    by_system = sight("record.read", actor="svc:erp", resource="hr/payroll/p", department="hr")
    assert rule_of(by_system) is None
    listed = sight("record.list", resource="hr/payroll", department="hr")
    assert rule_of(listed) == "after_hours"
    assert rule_of(sight("record.create", resource="hr/payroll/p", department="hr")) is None


def test_what_counts() -> None:
    def counted(one: Sight) -> set[tuple[str, str, int]]:
        return {(each.measure, each.subject, each.amount) for each in rules.counts_of(one)}

    log = ("log", "", 1)
    assert counted(sight("data.decrypt", count=400)) == {log, ("reads", LAN, 400)}
    assert counted(sight("record.reveal")) == {log, ("reads", LAN, 1)}
    assert counted(sight("data.encrypt", count=400)) == {log}
    assert counted(sight("data.decrypt", count=0)) == {log}
    refused = sight("data.decrypt", outcome="denied", count=400)
    assert counted(refused) == {log, ("refusals", LAN, 1), ("refusals", "", 1)}
