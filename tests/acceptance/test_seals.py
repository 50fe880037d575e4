"""A service that people, or what lies elsewhere, must open: shares, passphrase, vault, HSM.

Real processes, real sockets.
"""

from __future__ import annotations

import json
import os
import subprocess
import unicodedata
from pathlib import Path

import hvac
import pytest

from tests.acceptance.installation import ADMINISTRATOR, NO_SIGN_INS, Installation, new_installation
from tests.acceptance.sealed import status, waiting_for_its_key
from tests.conftest import Hsm, OpenBao

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

PASSPHRASE = "mùa thu Hà Nội ngọt như cốm"
CHEAP_SEAL = {"SECVAULT_SEAL__PASSPHRASE_MEMORY_MIB": "19", "SECVAULT_SEAL__PASSPHRASE_PASSES": "2"}


def test_shares_open_the_service_over_http_as_vault_clients_do_it_and_guessing_is_slowed_down(
    tmp_path: Path,
) -> None:
    made, shares = shared_installation(tmp_path)
    with waiting_for_its_key(made) as process:
        said = status(made)
        assert (said["type"], said["t"], said["n"], said["progress"]) == ("shamir", 2, 3, 0)
        first = made.call("PUT", "/v1/sys/unseal", "", {"key": shares[0]}).json()
        assert (first["sealed"], first["progress"]) == (True, 1)
        assert first["nonce"]
        again = made.call("POST", "/v1/sys/unseal", "", {"key": shares[0].upper()}).json()
        assert again["progress"] == 1
        reset = made.call("PUT", "/v1/sys/unseal", "", {"reset": True}).json()
        assert (reset["progress"], reset["nonce"]) == (0, "")
        wrong = made.call("PUT", "/v1/sys/unseal", "", {"key": "not a share"})
        assert wrong.status_code == 400
        assert "check their spelling" in wrong.text
        assert made.call("PUT", "/v1/sys/unseal", "", {}).status_code == 400
        for share in shares[1:]:
            last = made.call("PUT", "/v1/sys/unseal", "", {"key": share})
            assert last.status_code == 200, last.text
        assert last.json()["sealed"] is False
        made.wait_until_ready(process)
        assert [one["name"] for one in made.json("people", "list")["people"]] == [ADMINISTRATOR]
        assert not leaked(made, shares)
        # Whoever guesses must wait; the owner on the machine need not.
        made.ok("seal", "now")
        statuses = [
            made.call("PUT", "/v1/sys/unseal", "", {"key": "wrong words"}).status_code
            for _ in range(12)
        ]
        assert statuses[:5] == [400] * 5
        assert 429 in statuses[5:]
        assert unsealed(made, *shares[:2]).returncode == 0
        made.wait_until_ready(process)


def test_a_service_under_shares_is_unsealed_from_the_command_line_and_drilled(
    tmp_path: Path,
) -> None:
    made, shares = shared_installation(tmp_path)
    assert made.run("people", "list").returncode == 4
    with waiting_for_its_key(made):
        assert unsealed(made, shares[2], shares[0]).returncode == 0
        made.ok("backup", "run")
        made.ok("keys", "rotate-root")
        made.ok("drill", "run")
        assert made.json("drill", "list")["drills"][0]["passed"] is True
        # New shares: the old ones open it no more.
        fresh = made.json("seal", "change", "--to", "shares", "--shares", "4", "--threshold", "3")
        made.ok("seal", "now")
        assert unsealed(made, *shares).returncode == 2
        assert unsealed(made, *fresh["shares"][:3]).returncode == 0
        made.ok("drill", "run")
    with waiting_for_its_key(made):
        assert unsealed(made, *fresh["shares"][1:]).returncode == 0
        made.ok("people", "list")


def test_a_vietnamese_passphrase_opens_it_however_it_was_typed(tmp_path: Path) -> None:
    word = tmp_path / "passphrase"
    word.write_text(unicodedata.normalize("NFC", PASSPHRASE) + "\n")
    word.chmod(0o600)
    options = ("--seal", "passphrase", "--passphrase-file", str(word))
    made = new_installation(tmp_path / "home", seal=options, **CHEAP_SEAL, **NO_SIGN_INS)
    with waiting_for_its_key(made):
        typed = {"key": unicodedata.normalize("NFD", PASSPHRASE)}
        wrong = made.call("PUT", "/v1/sys/unseal", "", {"key": "mùa thu Sài Gòn không có cốm"})
        assert wrong.status_code == 400
        assert status(made)["sealed"] is True
        opened = made.call("PUT", "/v1/sys/unseal", "", typed)
        assert (opened.status_code, opened.json()["sealed"]) == (200, False), opened.text
        made.ok("seal", "change", "--to", "file")
        made.ok("seal", "now")
        made.ok("unseal")
    with made.serving():
        made.ok("people", "list")


def shared_installation(folder: Path) -> tuple[Installation, list[str]]:
    """A vault under 2 of 3 shares, and the shares."""
    said: list[str] = []
    made = new_installation(
        folder,
        seal=("--seal", "shares", "--shares", "3", "--threshold", "2"),
        said=said,
        **NO_SIGN_INS,
    )
    return made, json.loads(said[0])["shares"]


def unsealed(installation: Installation, *shares: str) -> subprocess.CompletedProcess[str]:
    """`secvault unseal` with shares on stdin."""
    return installation.run("unseal", stdin="\n".join(shares) + "\n")


def leaked(installation: Installation, shares: list[str]) -> list[Path]:
    """The files of the installation that hold the first words of a share."""
    heads = [" ".join(share.split()[4:8]).encode() for share in shares]
    files = [path for path in installation.folder.rglob("*") if path.is_file()]
    return [path for path in files if any(head in path.read_bytes() for head in heads)]


def test_a_seal_in_an_hsm_opens_the_service_by_itself(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = elsewhere("pkcs11", tmp_path, request)
    made = new_installation(tmp_path / "home", seal=("--seal", "pkcs11"), **settings, **NO_SIGN_INS)
    with made.serving() as process:
        seals_and_opens_by_itself(made, process, "pkcs11")
    made.ok("people", "list")


def test_a_seal_in_a_vault_opens_the_service_by_itself_once_that_is_there(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = elsewhere("vault", tmp_path, request)
    made = new_installation(tmp_path / "home", seal=("--seal", "vault"), **settings, **NO_SIGN_INS)
    token = Path(settings["SECVAULT_SEAL__VAULT__TOKEN_FILE"])
    token.rename(tmp_path / "away")
    with waiting_for_its_key(made) as process:
        assert status(made)["type"] == "transit"
        assert "token_file" in made.log()
        (tmp_path / "away").rename(token)
        made.wait_until_ready(process)
        seals_and_opens_by_itself(made, process, "vault")
    made.ok("people", "list")


def seals_and_opens_by_itself(
    made: Installation, process: subprocess.Popen[bytes], kind: str
) -> None:
    """Nobody is asked for a key by a running service under a seal of this kind."""
    assert not made.seal_key.exists()
    assert made.json("seal", "status")["kind"] == kind
    made.ok("keys", "rotate-root")
    made.ok("seal", "now")
    assert made.run("people", "list").returncode == 4
    made.ok("unseal")
    made.wait_until_ready(process)


def elsewhere(kind: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a seal whose key lies in a real server or HSM."""
    secret = folder / "credential"
    secret.touch(mode=0o600)
    name = f"serve-{os.urandom(4).hex()}"
    if kind == "pkcs11":
        hsm: Hsm = request.getfixturevalue("hsm")
        secret.write_text(hsm.pin)
        return {
            "SECVAULT_SEAL__PKCS11__MODULE": str(hsm.module),
            "SECVAULT_SEAL__PKCS11__TOKEN": hsm.token,
            "SECVAULT_SEAL__PKCS11__KEY": name,
            "SECVAULT_SEAL__PKCS11__PIN_FILE": str(secret),
        }
    openbao: OpenBao = request.getfixturevalue("openbao")
    hvac.Client(openbao.addr, openbao.token).secrets.transit.create_key(name)
    secret.write_text(openbao.token)
    return {
        "SECVAULT_SEAL__VAULT__ADDRESS": openbao.addr,
        "SECVAULT_SEAL__VAULT__TOKEN_FILE": str(secret),
        "SECVAULT_SEAL__VAULT__KEY": name,
    }
