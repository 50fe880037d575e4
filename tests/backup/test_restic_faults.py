from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup import restic_faults
from secvault.backup.repository_faults import (
    LockHolder,
    RepositoryDamaged,
    RepositoryLocked,
    StorageFull,
)
from secvault.backup.restic_messages import plain_words
from secvault.errors import Damaged, SecvaultError

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recorded" / "complaints.json").read_text(encoding="utf-8")
)
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def error_of(recorded: dict[str, Any]) -> SecvaultError:
    words = [words for line in recorded["stderr"] for words in plain_words(line)]
    return restic_faults.failure(recorded["status"], words, "the backup", "/srv/backup", NOW)


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=[f"{one['version']}-{one['error']}" for one in RECORDED]
)
def test_what_restic_said_becomes_the_error_that_names_it(recorded: dict[str, Any]) -> None:
    error = error_of(recorded)
    assert type(error).__name__ == recorded["error"]
    assert "\n" not in error.detail


@pytest.mark.parametrize("version", ["0.14.0", "0.18.0"])
def test_a_lock_names_its_holder(version: str) -> None:
    recorded = next(
        one for one in RECORDED if one["error"] == "RepositoryLocked" and one["version"] == version
    )
    error = error_of(recorded)
    assert isinstance(error, RepositoryLocked)
    assert error.holder == LockHolder("vm", "root", 8968, True, NOW - timedelta(seconds=61.5))
    assert "process 8968 of root on vm" in error.detail


def test_a_full_disk_is_named_by_its_repository() -> None:
    said = ["Save(<data/1>) returned error: write /srv/backup/data/1: no space left on device"]
    error = restic_faults.failure(1, said, "the backup", "/srv/backup", NOW)
    assert isinstance(error, StorageFull)
    assert "/srv/backup/data/1" in error.detail


def test_damage_names_the_files_once_and_in_full() -> None:
    pack = "371365c9f0cb03ee40834c7e6c60b208f52d1719b0e2b5c78b2d0bf18cf06673"
    words = [
        f"pack {pack} contains 2 errors: [blob 8338c6f2]",
        "decrypting blob <data/8338c6f2> from 371365c9 failed: ciphertext verification failed",
        # A disk that gives zeros, restic 0.14.0.
        "ignoring error for /: decrypting blob f1c26dfd6213b0462582 failed: nonce is invalid",
        "load <index/15d875e501>: invalid data returned",
    ]
    error = restic_faults.damage(words, "the check", "/srv/backup")
    assert error.files == (f"pack {pack}", "index 15d875e501")
    assert isinstance(error, Damaged)
    assert pack in error.detail


def test_a_network_fault_during_a_check_is_not_called_damage() -> None:
    words = [
        'Load(<data/3762eebcb0>, 9, 0) returned error: Get "http://h/b": dial tcp: i/o timeout',
        "Fatal: repository contains errors",
    ]
    error = restic_faults.failure(1, words, "the check", "s3:http://h/b", NOW)
    assert not isinstance(error, RepositoryDamaged)
    assert error.exit_code == 4


def test_refused_deletions_are_found_once() -> None:
    words = [
        "Remove(<snapshot/8b9884230b>) returned error, retrying after 1.08s: Access Denied.",
        "Remove(<snapshot/8b9884230b>) failed: client.RemoveObject: Access Denied.",
        f"unable to remove snapshot/8b9884230b{'0' * 54} from the repository",
        "Remove(<data/0b10d7eba1>) failed: client.RemoveObject: Access Denied.",
        "Remove(<data/ffffffffff>) returned error, retrying after 1.08s: connection refused",
    ]
    assert restic_faults.refused_removals(words) == ("snapshot 8b9884230b", "pack 0b10d7eba1")


@given(st.integers(-64, 255), st.lists(st.text(max_size=200), max_size=20))
def test_any_words_become_an_error_of_one_line(status: int, said: list[str]) -> None:
    words = [words for line in said for words in plain_words(line)]
    error = restic_faults.failure(status, words, "the backup", "/srv/backup", NOW)
    assert isinstance(error, SecvaultError)
    assert len(error.detail) < 2000
