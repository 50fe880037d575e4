"""Where the token comes from, and what happens when it ends."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from secvault.client import AsyncClient, Client, NotAllowed, Retry, Secret, WrongUse
from tests.client.faulty_server import FaultyServer, encrypted, says
from tests.conftest import OpenBao

SOON = Retry(total_seconds=5, request_seconds=2, first_wait=0.001, longest_wait=0.002)


def takes(*tokens: str) -> Any:
    """A move that refuses every other token."""

    def move(handler: Any, body: bytes) -> None:
        token = handler.headers["Authorization"].removeprefix("Bearer ")
        (encrypted if token in tokens else says(403))(handler, body)

    return move


def test_address_and_token_come_from_the_environment(
    faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECVAULT_ADDR", f"{faulty.address}/")
    monkeypatch.setenv("SECVAULT_TOKEN", "from-there")
    with Client() as client:
        client.encrypt("k", "a")
    assert (faulty.asked[0].path, faulty.asked[0].token) == ("/v1/transit/encrypt/k", "from-there")


def test_a_proxy_or_netrc_of_the_environment_gets_no_token(
    faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Client(faulty.address, "mine", retry=SOON) as client:
        client.encrypt("k", "a")
    assert faulty.asked[0].token == "mine"


@pytest.mark.parametrize("address", ["", "vault:8200", "ftp://vault", "https://me:word@vault", "x"])
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(WrongUse) as raised:
        Client(address, "t")
    assert "word" not in str(raised.value)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "mật"])
def test_a_token_that_no_header_can_hold_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(WrongUse) as raised:
        Client("http://127.0.0.1:1", token)
    assert not token or token not in str(raised.value)


def test_a_token_file_is_read_again_when_its_token_is_refused(
    faulty: FaultyServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    faulty.otherwise = takes("first")
    with Client(faulty.address, file) as client:
        client.encrypt("k", "a")
        file.write_text("second\n")
        client.encrypt("k", "a")
        faulty.otherwise = takes("second")
        client.encrypt("k", "a")
        client.encrypt("k", "a")
    tokens = [each.token for each in faulty.asked]
    assert tokens == ["first", "first", "first", "second", "second"]


def test_a_token_that_did_not_change_is_not_tried_twice(faulty: FaultyServer) -> None:
    faulty.otherwise = says(403, {"errors": ["permission denied"]})
    with Client(faulty.address, lambda: Secret("same")) as client, pytest.raises(NotAllowed):
        client.encrypt("k", "a")
    assert len(faulty.asked) == 1


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with (
        Client("http://127.0.0.1:1", tmp_path / "none") as client,
        pytest.raises(WrongUse, match="none cannot be read"),
    ):
        client.encrypt("k", "a")


@dataclass(frozen=True)
class Role:
    """An AppRole of OpenBao's, whose tokens live so long."""

    openbao: OpenBao
    role_id: str
    secret_id: str
    key: str

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """What root is answered."""
        return _ask(self.openbao, method, path, **body)

    def tokens(self) -> int:
        """How many times somebody has logged in and that token still lives."""
        found = _ask(self.openbao, "LIST", "auth/token/accessors")["data"]["keys"]
        count = 0
        for accessor in found:
            known = _ask(self.openbao, "POST", "auth/token/lookup-accessor", accessor=accessor)
            meta = (known.get("data") or {}).get("meta") or {}
            count += meta.get("role_name") == self.key
        return count


def _ask(openbao: OpenBao, method: str, path: str, **body: Any) -> Any:
    answer = httpx2.request(
        method,
        f"{openbao.addr}/v1/{path}",
        json=body or None,
        headers={"X-Vault-Token": openbao.token},
        timeout=20,
        trust_env=False,
    )
    return answer.json() if answer.content else {}


@pytest.fixture
def role(openbao: OpenBao) -> Callable[..., Role]:
    """Makes a role with these settings that may use a key of its own."""

    def make(**settings: Any) -> Role:
        name = f"sdk-{secrets.token_hex(5)}"
        rules = f'path "transit/+/{name}" {{ capabilities = ["create", "update"] }}'
        _ask(openbao, "POST", "sys/auth/approle", type="approle")
        _ask(openbao, "POST", f"sys/policies/acl/{name}", policy=rules)
        _ask(openbao, "POST", f"transit/keys/{name}")
        path = f"auth/approle/role/{name}"
        _ask(openbao, "POST", path, token_policies=[name], **settings)
        role_id = _ask(openbao, "GET", f"{path}/role-id")["data"]["role_id"]
        secret_id = _ask(openbao, "POST", f"{path}/secret-id")["data"]["secret_id"]
        return Role(openbao, role_id, secret_id, name)

    return make


@pytest.mark.real
def test_a_client_logs_in_with_a_role_and_its_threads_share_one_token(
    role: Callable[..., Role],
) -> None:
    made = role(token_ttl="1h", secret_id_num_uses=1)
    with Client.from_approle(made.role_id, made.secret_id, address=made.openbao.addr) as client:
        with ThreadPoolExecutor(16) as pool:
            texts = list(pool.map(lambda n: client.encrypt(made.key, str(n)), range(32)))
        assert len(set(texts)) == 32
    assert made.tokens() == 1


@pytest.mark.real
def test_so_do_the_tasks_of_an_event_loop(role: Callable[..., Role]) -> None:
    made = role(token_ttl="1h", secret_id_num_uses=1)

    async def main() -> int:
        async with AsyncClient.from_approle(
            made.role_id, made.secret_id, address=made.openbao.addr
        ) as client:
            asked = [client.encrypt(made.key, str(n)) for n in range(32)]
            return len(set(await asyncio.gather(*asked)))

    assert asyncio.run(main()) == 32
    assert made.tokens() == 1


@pytest.mark.real
def test_the_token_is_renewed_before_it_ends_and_nobody_is_refused(
    role: Callable[..., Role],
) -> None:
    # The secret id is good for one log-in: only renewals can keep the client going, and without
    # them it is refused here.
    made = role(token_ttl="5s", token_max_ttl="1h", secret_id_num_uses=1)
    with Client.from_approle(made.role_id, made.secret_id, address=made.openbao.addr) as client:
        until = time.monotonic() + 6.5
        while time.monotonic() < until:
            assert client.encrypt(made.key, "a").startswith("vault:v1:")
            time.sleep(0.2)


@pytest.mark.real
def test_it_logs_in_again_when_its_token_may_live_no_longer_or_was_revoked(
    role: Callable[..., Role],
) -> None:
    made = role(token_ttl="2s", token_max_ttl="2s")
    with Client.from_approle(made.role_id, made.secret_id, address=made.openbao.addr) as client:
        client.encrypt(made.key, "a")
        time.sleep(2.5)
        client.encrypt(made.key, "a")
    lasting = role(token_ttl="1h")
    with Client.from_approle(
        lasting.role_id, Secret(lasting.secret_id), address=made.openbao.addr
    ) as client:
        client.encrypt(lasting.key, "a")
        for accessor in lasting.ask("LIST", "auth/token/accessors")["data"]["keys"]:
            known = lasting.ask("POST", "auth/token/lookup-accessor", accessor=accessor)
            if ((known.get("data") or {}).get("meta") or {}).get("role_name") == lasting.key:
                lasting.ask("POST", "auth/token/revoke-accessor", accessor=accessor)
        client.encrypt(lasting.key, "a")
    assert lasting.tokens() == 1


@pytest.mark.real
def test_a_refusal_by_policy_does_not_log_in_again(role: Callable[..., Role]) -> None:
    made = role(token_ttl="1h")
    with Client.from_approle(made.role_id, made.secret_id, address=made.openbao.addr) as client:
        for _ in range(3):
            with pytest.raises(NotAllowed):
                client.encrypt("somebody-elses", "a")
    assert made.tokens() == 1


@pytest.mark.real
def test_a_refused_log_in_says_so_without_the_secret(openbao: OpenBao) -> None:
    _ask(openbao, "POST", "sys/auth/approle", type="approle")
    with Client.from_approle("r", "hidden-word", address=openbao.addr) as client:
        with pytest.raises(Exception, match="log-in refused") as raised:
            client.encrypt("k", "a")
        assert "hidden-word" not in f"{raised.value!r}{client!r}"


def test_threads_share_a_client(faulty: FaultyServer) -> None:
    with Client(faulty.address, "t") as client, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: client.encrypt("k", bytes([n])), range(200)))
    assert len(set(found)) == 200


def test_after_a_fork_the_child_has_connections_of_its_own(faulty: FaultyServer) -> None:
    with Client(faulty.address, "t", retry=SOON) as client:
        client.encrypt("k", "a")
        held = threading.Event()

        def hold() -> None:
            with client._alone:
                held.set()
                time.sleep(0.5)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(60)
        child = os.fork()
        if child == 0:
            # It ends, whatever it waits for: who started the tests waits for all that they started.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)
            try:
                same = client.encrypt("k", "b") == "vault:v1:Yg=="
                os._exit(0 if same and client._alone.acquire(timeout=0) else 1)
            finally:
                os._exit(2)
        assert client.encrypt("k", "a") == "vault:v1:YQ=="
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        holder.join(60)
