"""Killed at any moment, a record names the old content or the new one, and nothing is left over."""

from __future__ import annotations

import multiprocessing
import os
import random
from dataclasses import replace
from itertools import count
from multiprocessing.connection import Connection
from time import sleep

import pytest
from sqlalchemy import select

from secvault.service import authentication
from secvault.service.attachment_collection import SILENT_SECONDS, collect_attachments
from secvault.service.spine import Caller
from secvault.store.tables import attachment
from tests.running_service import House
from tests.service.test_attachments import Desk

KILLS = int(os.environ.get("SVTEST_KILLS", "8"))
PATIENCE = 300.0
SIZE = 3 * 2**20


def content(number: int) -> bytes:
    """What is sent as the upload of this number."""
    sign = number.to_bytes(4, "big")
    return b"%PDF-1.7\n" + sign + bytes(SIZE) + sign


def number_of(whole: bytes) -> int:
    """Which upload it is from; it must be one of them, whole."""
    number = int.from_bytes(whole[-4:], "big")
    assert whole == content(number)
    return number


def upload_on_and_on(house: House, first: int, answered: Connection) -> None:
    """Replace the content again and again, and tell of each that is stored."""
    with house.open() as service:
        desk = Desk(service, house)
        for number in count(first):
            desk.put(content(number))
            answered.send(number)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_the_old_or_the_new_is_there_and_nothing_is_left(
    house: House,
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    chance = random.Random(36)
    with house.open() as service:
        Desk(service, house).contract()
    there = 0
    for _ in range(KILLS):
        ours, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=upload_on_and_on, args=(house, there + 1, theirs))
        process.start()
        theirs.close()
        try:
            assert ours.poll(PATIENCE), "nothing is uploaded"
            there = max(there, ours.recv())
            sleep(chance.uniform(0, 0.3))
        finally:
            process.kill()
            process.join(PATIENCE)
        there = max([there, *_rest(ours)])
        with house.open() as service:
            seen = number_of(Desk(service, house).get())
        # What was answered is there; what was not may be.
        assert there <= seen <= there + 1
        there = seen
    house.hands.seconds += SILENT_SECONDS + 1
    house = replace(house, more={"SECVAULT_ATTACHMENTS__KEEP_DAYS": "0"})
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        done = collect_attachments(service, operator, look_for_strays=True)
        assert (done.waiting, done.strays) == (0, 0)
        with service.store.read() as connection:
            rows = connection.execute(select(attachment.c.state)).scalars().all()
        assert rows == ["kept"]
        assert len(list(service.attachments.names())) == 1


def _rest(answered: Connection) -> list[int]:
    told: list[int] = []
    try:
        while True:
            told.append(answered.recv())
    except EOFError:
        return told
