"""What is taken away is taken away in every worker within a second, also under load.

All that can be taken away is asked for at once, and taken away one after the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

from secvault.access.bundle import bundle_of
from secvault.service import Service, grants, systems, transit
from secvault.service.authentication import local_operator
from secvault.service.policies import operations as policies
from secvault.service.spine import Caller
from tests.acceptance.installation import Installation, new_installation, stop, system_token

pytestmark = [pytest.mark.slow]

WORKERS = 3
CALLERS_EACH = 2
PROMISED_SECONDS = 1.0
ENOUGH = 60
"""Answers with data before the end."""
KEY = "taken-away"
SHARED_KEY = "payroll"
ENCRYPTOR = "p,role:it.encryptor,*,*,*,key.list,always,allow,it-encryptor-list\n"
BODY = {"plaintext": "MTIzNDU2Nzg5MDEyMzQ1Ng=="}


@dataclass
class Load:
    """Callers that ask without a pause. answers: when each was asked, and its status."""

    address: str
    token: str
    key: str
    answers: list[tuple[float, int]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask from several threads until the block ends."""
        ending = threading.Event()

        def ask() -> None:
            while not ending.is_set():
                # A connection of its own now and then, so that every worker is asked.
                with httpx2.Client(base_url=self.address, timeout=100) as client:
                    path = f"/v1/transit/encrypt/{self.key}"
                    for _ in range(20):
                        asked_at = time.monotonic()
                        answer = client.post(path, json=BODY, headers={"X-Vault-Token": self.token})
                        self.answers.append((asked_at, answer.status_code))

        threads = [threading.Thread(target=ask) for _ in range(CALLERS_EACH)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            ending.set()
            for each in threads:
                each.join(150)

    def allowed(self, since: float) -> int:
        """How many that were asked from this moment on were answered with data."""
        return sum(status == 200 for asked_at, status in self.answers if asked_at >= since)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service of several workers."""
    made = new_installation(tmp_path_factory.mktemp("effect"))
    with made.opened() as service:
        # Those who only encrypt make no key by the way.
        operator = Caller(local_operator(service))
        transit.create_key(service, operator, "transit", SHARED_KEY, transit.KeyOptions())
    process = made.start("--workers", str(WORKERS))
    try:
        made.wait_until_ready(process)
        yield made
    finally:
        stop(process)


def _revoke_token(service: Service, operator: Caller, token: str) -> None:
    systems.revoke_token(service, operator, token.split("_")[1])


def _disable_account(service: Service, operator: Caller, token: str) -> None:
    known = {each.name: each.id for each in systems.list_accounts(service, operator)}
    systems.disable_account(service, operator, known["app-account"])


def _disable_key(service: Service, operator: Caller, token: str) -> None:
    transit.set_soft_deleted(service, operator, "transit", KEY, deleted=True)


def _revoke_grant(service: Service, operator: Caller, token: str) -> None:
    known = {each.name: each.id for each in systems.list_accounts(service, operator)}
    subject = f"svc:{known['app-grant']}"
    (mine,) = [each for each in grants.list_grants(service, operator) if each.subject == subject]
    grants.revoke_grant(service, operator, mine.id)


def _publish(service: Service, operator: Caller, token: str) -> None:
    shown = policies.show(service, operator).bundle
    rows = shown.files["roles.csv"].splitlines(keepends=True)
    left = "".join(row for row in rows if not row.startswith("p,role:it.encryptor,"))
    # Its tests say what encryptors may do, so they are left out.
    files = {name: text for name, text in shown.files.items() if not name.startswith("tests/")}
    bundle = bundle_of({**files, "roles.csv": left + ENCRYPTOR})
    policies.apply(service, operator, bundle, note="encryptors only list")


TAKING: Mapping[str, Callable[[Service, Caller, str], None]] = {
    "token": _revoke_token,
    "account": _disable_account,
    "grant": _revoke_grant,
    "key": _disable_key,
    "policy": _publish,
}


def test_what_is_taken_away_opens_nothing_after_a_second_in_any_worker(
    installation: Installation,
) -> None:
    taken_at = {}
    with installation.opened() as service:
        operator = Caller(local_operator(service))
        loads = {name: _load(installation, service, name) for name in TAKING}
        with ExitStack() as running:
            for load in loads.values():
                running.enter_context(load.running())
            for name, take_away in TAKING.items():
                _wait_for(loads[name], ENOUGH)
                take_away(service, operator, loads[name].token)
                taken_at[name] = time.monotonic()
            _wait_for_answers_after(
                loads, {it: at + PROMISED_SECONDS for it, at in taken_at.items()}
            )
    for name, load in loads.items():
        since = taken_at[name] + PROMISED_SECONDS
        later = {status for asked_at, status in load.answers if asked_at >= since}
        assert later == {400 if name == "key" else 403}, name


def _load(installation: Installation, service: Service, name: str) -> Load:
    role = "role:it.encryptor" if name == "policy" else "role:it.cryptor"
    token = system_token(service, f"app-{name}", "it", role)
    return Load(installation.address, token, KEY if name == "key" else SHARED_KEY)


def _wait_for(load: Load, count: int) -> None:
    deadline = time.monotonic() + 150
    while load.allowed(0.0) < count:
        assert time.monotonic() < deadline, load.answers[-3:]
        time.sleep(0.05)


def _wait_for_answers_after(loads: Mapping[str, Load], moments: Mapping[str, float]) -> None:
    """Until each got as many answers since its moment; a second after that at least."""
    time.sleep(2 * PROMISED_SECONDS)
    deadline = time.monotonic() + 150
    for name, load in loads.items():
        while sum(asked_at >= moments[name] for asked_at, _ in load.answers) < ENOUGH:
            assert time.monotonic() < deadline, name
            time.sleep(0.05)
