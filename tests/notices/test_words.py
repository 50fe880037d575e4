"""The words of notices: complete in each language, and of events that exist."""

from __future__ import annotations

import string

import pytest

from secvault.audit.catalogue import KINDS
from secvault.identity.contacts import LANGUAGES
from secvault.notices.rules import RULES
from secvault.notices.words import message, words

VALUES = {
    "organisation": "acme",
    "id": "01a2",
    "when": "2026-09-21 14:13",
    "name": "Lan\r\nBcc: x@example.com",
    "who": "lan",
    "system": "payroll",
    "token": "4fT9aXk2Qz",
    "days": "7",
    "role": "role:it.admin",
    "rule": "administer-and-audit",
    "count": "2",
    "number": "4",
    "former": "3",
    "code": "sva_x_y",
    "until": "2026-09-24 14:13",
    "incident": "g0123456789abcdef0123",
    "place": "offsite",
    "subject": "stream:siem",
    "threshold": "3",
    "stream": "siem",
    "why": "timeout",
    "month": "2026-10",
    "plan": "nightly",
    "run": "backup:nightly:2026-10-01T01:30:00Z",
    "hours": "31",
}
# Recorded by parts that come with the branches that bring them.
AWAITED = {"identity.link", "identity.unlink"}


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_says_the_same_things_with_the_same_names() -> None:
    first = words("en")
    for language in LANGUAGES:
        book = words(language)
        assert book.keys() == first.keys()
        for kind, said in book.items():
            assert said.keys() == first[kind].keys(), (language, kind)
            for part, text in said.items():
                assert _names(text) == _names(first[kind][part]), (language, kind, part)
                assert _names(text) <= VALUES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_is_worded_for_either_voice_and_breaks_no_line(language: str) -> None:
    for kind in words(language).keys() - {"frame"}:
        for voice in ("person", "admin"):
            said = message(kind, language, voice, VALUES)
            assert "\n" not in said.subject
            assert "{" not in said.subject + said.body
            assert "\nBcc" not in said.body
            assert said.body.count(VALUES["id"]) == 1


def test_the_rules_speak_of_events_that_the_catalogue_has() -> None:
    kinds = {kind for kind, _ in RULES}
    assert kinds - KINDS.keys() <= AWAITED
