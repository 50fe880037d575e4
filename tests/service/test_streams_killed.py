"""The real worker is killed while it streams, and its receiver breaks connections: nothing lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from secvault.clock import system_clock
from secvault.config import Settings, load
from secvault.service import opening
from tests.audit.streams.receivers import Identity, SyslogReceiver, identity, syslog_receiver
from tests.running_service import House
from tests.service import forked_part
from tests.service.test_streams import happen, numbers, place_of, size

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 4


@pytest.fixture
def receiver_identity(tmp_path: Path) -> Identity:
    return identity(tmp_path)


@pytest.fixture
def receiver(receiver_identity: Identity) -> Iterator[SyslogReceiver]:
    with syslog_receiver(receiver_identity) as made:
        yield made


@pytest.fixture
def settings(house: House, receiver: SyslogReceiver, receiver_identity: Identity) -> Settings:
    config = house.folder / "secvault.toml"
    config.write_text(
        f'data = "{house.settings.data_folder}"\n'
        f'[audit.streams.siem]\naddress = "tls://127.0.0.1:{receiver.port}"\n'
        f'ca_file = "{receiver_identity.certificate}"\nat_once = 5\nevery_seconds = 0\n'
    )
    return load(config, {})


@pytest.fixture
def part(house: House) -> Iterator[Callable[[str], ForkServerProcess]]:
    """Starts a part of the service, which ends with the test."""
    running: list[ForkServerProcess] = []

    def start(name: str) -> ForkServerProcess:
        log = house.folder / "parts.log"
        running.append(forked_part.start(name, house.folder / "secvault.toml", log))
        return running[-1]

    yield start
    for child in running:
        forked_part.end(child)


def eventually(holds: Callable[[], object], log: Path) -> None:
    end = time.monotonic() + forked_part.PATIENCE
    while not holds():
        assert time.monotonic() < end, log.read_text("utf-8", "replace")[-3000:]
        time.sleep(0.05)


def test_every_entry_arrives_though_worker_and_connections_are_killed(
    house: House,
    settings: Settings,
    receiver: SyslogReceiver,
    part: Callable[[str], ForkServerProcess],
) -> None:
    chance, log = random.Random(11), house.folder / "parts.log"
    part("sealer")
    with opening.opened(settings, system_clock(), program="test", environment={}) as service:
        worker = part("worker")

        def begun() -> bool:
            try:
                return place_of(service).first_seq >= 0
            except AssertionError:
                return False

        eventually(begun, log)
        start = place_of(service).first_seq
        for _ in range(KILLS):
            seen = len(receiver.got)
            receiver.faults = chance.choices(["", "mute", "reset"], [6, 1, 1], k=4)
            happen(service, 60)
            eventually(lambda seen=seen: len(receiver.got) > seen, log)  # type: ignore[misc]
            time.sleep(chance.random() / 4)
            forked_part.end(worker)
            worker = part("worker")
        receiver.faults = []
        last = size(service) - 1
        eventually(lambda: place_of(service).acknowledged_seq >= last, log)
    got = numbers(receiver)
    assert set(range(start, last + 1)) <= set(got)
    new = list(dict.fromkeys(got))
    assert new == sorted(new), "what is new comes in order"
