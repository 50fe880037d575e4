"""The sealer: who gets the root, what it answers to garbage, and that sealing means sealed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.audit.query import Question, page
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import AuditUnavailable, Conflict, InvalidInput, Sealed, TooManyAttempts
from secvault.keyring.root import Root
from secvault.keyring.seals.shares import split
from secvault.service import authentication, seals
from secvault.service.sealing import messages, place
from secvault.service.sealing.client import SealerClient
from secvault.service.sealing.follower import Follower
from secvault.service.sealing.messages import Broken
from secvault.service.sealing.sealer import SEALED_BY_HAND, UNRECORDED, Sealer
from secvault.service.sealing.throttle import FREE, LONGEST_SECONDS, Throttle
from secvault.service.sealing.visit import visiting
from secvault.service.spine import Caller
from tests.running_service import House
from tests.service.sealing_house import Told, put_under, raw, sealer_over

Pair = tuple[Sealer, SealerClient]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def pair(house: House, told: Told) -> Iterator[Pair]:
    """A sealer of a vault under its file, open."""
    with sealer_over(house.settings, told) as made:
        assert made[0].open_unattended()
        yield made


@contextmanager
def holder(folder: Path, manner: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the root; it has said that it is open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.service.holding_process", str(folder), manner],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_socket_is_for_its_owner_alone(house: House, pair: Pair) -> None:
    found = (house.settings.data_folder / place.NAME).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_a_folder_with_a_very_long_name_has_its_sealer_too(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(5):
        deep /= "a" * 60
    deep.mkdir(parents=True)
    listening = place.listen(deep)
    connection = place.connect(deep, 1.0)
    assert connection is not None
    assert place.peer(connection) == (os.getpid(), os.geteuid())
    connection.close()
    listening.close()
    assert place.connect(deep, 1.0) is None


def test_who_asks_gets_the_root_and_after_sealing_nobody_does(
    house: House, pair: Pair, told: Told
) -> None:
    sealer, client = pair
    root = client.root()
    assert len(root.key.expose()) == 32
    assert client.status().sealed is False
    client.seal()
    assert sealer.sealed
    assert client.status().sealed is True
    with pytest.raises(Sealed, match="secvault unseal"):
        client.root()
    assert (house.settings.data_folder / SEALED_BY_HAND).exists()
    assert not sealer.open_unattended(), "a seal by hand is lifted by hand"
    client.unseal(None, remote=False)
    assert client.root() == root
    assert not (house.settings.data_folder / SEALED_BY_HAND).exists()
    assert root.key.expose().hex() not in "".join(told.lines)


def test_a_sealing_that_is_not_on_record_is_owed_until_the_log_has_it(pair: Pair) -> None:
    _, client = pair
    client.seal(recorded=False)
    # Said again with a record, unsealed or looked at, it stays what it was.
    client.seal()
    assert client.unseal(None, remote=False).unrecorded is True
    assert client.status().unrecorded is True
    client.recorded()
    assert client.status().unrecorded is False
    client.seal()
    assert client.unseal(None, remote=False).unrecorded is False


@pytest.mark.parametrize("killed", [True, False])
def test_neither_a_killed_sealer_nor_a_full_disk_forgets_that_it_is_not_on_record(
    house: House, pair: Pair, killed: bool
) -> None:
    sealer, client = pair
    client.seal(recorded=False)
    owed = house.settings.data_folder / UNRECORDED
    if killed:
        sealer._unrecorded = False
    else:
        owed.unlink()
    assert client.unseal(None, remote=False).unrecorded is True
    client.recorded()
    assert not owed.exists()
    assert client.status().unrecorded is False


def test_what_is_owed_to_the_log_is_recorded_once_and_not_while_the_log_cannot_be_written(
    house: House, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = pair
    client.seal(recorded=False)
    client.unseal(None, remote=False)
    with house.open() as service:
        with monkeypatch.context() as full:
            full.setattr(service.audit, "record", _refuse)
            with pytest.raises(AuditUnavailable):
                seals.record_owed(service, client)
        for _ in range(2):
            seals.record_owed(service, client)
        found = page(service.store, Question(kind="vault.unseal")).events
    assert [one.event.detail["reason"] for one in found] == ["sealed-without-record"]


def _refuse(_: object) -> None:
    raise AuditUnavailable("the disk is full")


def test_over_the_network_nobody_lifts_a_seal_that_needs_no_key(pair: Pair) -> None:
    _, client = pair
    client.seal()
    for key in (None, Secret.of("anything")):
        with pytest.raises(InvalidInput):
            client.unseal(key, remote=True)
    assert client.status().sealed is True


def test_a_holder_seals_itself_before_the_call_is_answered(house: House, pair: Pair) -> None:
    _, client = pair
    with holder(house.settings.data_folder, "quiet") as process:
        client.seal()
        assert process.stdout is not None
        assert process.stdout.readline() == "sealed\n"
        assert process.poll() is None
        client.unseal(None, remote=False)
        assert process.stdout.readline() == "open\n"


def test_a_holder_that_does_not_let_go_is_ended_and_only_then_it_is_answered(
    house: House, pair: Pair, told: Told
) -> None:
    _, client = pair
    with (
        holder(house.settings.data_folder, "deaf") as deaf,
        holder(house.settings.data_folder, "quiet") as quiet,
    ):
        began = time.monotonic()
        client.seal()
        assert 4 < time.monotonic() - began < 100
        assert deaf.wait(30) == -9
        assert quiet.poll() is None
    assert any("sealer.killing" in line for line in told.lines)


def test_a_holder_seals_itself_when_its_sealer_is_gone_and_opens_under_the_next(
    house: House, told: Told
) -> None:
    calls: list[str] = []
    changed = threading.Condition()

    def note(what: str) -> None:
        with changed:
            calls.append(what)
            changed.notify_all()

    def until(count: int) -> None:
        with changed:
            assert changed.wait_for(lambda: len(calls) >= count, timeout=300), calls

    follower = Follower(
        house.settings.data_folder,
        "test",
        opened=lambda _: note("open"),
        renewed=lambda _: note("renewed"),
        sealed=lambda: note("sealed"),
        log=told,
    )
    follower.start()
    for number in (1, 2):
        with sealer_over(house.settings, told) as (sealer, _):
            sealer.open_unattended()
            until(2 * number - 1)
        until(2 * number)
    follower.stop()
    assert calls == ["open", "sealed"] * 2


def test_a_holder_without_a_sealer_says_once_what_it_waits_for(tmp_path: Path) -> None:
    told = Told()
    follower = Follower(
        tmp_path,
        "test",
        opened=lambda _: None,
        renewed=lambda _: None,
        sealed=lambda: None,
        log=told,
    )
    follower.start()
    deadline = time.monotonic() + 300
    while not told.lines and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    follower.stop()
    (line,) = told.lines
    assert line.startswith("sealer.awaited")
    assert str(tmp_path) in line
    assert "`secvault sealer`" in line


def test_a_second_sealer_over_a_folder_is_refused_and_harms_nobody(
    house: House, pair: Pair, told: Told
) -> None:
    _, client = pair
    root = client.root()
    with (
        pytest.raises(Conflict, match="a sealer runs already"),
        sealer_over(house.settings, told),
    ):
        pass
    assert client.root() == root


def test_an_opening_that_fails_is_tried_again_and_a_sealing_meanwhile_heeded(
    house: House, pair: Pair, told: Told
) -> None:
    _, client = pair
    tries: list[Root] = []
    opened = threading.Event()

    def open_third(root: Root) -> None:
        tries.append(root)
        if len(tries) < 3:
            raise Sealed("the store is away")
        opened.set()

    follower = Follower(
        house.settings.data_folder,
        "test",
        opened=open_third,
        renewed=lambda _: None,
        sealed=opened.clear,
        log=told,
    )
    follower.start()
    assert opened.wait(300)
    client.seal()
    assert not opened.is_set()
    follower.stop()


def test_a_command_is_told_when_the_vault_is_sealed_under_it(house: House, pair: Pair) -> None:
    _, client = pair
    sealed = threading.Event()
    with visiting(house.settings.data_folder, sealed.set) as root:
        assert root is not None
        assert root == client.root()
        client.seal()
        assert sealed.is_set()
    with pytest.raises(Sealed), visiting(house.settings.data_folder, sealed.set):
        pass


def test_without_a_sealer_a_command_is_on_its_own(tmp_path: Path) -> None:
    with visiting(tmp_path, lambda: None) as root:
        assert root is None
    assert not SealerClient(tmp_path).running
    with pytest.raises(Broken, match="secvault serve"):
        SealerClient(tmp_path).status()


GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"\n",
            b"{}\n",
            b"null\n",
            b'{"is":"root","more":1}\n',
            b'{"is":"unknown"}\n',
            b'{"is":"wrap","key":"AAAA"}\n',
            b'{"is":"wrap","key":"AAAA","generation":2}\n',
            b'{"is":"wrap","key":"","generation":99999999999999999999}\n',
            b'{"is":"unseal","key":1}\n',
            b'{"is":"resealed","kind":"shares","parameters":"{}"}\n',
            b'{"is":"done","number":5}\n',
            b'{"is":"opened","vault_id":"x","key":"AA==","generation":1}\n',
            b"[" * 50_000 + b"\n",
            b"x" * 70_000,
            b'{"is":"watch","program":"x"}\nnonsense\n',
        ]
    ),
)


def test_garbage_gets_no_root_and_harms_nobody(house: House, pair: Pair) -> None:
    sealer, client = pair
    root = client.root()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(GARBAGE)
    def send(garbage: bytes) -> None:
        with raw(house.settings.data_folder) as connection:
            try:
                connection.sendall(garbage)
                connection.shutdown(1)
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        for line in answer.splitlines():
            said = json.loads(line)
            assert said["is"] in {"failed", "opened"}, said
            if said["is"] == "opened":
                assert b'"watch"' in garbage
        assert not sealer.sealed
        assert client.root() == root

    send()


def test_no_message_with_a_secret_shows_it() -> None:
    for message in (
        messages.Opened("v", b"secret-bytes", 1),
        messages.AskUnseal("secret-bytes"),
        messages.AskWrap(b"secret-bytes", 2),
        messages.TellResealed("shares", "{}", b"secret-bytes"),
    ):
        assert "secret" not in repr(message)
        assert msgspec.json.decode(
            msgspec.json.encode(message), type=messages.Asked | messages.Told
        )


def test_shares_are_counted_and_the_nonce_belongs_to_one_unsealing(
    house: House, told: Told
) -> None:
    seal, shares = split(3, 5)
    put_under(house.settings, seal)
    with sealer_over(house.settings, told) as (sealer, client):
        with pytest.raises(Sealed, match="secvault unseal"):
            sealer.open_unattended()
        first = client.unseal(shares[0], remote=True)
        assert (first.progress, first.threshold, first.shares) == (1, 3, 5)
        assert client.unseal(shares[4], remote=False).nonce == first.nonce
        assert client.unseal(None, reset=True, remote=True).progress == 0
        for share in shares[1:3]:
            last = client.unseal(share, remote=True)
        assert last.nonce != first.nonce
        assert client.unseal(shares[3], remote=True).sealed is False
        # Once more, though it is open: nothing happens.
        assert client.unseal(shares[3], remote=True).progress == 0
        client.seal()
        assert client.status().progress == 0
    assert not any(share.text()[:20] in "".join(told.lines) for share in shares)


def test_guesses_over_the_network_wait_longer_and_longer_and_local_ones_do_not(
    house: House, told: Told
) -> None:
    seal, shares = split(2, 3)
    put_under(house.settings, seal)
    wrong = Secret.of("no share at all")
    with sealer_over(house.settings, told) as (_, client):
        for _ in range(FREE):
            with pytest.raises(InvalidInput):
                client.unseal(wrong, remote=True)
        with pytest.raises(TooManyAttempts) as caught:
            client.unseal(shares[0], remote=True)
        assert caught.value.retry_after >= 1
        for _ in range(2 * FREE):
            with pytest.raises(InvalidInput):
                client.unseal(wrong, remote=False)
        for share in shares[:2]:
            last = client.unseal(share, remote=False)
        assert last.sealed is False


def test_the_wait_doubles_to_a_minute_and_ends_with_a_success() -> None:
    now = 0.0
    throttle = Throttle(Clock(wall=lambda: 0, monotonic=lambda: now, sleep=lambda _: None))
    waits = []
    for _ in range(14):
        throttle.require()
        throttle.failed()
        try:
            throttle.require()
            waits.append(0)
        except TooManyAttempts as error:
            waits.append(error.retry_after)
            now += error.retry_after
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32] + [LONGEST_SECONDS] * 4
    throttle.succeeded()
    throttle.failed()
    throttle.require()


def test_a_root_that_was_rotated_elsewhere_is_handed_on_to_all(house: House, pair: Pair) -> None:
    sealer, client = pair
    with holder(house.settings.data_folder, "quiet") as process, house.open() as service:
        old = client.root()
        new = seals.rotate_root(service, Caller(authentication.local_operator(service)))
        assert process.stdout is not None
        assert process.stdout.readline() == "renewed\n"
        assert client.root() == new
        assert new.generation == old.generation + 1
    assert not sealer.sealed
