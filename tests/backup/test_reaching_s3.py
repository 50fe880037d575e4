"""How a bucket is reached, by restic and by boto3 alike: own authorities, and the host's name."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from secvault.backup import bucket
from secvault.backup.bucket import inspect_bucket
from secvault.backup.repository import Repository, S3Credentials
from secvault.backup.repository_faults import RepositoryUnreachable
from secvault.backup.restic import Restic
from secvault.crypto.secret import Secret
from tests import quick_repository
from tests.audit.streams.receivers import Identity, identity

pytestmark = pytest.mark.real


@contextmanager
def behind_tls(endpoint: str, of: Identity) -> Iterator[str]:
    """The same server by TLS, under a certificate that no machine trusts by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(of.certificate, of.key)
    target = urlsplit(endpoint)
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(connection: socket.socket) -> None:
        try:
            with (
                context.wrap_socket(connection, server_side=True) as outer,
                socket.create_connection((str(target.hostname), int(target.port or 0))) as inner,
            ):
                pair = {outer: inner, inner: outer}
                while True:
                    ready, _, _ = select.select([] if outer.pending() else [*pair], [], [], 5)
                    for one in ready or ([outer] if outer.pending() else []):
                        content = one.recv(1 << 16)
                        if not content:
                            return
                        pair[one].sendall(content)
        except OSError:
            return  # it was not trusted, or has gone

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def repository_at(server: Any, endpoint: str, name: str) -> Repository:
    credentials = S3Credentials(server.access_key, Secret.of(server.secret_key))
    return Repository(f"s3:{endpoint}/{name}/r", Secret.of("password of a test"), credentials)


def test_an_authority_of_ones_own_is_trusted_by_both_and_no_other(
    s3_server: Any, restic: Restic, tmp_path: Path
) -> None:
    name = s3_server.new_bucket()
    quick_repository.make(repository_at(s3_server, s3_server.endpoint, name))
    with behind_tls(s3_server.endpoint, identity(tmp_path)) as endpoint:
        untrusted = repository_at(s3_server, endpoint, name)
        trusted = replace(untrusted, ca_file=tmp_path / "receiver.pem")
        assert restic.exists(trusted)
        assert inspect_bucket(bucket.s3_client(trusted), name).exists
        hasty = replace(restic, command=replace(restic.command, patience=1.0))
        with pytest.raises(RepositoryUnreachable):
            hasty.exists(untrusted)
        with pytest.raises(RepositoryUnreachable):
            inspect_bucket(bucket.s3_client(untrusted), name)


@pytest.mark.parametrize(
    ("addressing", "host", "path"),
    [
        ("path", "s3.example.test", "/company/r/config"),
        ("dns", "company.s3.example.test", "/r/config"),
    ],
)
def test_a_bucket_is_named_in_the_path_or_in_the_host(
    restic: Restic, monkeypatch: pytest.MonkeyPatch, addressing: Any, host: str, path: str
) -> None:
    asked: set[tuple[str | None, str]] = set()

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked.add((url.hostname, url.path))
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        through = f"http://127.0.0.1:{proxy.server_address[1]}"
        monkeypatch.setenv("HTTP_PROXY", through)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        credentials = S3Credentials("AKIDEXAMPLE", Secret.of("secret"))
        repository = Repository(
            "s3:http://s3.example.test/company/r",
            Secret.of("password of a test"),
            credentials,
            addressing=addressing,
        )
        environment = {**restic.command.environment, "HTTP_PROXY": through}
        environment = {k: v for k, v in environment.items() if k.lower() != "no_proxy"}
        command = replace(restic.command, environment=environment, patience=1.0)
        assert not replace(restic, command=command).exists(repository)
        assert (host, path) in asked
        asked.clear()
        assert not inspect_bucket(bucket.s3_client(repository), "company").exists
        assert {one for one, _ in asked} == {host}
        proxy.shutdown()
