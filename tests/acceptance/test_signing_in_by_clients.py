"""Signing in as the peer's clients do it, unmodified: the command line `bao`, and hvac."""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
import pytest
import requests

from tests.acceptance.installation import PASSWORD, code_of, new_installation, system_token
from tests.conftest import OpenBao
from tests.running_service import add_person

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

BAO = Path(__file__).parents[2] / ".venv-openbao" / "bin" / "bao"
PLAIN = base64.b64encode("lương tháng 11".encode()).decode()
# Each signs in once, by the code that shows now: a code works once.
PEOPLE = ("mai", "nam", "oanh", "phuc")


@dataclass(frozen=True)
class Running:
    """A running service. tokens: of systems, by name; seeds: of people's devices."""

    address: str
    home: Path
    tokens: dict[str, str] = field(repr=False)
    seeds: dict[str, str] = field(repr=False)

    def environment(self, token: str | None) -> dict[str, str]:
        """What the command is started with."""
        given = {"PATH": os.environ["PATH"], "HOME": str(self.home), "BAO_ADDR": self.address}
        return given | ({"BAO_TOKEN": token} if token else {}) | {"BAO_FORMAT": "json"}

    def bao(self, *arguments: str, token: str | None = None, given: str = "") -> Any:
        """What the command prints, which must succeed."""
        done = subprocess.run(
            (BAO, *arguments),
            env=self.environment(token),
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (arguments[:3], done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else None


@pytest.fixture(scope="module")
def running(openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service, with systems and people. (OpenBao's own environment brings the command.)"""
    assert openbao.addr
    home = tmp_path_factory.mktemp("clients")
    installation = new_installation(home / "vault")
    tokens, seeds = {}, {}
    with installation.opened() as service:
        tokens["sync"] = system_token(service, "sync", "it", "role:it.cryptor", "role:it.encryptor")
        tokens["deployer"] = system_token(service, "deployer", "it", "role:it.admin")
        for name in PEOPLE:
            seeds[name] = add_person(service, name, "hr")
    with installation.serving():
        yield Running(installation.address, home, tokens, seeds)


@pytest.fixture
def admin(running: Running) -> Callable[..., Any]:
    """`bao` as a system that administers."""
    return lambda *arguments: running.bao(*arguments, token=running.tokens["deployer"])


def test_bao_makes_a_role_and_signs_a_system_in(
    running: Running, admin: Callable[..., Any]
) -> None:
    admin(
        "write",
        "auth/approle/role/sync",
        "token_policies=it.encryptor",
        "token_ttl=1h",
        "secret_id_num_uses=2",
        "token_bound_cidrs=127.0.0.0/8",
    )
    assert admin("list", "auth/approle/role") == ["sync"]
    assert admin("read", "auth/approle/role/sync")["data"]["token_ttl"] == 3600
    role_id = admin("read", "auth/approle/role/sync/role-id")["data"]["role_id"]
    made = admin("write", "-f", "auth/approle/role/sync/secret-id")["data"]
    assert made["secret_id_num_uses"] == 2
    # From stdin, as secrets should come.
    shown = json.dumps({"role_id": role_id, "secret_id": made["secret_id"]})
    auth = running.bao("write", "auth/approle/login", "-", given=shown)["auth"]
    assert auth["token_policies"] == ["default", "it.encryptor"]
    token = auth["client_token"]
    running.bao("write", "-f", "transit/keys/pay", token=running.tokens["sync"])
    sealed = running.bao("write", "transit/encrypt/pay", f"plaintext={PLAIN}", token=token)
    assert sealed["data"]["ciphertext"].startswith("vault:v1:")
    assert running.bao("token", "capabilities", "transit/decrypt/pay", token=token) == ["deny"]
    listed = admin("list", "auth/approle/role/sync/secret-id")
    assert listed == [made["secret_id_accessor"]]
    accessor = f"secret_id_accessor={listed[0]}"
    admin("write", "auth/approle/role/sync/secret-id-accessor/destroy", accessor)
    admin("delete", "auth/approle/role/sync")


def test_bao_narrows_tokens_and_asks_what_others_may(
    running: Running, admin: Callable[..., Any]
) -> None:
    whole = running.tokens["sync"]
    made = running.bao("token", "create", "-policy=it.encryptor", "-ttl=10m", token=whole)["auth"]
    assert made["policies"] == ["default", "it.encryptor"]
    child = made["client_token"]
    path = "transit/decrypt/pay"
    assert running.bao("token", "capabilities", child, path, token=whole) == ["deny"]
    accessor = f"accessor={made['accessor']}"
    said = admin("write", "sys/capabilities-accessor", accessor, f"paths={path}")["data"]
    assert said[path] == ["deny"]
    assert admin("token", "create", "-orphan", "-ttl=10m")["auth"]["orphan"] is True
    assert made["accessor"] in admin("list", "auth/token/accessors")
    assert set(admin("auth", "list")) == {"approle/", "token/", "userpass/"}


def test_bao_login_asks_a_person_for_the_code(running: Running) -> None:
    command = [str(BAO), "login", "-method=userpass", "username=mai", f"password={PASSWORD}"]
    said = _at_a_terminal(command, running, lambda: code_of(running.seeds["mai"]))
    assert "Success! You are now authenticated" in said
    # It keeps the session, and uses it from now on.
    assert running.bao("token", "lookup")["data"]["display_name"] == "userpass-mai"
    running.bao("token", "revoke", "-self")


def test_bao_login_takes_the_code_as_a_flag(running: Running) -> None:
    code = code_of(running.seeds["nam"])
    arguments = ("-method=userpass", "-no-store", f"-mfa=totp:{code}", "username=nam")
    auth = running.bao("login", *arguments, f"password={PASSWORD}")["auth"]
    token = auth["client_token"]
    assert running.bao("token", "lookup", token=token)["data"]["meta"] == {"username": "nam"}


def test_bao_login_without_a_terminal_gives_the_request_to_validate(running: Running) -> None:
    arguments = ("-non-interactive", "-method=userpass", "username=oanh", f"password={PASSWORD}")
    needed = running.bao("login", *arguments)["auth"]["mfa_requirement"]
    [constraint] = needed["mfa_constraints"].values()
    [method] = constraint["any"]
    body = {
        "mfa_request_id": needed["mfa_request_id"],
        "mfa_payload": {method["id"]: [code_of(running.seeds["oanh"])]},
    }
    auth = running.bao("write", "sys/mfa/validate", "-", given=json.dumps(body))["auth"]
    assert auth["client_token"].startswith("svs_")


def test_hvac_makes_a_role_and_signs_a_system_in(running: Running) -> None:
    admin = hvac.Client(running.address, running.tokens["deployer"]).auth.approle
    admin.create_or_update_approle("sync", token_policies=["it.cryptor"], token_ttl="30m")
    assert admin.list_roles()["data"]["keys"] == ["sync"]
    assert admin.read_role("sync")["data"]["token_policies"] == ["it.cryptor"]
    admin.update_role_id("sync", "payroll-sync-production")
    role_id = admin.read_role_id("sync")["data"]["role_id"]
    made = admin.generate_secret_id("sync", metadata={"host": "a"}, cidr_list=["127.0.0.1/32"])
    secret_id = made["data"]["secret_id"]
    assert admin.read_secret_id("sync", secret_id)["data"]["metadata"] == {"host": "a"}
    accessor = made["data"]["secret_id_accessor"]
    assert admin.list_secret_id_accessors("sync")["data"]["keys"] == [accessor]
    assert admin.read_secret_id_accessor("sync", accessor)["data"]["cidr_list"] == ["127.0.0.1/32"]
    client = hvac.Client(running.address)
    auth = client.auth.approle.login(role_id, secret_id)["auth"]
    assert auth["metadata"] == {"host": "a", "role_name": "sync"}
    assert client.is_authenticated()
    client.secrets.transit.create_key("hvac")
    client.secrets.transit.encrypt_data("hvac", plaintext=PLAIN)
    client.auth.token.renew_self()
    admin.destroy_secret_id("sync", secret_id)
    assert not client.is_authenticated()
    with pytest.raises(hvac.exceptions.InvalidRequest, match="invalid role or secret ID"):
        client.auth.approle.login(role_id, secret_id)
    admin.create_custom_secret_id("sync", secret_id := base64.b64encode(os.urandom(32)).decode())
    assert client.auth.approle.login(role_id, secret_id)["auth"]["client_token"]
    admin.delete_role("sync")


def test_hvac_signs_a_person_in(running: Running) -> None:
    code = code_of(running.seeds["phuc"])
    with requests.Session() as session:
        session.headers["X-Vault-MFA"] = f"totp:{code}"
        client = hvac.Client(running.address, session=session)
        client.auth.userpass.login("phuc", PASSWORD)
        assert client.is_authenticated()
        assert client.auth.token.lookup_self()["data"]["meta"] == {"username": "phuc"}
        assert "userpass/" in client.sys.list_auth_methods()["data"]
    with pytest.raises(hvac.exceptions.InvalidRequest, match="invalid username or password"):
        hvac.Client(running.address).auth.userpass.login("phuc", "wrong password")


def _at_a_terminal(command: list[str], running: Running, answer: Callable[[], str]) -> str:
    """What the command says to a person who answers its one question."""
    own, theirs = pty.openpty()
    environment = running.environment(None) | {"BAO_FORMAT": "table"}
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    ) as child:
        os.close(theirs)
        said = b""
        answered = False
        until = time.monotonic() + 150
        while time.monotonic() < until:
            if not select.select([own], [], [], 1)[0]:
                continue
            try:
                more = os.read(own, 4096)
            except OSError:
                # Linux says so when the other end is closed.
                break
            said += more
            if b'of type "totp"' in said and not answered:
                os.write(own, f"{answer()}\n".encode())
                answered = True
        os.close(own)
        try:
            assert child.wait(timeout=100) == 0, said.decode()
        finally:
            child.kill()
    return said.decode()
