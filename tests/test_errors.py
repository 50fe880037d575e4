"""The errors: what a program and a person can rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from secvault import errors
from secvault.errors import (
    FieldError,
    InvalidInput,
    NotAuthenticated,
    Refused,
    SecvaultError,
    TooManyAttempts,
)


def descendants(kind: type[SecvaultError]) -> Iterator[type[SecvaultError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from descendants(child)


KINDS = [SecvaultError, *descendants(SecvaultError)]

# (HTTP status, exit code): the codes of the design.
MEANINGS = {
    "failed": (500, 1),
    "invalid-input": (422, 2),
    "key-forbids": (422, 2),
    "configuration": (500, 2),
    "not-found": (404, 1),
    "conflict": (409, 1),
    "provisioning-refused": (400, 1),
    "version-mismatch": (412, 1),
    "precondition-required": (428, 1),
    "not-authenticated": (401, 3),
    "too-many-attempts": (429, 3),
    "too-many-streams": (429, 1),
    "body-too-slow": (408, 1),
    "content-too-large": (413, 2),
    "range-not-satisfiable": (416, 1),
    "refused": (403, 3),
    "foreign-page": (403, 3),
    "approval-required": (403, 3),
    "separation-of-duties": (403, 3),
    "step-up-required": (401, 3),
    "sealed": (503, 4),
    "erased": (410, 1),
    "on-hold": (409, 1),
    "keys-apart": (503, 4),
    "unavailable": (503, 4),
    "overloaded": (503, 4),
    "audit-unavailable": (503, 4),
    "damaged": (500, 5),
    "rolled-back": (503, 5),
    "store-version": (503, 4),
    "backup-failed": (500, 1),
    "cancelled": (500, 1),
}


def test_programs_can_rely_on_each_code_status_and_exit_code() -> None:
    assert {kind.code: (kind.status, kind.exit_code) for kind in KINDS} == MEANINGS
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_a_title_for_a_person_and_says_what_happened(
    kind: type[SecvaultError],
) -> None:
    assert re.fullmatch(r"[A-Z][^.]+", kind.title)
    assert kind.__doc__
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


def test_an_error_is_its_sentence_and_the_fields_at_fault() -> None:
    fields = (FieldError("a", "is missing"), FieldError("b.0", "is too long"))
    error = InvalidInput("a: is missing; b.0: is too long", fields=fields)
    assert str(error) == error.detail == "a: is missing; b.0: is too long"
    assert error.fields == fields


def test_the_error_of_one_field_names_it_in_the_sentence_too() -> None:
    error = InvalidInput.at("key_version", "must be 1 or more")
    assert str(error) == "key_version: must be 1 or more"
    assert error.fields == (FieldError("key_version", "must be 1 or more"),)


def test_a_slowed_down_guess_says_when_to_come_back() -> None:
    assert TooManyAttempts("wait", retry_after=30).retry_after == 30


def test_a_refusal_names_its_decision() -> None:
    assert Refused("no", decision_id="d-1").decision_id == "d-1"
    assert Refused("no").decision_id == ""


def test_every_error_is_caught_as_one_of_ours() -> None:
    with pytest.raises(SecvaultError):
        raise NotAuthenticated("sign in")
