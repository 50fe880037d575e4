from __future__ import annotations

from pathlib import Path

import pytest

from secvault.errors import Conflict, Unavailable
from secvault.jobs.host import forget_predecessors, hold_host


def test_a_host_is_held_by_one_and_free_again_after_it(tmp_path: Path) -> None:
    lock = tmp_path / "worker.lock"
    with (
        hold_host(lock, "h:1"),
        pytest.raises(Conflict, match="a worker runs already"),
        hold_host(lock, "h:2"),
    ):
        pass
    with hold_host(lock, "h:3"):
        assert lock.stat().st_mode & 0o777 == 0o600


def test_the_next_one_learns_who_was_there_before_until_they_are_dealt_with(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "worker.lock"
    with hold_host(lock, "h:1") as before:
        assert before == frozenset()
    with hold_host(lock, "h:2") as before:
        assert before == {"h:1"}
    with hold_host(lock, "h:3") as before:
        assert before == {"h:1", "h:2"}
        forget_predecessors(lock, "h:3")
    with hold_host(lock, "h:4") as before:
        assert before == {"h:3"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match="cannot be opened"),
        hold_host(tmp_path / "no/worker.lock", "h:1"),
    ):
        pass
