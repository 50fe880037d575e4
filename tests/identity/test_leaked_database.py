"""A stolen database: nothing in it lets anybody in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto import token
from secvault.crypto.secret import Secret
from secvault.identity import challenges, enrolment, recovery_codes
from secvault.identity.challenges import Challenge, Purpose
from secvault.store.tables import metadata


def forms(secret: bytes) -> set[bytes]:
    """The secret as it might lie in a file: raw, as text, in hexadecimal, in base64 or base32."""
    written = {
        secret,
        secret.hex().encode(),
        base64.b64encode(secret).rstrip(b"="),
        base64.urlsafe_b64encode(secret).rstrip(b"="),
        base64.b32encode(secret).rstrip(b"="),
    }
    return written | {each.upper() for each in written} | {each.lower() for each in written}


@pytest.fixture
def credentials(house: Any) -> dict[str, bytes]:
    """All that was ever typed or shown, after a day's use of the store."""
    with house.store.write() as connection:
        begun = enrolment.begin_enrolment(
            connection, house.clock, house.keys, house.lan, name="tablet", issuer="x"
        )
        codes = recovery_codes.make_codes(connection, house.clock, house.keys, house.lan.id)
        challenge = challenges.issue(
            connection, house.clock, Challenge(Purpose.STEP_UP, house.lan.id)
        )
    signed_in = house.enter()
    issued = house.token(house.account().id)
    house.time.pass_by(120)
    house.session(signed_in.token)
    known = {
        "password": house.password.expose(),
        "seed": house.seed.expose(),
        "seed as shown": begun.seed.expose(),
        "session": signed_in.token.expose(),
        "recovery code as shown": codes[0].expose(),
        "recovery code": codes[0].text().replace("-", "").encode(),
        "challenge": challenge,
        "token": issued.text.expose(),
    }
    for kind, text in (("svs", signed_in.token.text()), ("svt", issued.text.text())):
        known[f"{kind} secret as shown"] = text.split("_")[2].encode()
        known[f"{kind} secret"] = token.parse(text, kind).secret.expose()
    for name, key in vars(house.keys).items():
        known[name] = key.expose()
    return known


def assert_absent(dump: bytes, credentials: dict[str, bytes]) -> None:
    lowered = dump.lower()
    assert "Nguyễn Thị Lan".encode() in dump  # it is the right dump
    for name, secret in credentials.items():
        for form in forms(secret):
            assert form not in dump, name
            assert form.lower() not in lowered, name


def test_the_rows_hold_no_usable_credential(house: Any, credentials: dict[str, bytes]) -> None:
    dump = bytearray()
    with house.store.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                for value in row:
                    dump += value if isinstance(value, bytes) else str(value).encode()
                    dump += b"\n"
    assert_absent(bytes(dump), credentials)


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
def test_the_files_of_sqlite_hold_no_usable_credential(
    house: Any, credentials: dict[str, bytes], tmp_path: Path
) -> None:
    assert house.store.dialect == "sqlite"
    files = list((tmp_path / "data").glob("secvault.db*"))
    assert {file.name for file in files} >= {"secvault.db", "secvault.db-wal"}
    assert_absent(b"\n".join(file.read_bytes() for file in files), credentials)


def test_the_digests_are_of_no_use_as_tokens(house: Any) -> None:
    issued = house.token(house.account().id)
    with house.store.read() as connection:
        stored = connection.execute(select(metadata.tables["token"].c.secret_digest)).scalar_one()
    presented = token.PresentedToken(issued.token.key_id, Secret(stored))
    assert not house.keys.is_genuine(presented, stored)
