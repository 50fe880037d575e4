"""OpenBao's own command line, unmodified, against a running secvault."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import NO_SIGN_INS, new_installation, system_token
from tests.conftest import OpenBao

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

BAO = Path(__file__).parents[2] / ".venv-openbao" / "bin" / "bao"
PLAIN = base64.b64encode("lương tháng 11".encode()).decode()

Bao = Callable[..., Any]


@pytest.fixture(scope="module")
def bao(openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """The command with secvault's address and a system's token. (OpenBao's venv brings it.)"""
    assert openbao.addr
    home = tmp_path_factory.mktemp("bao")
    installation = new_installation(home / "vault", **NO_SIGN_INS)
    with installation.opened() as service:
        token = system_token(service, "sync", "it", "role:it.cryptor")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    environment |= {"BAO_ADDR": installation.address, "BAO_TOKEN": token, "BAO_FORMAT": "json"}

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            (BAO, *arguments),
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        # Some commands only say that it is done.
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else None

    with installation.serving():
        yield run


def test_it_writes_reads_and_lists_transit_paths(bao: Bao) -> None:
    bao("write", "-f", "transit/keys/pay")
    sealed = bao("write", "transit/encrypt/pay", f"plaintext={PLAIN}", "key_version=1")["data"]
    opened = bao("write", "transit/decrypt/pay", f"ciphertext={sealed['ciphertext']}")["data"]
    assert opened["plaintext"] == PLAIN
    bao("write", "-f", "transit/keys/pay/rotate")
    assert bao("read", "transit/keys/pay")["data"]["latest_version"] == 2
    assert bao("list", "transit/keys") == ["pay"]


def test_it_shows_its_own_token_and_the_state_of_the_vault(bao: Bao) -> None:
    assert bao("token", "lookup")["data"]["display_name"] == "sync"
    assert bao("status")["sealed"] is False


def test_it_makes_shows_renews_and_ends_tokens(bao: Bao) -> None:
    made = bao("token", "create", "-ttl=10m", "-display-name=job", "-metadata=a=b")["auth"]
    accessor = made["accessor"]
    assert made["lease_duration"] == 600
    known = bao("token", "lookup", "-accessor", accessor)["data"]
    assert known["display_name"] == "token-job"
    assert known["meta"] == {"a": "b"}
    renewed = bao("token", "renew", "-increment=20m", made["client_token"])["auth"]
    assert renewed["lease_duration"] == 1200
    bao("token", "revoke", "-accessor", accessor)


def test_it_says_what_its_token_may_do(bao: Bao) -> None:
    assert bao("token", "capabilities", "transit/encrypt/pay") == ["create", "update"]
    assert bao("token", "capabilities", "secret/x") == ["deny"]
