"""Who is refused for the circumstances is told what to do, and administrators what there was."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.conditions import About, Asker
from secvault.access.explanation import Explanation, explained
from secvault.access.surroundings import Hours, Span, Surroundings

# Wednesday, 2023-11-15 05:13:20 in Ho Chi Minh City.
AT = 1_700_000_000_000_000
HOURS = Hours(frozenset(range(5)), (Span(8 * 60, 17 * 60),), ZoneInfo("Asia/Ho_Chi_Minh"))
HERE = AccessContext(
    AT,
    address="192.0.2.7",
    asker=Asker("nv-1", frozenset({"kho"})),
    about=About(person="nv-2", team="xuong"),
    surroundings=Surroundings(hours=HOURS, networks={"office": ()}),
    acting=frozenset({"user:1"}),
    makers=frozenset({"user:1"}),
)
CLERK = Grant("g", "user:1", "role:hr.clerk", "hr", 0, None, "user:9", 0)
Explain = Callable[[str], Explanation]


@pytest.fixture
def explain(parse: Callable[[str], Rules]) -> Explain:
    """Explain why a clerk is refused whose only rule has this condition."""

    def made(condition: str) -> Explanation:
        rules = parse(f"p,role:hr.clerk,hr,payroll,*,record.approve,{condition},allow,only\n")
        snapshot = build_snapshot(rules, [CLERK], epoch=1, at=AT)
        request = AccessRequest("user:1", "hr", "payroll", "*", "record.approve", HERE)
        return explained(snapshot, request, decide(snapshot, request))

    return made


@pytest.mark.parametrize(
    ("condition", "remedies", "english", "vietnamese"),
    [
        (
            "network:office",
            [{"type": "use_network", "network": "office"}],
            "This is allowed only from the network office.",
            "Việc này chỉ được phép trong trường hợp sau: từ mạng office.",
        ),
        (
            "business_hours",
            [{"type": "wait_until", "moment": "2023-11-15T01:00:00.000000Z"}],
            (
                "This is allowed only within business hours, which begin today at 08:00 "
                "(Asia/Ho_Chi_Minh)."
            ),
            (
                "Việc này chỉ được phép trong trường hợp sau: trong giờ làm việc, bắt đầu "
                "lúc 08:00 hôm nay (Asia/Ho_Chi_Minh)."
            ),
        ),
        (
            "not_maker",
            [{"type": "other_person"}],
            "This is allowed only to somebody who is known not to have made or changed it.",
            (
                "Việc này chỉ được phép trong trường hợp sau: "
                "cho người được biết là không tạo hoặc sửa nó."
            ),
        ),
        (
            "own_team",
            [{"type": "meet_condition", "condition": "own_team"}],
            "This is allowed only on a record of your own team.",
            "Việc này chỉ được phép trong trường hợp sau: với hồ sơ thuộc nhóm của bạn.",
        ),
        (
            "ticket and aal2_fresh:300",
            [{"type": "name_ticket"}, {"type": "step_up", "acr": "aal2", "max_age": 300}],
            "This is allowed only when you name a ticket, with a fresh second factor.",
            (
                "Việc này chỉ được phép trong trường hợp sau: khi bạn nêu số phiếu yêu cầu, "
                "khi vừa xác thực lại yếu tố thứ hai."
            ),
        ),
    ],
)
def test_the_person_reads_what_is_missing_in_their_language(
    explain: Explain, condition: str, remedies: list[object], english: str, vietnamese: str
) -> None:
    made = explain(condition)
    assert [one.document for one in made.remedies] == remedies
    assert made.reasons["en"] == made.decision.reason_user == english
    assert made.reasons["vi"] == vietnamese


def test_a_fresh_factor_is_asked_for_only_when_nothing_else_is_missing(explain: Explain) -> None:
    missing = explain("own_record and aal2_fresh:300")
    assert missing.decision.step_up is None
    assert missing.reasons["en"] == (
        "This is allowed only on a record about you, with a fresh second factor."
    )
    stale = explain("network:office and aal2_fresh:300")
    assert stale.decision.step_up is None
    alone = explain("aal2_fresh:300")
    assert alone.decision.step_up == 300
    assert alone.reasons["vi"].startswith("Việc này cần xác thực lại")


def test_administrators_read_what_was_asked_for_and_what_there_was(explain: Explain) -> None:
    made = explain("own_team and network:office and aal2_fresh:300 and not_maker")
    assert made.condition is not None
    assert dict(made.condition.needed) == {
        "team": "xuong",
        "network": "office",
        "max_age": 300,
        "maker": False,
    }
    assert dict(made.condition.actual) == {
        "teams": "kho",
        "address": "192.0.2.7",
        "age": None,
        "makers": "user:1",
    }
    assert made.condition.text == "teams kho, address 192.0.2.7, age unknown, makers user:1"
    own = explain("own_record").condition
    assert own is not None
    assert (own.needed["employee"], own.actual["employee"]) == ("nv-2", "nv-1")
    hours = explain("business_hours").condition
    assert hours is not None
    assert hours.text == "time 2023-11-14T22:13:20.000000Z"


def test_a_record_of_somebody_else_is_not_told_as_ones_own_that_is_missing(
    shipped: Rules,
) -> None:
    snapshot = build_snapshot(shipped, [CLERK], epoch=1, at=AT)
    request = AccessRequest("user:1", "hr", "payroll", "bank_account", "record.read", HERE)
    made = explained(snapshot, request, decide(snapshot, request))
    assert made.kind == "field_class"
    assert "condition" not in {miss.missing for miss in made.near}
