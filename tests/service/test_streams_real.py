"""Streams to real receivers: rsyslog over TLS, killed again and again; a real bucket."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.audit import query
from secvault.config.streams import StreamSettings
from secvault.service import stream_delivery
from tests.audit.streams.receivers import Identity, identity
from tests.conftest import S3Server
from tests.running_service import House
from tests.service.test_streams import happen, place_of, size, streaming

pytestmark = pytest.mark.real

CONFIGURATION = """
global(
  workDirectory="{folder}" maxMessageSize="128k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{certificate}" defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="{port}" address="127.0.0.1")
module(load="imudp")
input(type="imudp" port="{port}" address="127.0.0.1")
template(name="whole" type="string" string="%rawmsg-after-pri%\\n")
action(type="omfile" file="{folder}/got.log" template="whole")
"""


class Rsyslog:
    """A real rsyslogd on loopback."""

    def __init__(self, program: str, folder: Path, of: Identity, port: int) -> None:
        self._program = program
        self.got = folder / "got.log"
        self._configuration = folder / "rsyslog.conf"
        self._configuration.write_text(
            CONFIGURATION.format(folder=folder, certificate=of.certificate, key=of.key, port=port)
        )
        self._port = port
        self._pid_file = folder / "rsyslog.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._pid_file.unlink(missing_ok=True)
        self._child = subprocess.Popen(
            [self._program, "-n", "-f", str(self._configuration), "-i", str(self._pid_file)]
        )
        end = time.monotonic() + 300
        while not _listens(self._port):
            assert time.monotonic() < end, "rsyslogd does not come up"
            time.sleep(0.05)
        self._have_its_file_opened(end)

    def _have_its_file_opened(self, end: float) -> None:
        # rsyslog closes a TLS connection twice; a file that it opens in between is closed with it,
        # and the next connection gets what was meant for the file (rsyslog's issue 3404).
        size = self.got.stat().st_size if self.got.exists() else 0
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            while not self.got.exists() or self.got.stat().st_size == size:
                assert time.monotonic() < end, "rsyslogd writes nothing"
                sender.sendto(b"<13>it is up", ("127.0.0.1", self._port))
                time.sleep(0.05)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def numbers(self) -> list[int]:
        if not self.got.exists():
            return []
        return [int(each) for each in re.findall(rb' seq="(\d+)"', self.got.read_bytes())]


def _listens(port: int) -> bool:
    # To connect would be a message without an end.
    table = Path("/proc/net/tcp").read_text("ascii")
    return f":{port:04X} 00000000:0000 0A" in table


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def receiver_identity(tmp_path: Path) -> Identity:
    return identity(tmp_path)


@pytest.fixture
def rsyslog(
    rsyslogd: str, tmp_path: Path, receiver_identity: Identity
) -> Iterator[tuple[Rsyslog, int]]:
    folder, port = tmp_path / "rsyslog", _free_port()
    folder.mkdir()
    made = Rsyslog(rsyslogd, folder, receiver_identity, port)
    yield made, port
    made.kill()


def test_rsyslog_that_is_killed_again_and_again_misses_nothing(
    house: House, rsyslog: tuple[Rsyslog, int], receiver_identity: Identity
) -> None:
    receiver, port = rsyslog
    chosen = StreamSettings(
        address=f"tls://127.0.0.1:{port}",
        ca_file=receiver_identity.certificate,
        at_once=40,
        timeout_seconds=5,
    )
    with streaming(house, siem=chosen) as service:
        start = place_of(service).first_seq
        for turn in range(4):
            happen(service, 60)
            receiver.start()
            stream_delivery.deliver(service, "siem")
            if turn < 3:
                # What is in its memory is lost with it.
                receiver.kill()
                happen(service, 1)
                stream_delivery.deliver(service, "siem")
            house.hands.seconds += 400
        stream_delivery.deliver(service, "siem")
        end = size(service)
        assert place_of(service).acknowledged_seq == end - 1, place_of(service)
        until = time.monotonic() + 300
        while set(range(start, end)) - set(receiver.numbers()) and time.monotonic() < until:
            time.sleep(0.1)
        assert set(range(start, end)) <= set(receiver.numbers())
        whole = receiver.got.read_bytes()
        for stored in query.page(service.store, limit=50).events:
            assert stored.seq < start or stored.body in whole


def test_a_bucket_gets_each_entry_as_the_line_that_its_name_says(
    house: House, tmp_path: Path, s3_server: S3Server
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(s3_server.secret_key)
    # Object Lock asks for a checksum of each object.
    name, client = s3_server.new_bucket(object_lock_days=1), s3_server.client()
    chosen = StreamSettings(
        address=f"s3:{s3_server.endpoint}/{name}/log",
        access_key_id=s3_server.access_key,
        secret_access_key_file=secret,
        at_once=25,
    )
    with streaming(house, lake=chosen) as service:
        start = place_of(service, "lake").first_seq
        happen(service, 60)
        assert stream_delivery.deliver(service, "lake").batches == 3
        found: dict[int, bytes] = {}
        for one in client.list_objects_v2(Bucket=name, Prefix="log/")["Contents"]:
            first, last = re.findall(r"/(\d{12})-(\d{12})-[0-9a-f]{12}\.jsonl$", one["Key"])[0]
            lines = client.get_object(Bucket=name, Key=one["Key"])["Body"].read().splitlines()
            assert len(lines) == int(last) - int(first) + 1
            found |= dict(enumerate(lines, int(first)))
        assert sorted(found) == list(range(start, size(service)))
        for stored in query.page(service.store, limit=50).events:
            assert stored.seq < start or found[stored.seq] == stored.body
