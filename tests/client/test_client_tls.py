"""Certificates are verified, against the authority that the client is told to trust."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secvault.client import Client, Unreachable, WrongUse
from tests.client.faulty_server import AT_ONCE, UNLUCKY, FaultyServer, faulty_server


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1, its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def secured(certificate: Path) -> Iterator[FaultyServer]:
    """A server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with faulty_server(context) as running:
        yield running


def test_a_server_of_the_named_authority_is_trusted(
    secured: FaultyServer, certificate: Path
) -> None:
    with Client(secured.address, "t", ca_file=certificate) as client:
        assert client.encrypt("k", "a") == "vault:v1:YQ=="
    own = ssl.create_default_context(cafile=str(certificate))
    with Client(secured.address, "t", tls=own) as client:
        assert client.encrypt("k", "a") == "vault:v1:YQ=="


def test_any_other_gets_nothing_and_the_error_says_why(secured: FaultyServer) -> None:
    with (
        Client(secured.address, "t", retry=AT_ONCE, chance=UNLUCKY) as client,
        pytest.raises(Unreachable, match=r"(?i)certificate") as raised,
    ):
        client.encrypt("k", "a")
    assert not raised.value.may_have_happened
    assert secured.asked == []


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for file in (tmp_path / "empty.pem", tmp_path / "none.pem"):
        with pytest.raises(WrongUse, match=file.name):
            Client("https://127.0.0.1:1", "t", ca_file=file)
