"""A log that goes on under another origin after an accepted rollback: all that leaves it follows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.audit import rollback
from secvault.audit.query import Question, page
from secvault.service import audit_log, audit_rollback
from secvault.service.audit_publications import Publisher
from secvault.service.log_signing import sign_now
from tests.service.test_log_outside import (
    Shown,
    copied_vault,
    happen,
    operator,
    published,
    put_back,
    rolled_back,
    shown,
)

__all__ = ["rolled_back", "shown"]


def test_the_worker_puts_no_checkpoint_of_the_former_log_into_the_folder_of_the_new_one(
    rolled_back: Shown,
) -> None:
    looked = rolled_back.look()
    with rolled_back.open() as service:
        publisher = Publisher(service)
        audit_rollback.accept_here(service, "restored on purpose", looked)
        # Nothing was signed under the new origin yet.
        publisher.turn(lambda: False)
        happen(service, 3)
        service.audit.drain()
        sign_now(service)
        state = published(service)
        assert (state.fault, state.detail) == ("", "")
        assert audit_log.verify_log(service, operator(service)).ok
    assert rolled_back.look().contradictions == ()


@pytest.mark.parametrize("sealed", [False, True])
def test_another_node_accepts_the_same_break_and_makes_no_second_one(
    rolled_back: Shown, *, sealed: bool
) -> None:
    looked = rolled_back.look()
    # The other node's folder remembers what that one signed of the log as it was.
    other = (rolled_back.vault / rollback.REMEMBERED).read_bytes()
    with rolled_back.open() as service:
        key = audit_rollback.accept_here(service, "restored on purpose", looked)
        published(service)
    (rolled_back.vault / rollback.REMEMBERED).write_bytes(other)
    if not sealed:
        looked = rolled_back.look()
    assert looked.contradictions
    with rolled_back.open() as service:
        if sealed:
            # Both had said so before either was unsealed.
            audit_rollback.leave(service.settings, "as the first did", looked.contradictions)
            sign_now(service)
        else:
            audit_rollback.accept_here(service, "as the first did", looked)
        assert service.signing.audit_keys()[0] == key
        happen(service, 2)
        service.audit.drain()
        note = sign_now(service).note
        assert rollback.remembered(rolled_back.vault) == note
        assert audit_log.verify_log(service, operator(service)).ok
        accepted = page(service.store, Question(kind="audit.accept_rollback"), limit=9).events
        assert [each.event.detail["version"] for each in accepted] == [2, 2]
    assert rolled_back.look().contradictions == ()


def test_a_log_put_back_to_before_an_accepted_break_is_not_started(
    rolled_back: Shown, tmp_path: Path
) -> None:
    before = copied_vault(rolled_back, tmp_path / "before")
    looked = rolled_back.look()
    with rolled_back.open() as service:
        audit_rollback.accept_here(service, "restored on purpose", looked)
        published(service)
    put_back(rolled_back, before)
    assert len(rolled_back.look().contradictions) == 2


def test_a_folder_that_is_not_mounted_is_said_not_to_be_compared(shown: Shown) -> None:
    with shown.open() as service:
        published(service)
    shutil.move(shown.place, shown.place.with_name("away"))
    found = shown.look()
    assert found.contradictions == ()
    assert found.unread[0].startswith("second: ")
    with shown.open() as service:
        assert audit_log.verify_log(service, operator(service)).unread == found.unread
