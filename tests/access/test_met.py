"""When a condition would be met: said in each language, and only as far as it is not."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from secvault.access.conditions import CONDITIONS, AccessContext, read_condition
from secvault.access.met import allowed_only
from secvault.access.surroundings import Hours, Span, Surroundings
from secvault.access.words import LANGUAGES, words

SECOND = 1_000_000
# Wednesday, 2023-11-15 05:13:20 in Ho Chi Minh City.
AT = 1_700_000_000 * SECOND
HOURS = Hours(frozenset(range(5)), (Span(8 * 60, 17 * 60 + 30),), ZoneInfo("Asia/Ho_Chi_Minh"))
HERE = AccessContext(AT, surroundings=Surroundings(hours=HOURS))
PARAMETERS = {"aal2_fresh": ":300", "network": ":office"}


@pytest.mark.parametrize(
    ("condition", "english"),
    [
        ("network:office", "from the network office"),
        ("ticket", "when you name a ticket"),
        ("recovering", "after a recovery code"),
        ("own_team", "on a record of your own team"),
        ("not_maker", "to somebody who is known not to have made or changed it"),
        ("own_record and aal2_fresh:300", "on a record about you, with a fresh second factor"),
    ],
)
def test_each_condition_says_what_would_meet_it(condition: str, english: str) -> None:
    assert allowed_only([read_condition(condition)], HERE) == english


def test_of_joined_conditions_those_that_hold_are_not_told() -> None:
    shown = replace(HERE, second_factor_at=AT)
    joined = read_condition("ticket and aal2_fresh:300")
    assert allowed_only([joined], shown) == "when you name a ticket"


def test_of_several_rules_any_one_is_enough() -> None:
    either = [read_condition("ticket"), read_condition("network:office"), read_condition("ticket")]
    assert allowed_only(either, HERE) == "when you name a ticket, or from the network office"
    assert allowed_only(either, HERE, "vi") == "khi bạn nêu số phiếu yêu cầu, hoặc từ mạng office"
    assert allowed_only([None], HERE) == ""


@pytest.mark.parametrize(
    ("hours_later", "begins"),
    [
        (0, "begin today at 08:00"),
        (14, "begin tomorrow at 08:00"),
        (48 + 14, "begin on 2023-11-20 at 08:00"),
    ],
)
def test_business_hours_say_when_they_begin_by_the_clocks_there(
    hours_later: int, begins: str
) -> None:
    context = replace(HERE, at=AT + hours_later * 3600 * SECOND)
    said = allowed_only([read_condition("business_hours")], context)
    assert said == f"within business hours, which {begins} (Asia/Ho_Chi_Minh)"
    assert "08:00" in allowed_only([read_condition("business_hours")], context, "vi")


def test_hours_that_nobody_said_have_no_beginning() -> None:
    unknown = AccessContext(AT)
    assert allowed_only([read_condition("business_hours")], unknown) == "within business hours"


def test_every_condition_has_words_in_every_language() -> None:
    for name in CONDITIONS:
        kind = read_condition(name + PARAMETERS.get(name, "")).kind
        for language in LANGUAGES:
            assert kind in words(language)["condition"], (kind, language)
