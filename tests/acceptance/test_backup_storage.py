"""A storage that is stopped, slow, too busy, or cuts connections, during a run and before it.

The gateway is real; what fails is the line to it. SVTEST_S3_GONE_SECONDS: for how long it is gone
in the middle of a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from secvault.backup.repository_faults import RepositoryUnreachable
from tests.acceptance.backed_up import BackedUp, backed_up
from tests.acceptance.faulty_line import Fault, FaultyLine, faulty_line
from tests.quick_repository import made_quickly

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

GONE_SECONDS = float(os.environ.get("SVTEST_S3_GONE_SECONDS", "2"))
SOME_BYTES = 300_000
"""Of the megabyte that a run sends: then it is in the middle of it."""


@dataclass
class Remote:
    """A vault whose repository lies behind a line that can fail."""

    made: BackedUp
    line: FaultyLine


@pytest.fixture(scope="module")
def remote(s3_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """One for all tests here: each leaves the line as it found it, and a vault that is whole."""
    at = urlsplit(s3_server.endpoint)
    with faulty_line(str(at.hostname), int(at.port or 80)) as line:
        settings = {
            "location": f"s3:{line.endpoint}/{s3_server.new_bucket()}",
            "access_key_id": s3_server.access_key,
            "secret_access_key": s3_server.secret_key,
        }
        folder = tmp_path_factory.mktemp("remote")
        with made_quickly(), backed_up(folder, repository=settings) as made:
            yield Remote(made, line)


@pytest.mark.parametrize("fault", ["gone", "busy"])
def test_a_storage_that_does_not_answer_fails_the_run_in_words_and_later_it_heals(
    remote: Remote, fault: Fault
) -> None:
    earlier = remote.made.snapshots()
    remote.line.met = 0
    remote.line.fault = fault
    try:
        error = remote.made.fail()
    finally:
        remote.line.fault = "none"

    assert isinstance(error, RepositoryUnreachable), error.detail
    assert "cannot be reached" in error.detail
    assert "then try again" in error.detail
    assert remote.line.met
    assert remote.made.snapshots() == earlier
    done = remote.made.back_up()
    assert (done.state, remote.made.snapshots()) == ("done", {*earlier, done.snapshot})


@pytest.mark.parametrize("fault", ["gone", "busy", "cutting", "slow"])
def test_a_run_outlasts_a_storage_that_fails_for_a_while(
    remote: Remote, fault: Fault, tmp_path: Path
) -> None:
    earlier = remote.made.snapshots()
    remote.line.met = 0
    with remote.line.failing(fault, after=SOME_BYTES, seconds=GONE_SECONDS):
        done = remote.made.back_up()

    assert remote.line.met
    assert done.state == "done"
    assert done.snapshot is not None
    assert remote.made.snapshots() == {*earlier, done.snapshot}
    if fault == "cutting":
        remote.made.comes_back(done.snapshot, tmp_path / "back", remote.made.content[-1])
