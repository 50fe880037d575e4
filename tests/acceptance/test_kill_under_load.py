"""When the whole service is killed under load, each answer that a caller got is in the log.

SVTEST_SERVICE_KILLS: how often it is killed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from secvault.audit.leaf import decode
from tests.acceptance.installation import (
    NO_SIGN_INS,
    READY_SECONDS,
    STOP_SECONDS,
    Installation,
    alive_after,
    family,
    stop,
    system_token,
)

KILLS = int(os.environ.get("SVTEST_SERVICE_KILLS", "1"))
WORKERS = 2
CALLERS = 6
MANY = 20
PLAIN = {"plaintext": "MTIzNDU2Nzg5MDEyMzQ1Ng=="}
BATCH = {"batch_input": [PLAIN] * MANY}
# The lean path leaves a body with this member to the routes.
ROUTED = {**PLAIN, "type": "aes256-gcm96"}


@dataclass
class Caller:
    """Encrypts without a pause. answered: request ids that came back with data, and how much."""

    installation: Installation
    token: str
    path: str
    body: dict[str, object]
    count: int
    stopping: threading.Event
    answered: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0
    unexpected: list[str] = field(default_factory=list)

    def work(self) -> None:
        """Ask until told to stop; a connection that breaks is made anew."""
        while not self.stopping.is_set():
            with suppress(httpx2.TransportError), httpx2.Client(timeout=120) as client:
                self._ask(client)
            self.stopping.wait(0.1)

    def _ask(self, client: httpx2.Client) -> None:
        while not self.stopping.is_set():
            try:
                answer = client.post(
                    f"{self.installation.address}{self.path}",
                    json=self.body,
                    headers={"X-Vault-Token": self.token},
                )
            except httpx2.TransportError:
                self.unanswered += 1
                raise
            if answer.status_code == 200:
                self.answered[answer.headers["X-Request-Id"]] = self.count
            elif answer.status_code != 503:
                self.unexpected.append(f"{answer.status_code} {answer.text[:200]}")


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_encryption_answered_before_the_whole_service_is_killed_is_in_the_log_once(
    installation: Installation,
) -> None:
    installation = installation.with_(**NO_SIGN_INS)
    with installation.opened() as service:
        token = system_token(service, "payroll-app", "it", "role:it.cryptor")
    stopping = threading.Event()
    callers = [
        Caller(installation, token, "/v1/transit/encrypt/payroll", body, count, stopping)
        for body, count in ((PLAIN, 1), (BATCH, MANY), (ROUTED, 1))
        for _ in range(CALLERS // 3)
    ]
    threads = [threading.Thread(target=caller.work) for caller in callers]
    chance = random.Random(9)
    process = installation.start("--workers", str(WORKERS))
    survivors: list[int] = []
    try:
        installation.wait_until_ready(process)
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            _wait_for_more(callers, installation)
            time.sleep(chance.uniform(0, 0.5))
            everybody = family(process.pid)
            assert len(everybody) > WORKERS
            for pid in everybody:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert process.wait(STOP_SECONDS) == -signal.SIGKILL
            survivors += alive_after(everybody, seconds=60)
            # What was answered was, in part, in journals alone.
            assert _journals(installation)
            process = installation.start("--workers", str(WORKERS))
            installation.wait_until_ready(process)
        _wait_for_more(callers, installation)
    finally:
        stopping.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join(150)
        code = stop(process)
    assert code == 0, installation.log()[-2000:]
    assert survivors == []
    assert [each for caller in callers for each in caller.unexpected] == []
    # The kills came while requests were in flight, else they would have proven nothing.
    assert sum(caller.unanswered for caller in callers) >= KILLS
    assert all(caller.answered for caller in callers)

    answered = {id_: count for caller in callers for id_, count in caller.answered.items()}
    assert len(answered) == sum(len(caller.answered) for caller in callers)
    recorded = _recorded(installation)
    assert {id_: recorded.get(id_) for id_ in answered} == {
        id_: [count] for id_, count in answered.items()
    }
    assert max(map(len, recorded.values())) == 1
    assert _journals(installation) == []
    report = installation.json("audit", "verify")
    assert report["ok"], report
    assert report["pending"] == 0


def _journals(installation: Installation) -> list[Path]:
    folder = installation.database.with_name(f"{installation.database.name}-audit")
    return list(folder.glob("*.journal"))


def _wait_for_more(callers: list[Caller], installation: Installation) -> None:
    before = [len(caller.answered) for caller in callers]
    deadline = time.monotonic() + READY_SECONDS
    while any(len(c.answered) < n + 10 for c, n in zip(callers, before, strict=True)):
        assert time.monotonic() < deadline, installation.log()[-3000:]
        time.sleep(0.01)


def _recorded(installation: Installation) -> dict[str, list[int | None]]:
    """The number of items in each successful encryption of the log, by the id of its request."""
    found: dict[str, list[int | None]] = {}
    with installation.sql() as database:
        rows = database.execute(
            "SELECT seq, body FROM audit_event WHERE kind = 'data.encrypt' AND outcome = 'ok'"
        )
        for seq, body in rows:
            event = decode(body, seq=seq).event
            found.setdefault(event.request, []).append(event.count)
    return found
