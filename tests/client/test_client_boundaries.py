"""What the client loads, shows and promises to a type checker."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from secvault.client import (
    BadRequest,
    Client,
    Conflict,
    Done,
    Failed,
    NotAllowed,
    NotFound,
    Refusal,
    Sealed,
    Secret,
    ServerFault,
    ToDecrypt,
    ToEncrypt,
    TooLarge,
    TooMany,
    ToVerify,
    Unexpected,
    Unreachable,
    VersionMismatch,
    WrongUse,
)
from secvault.client.transit import DataKey
from tests.client.faulty_server import FaultyServer, says

HIDDEN = "31500000-hidden"

LOADED = """
import sys
before = set(sys.modules)
import secvault.client
added = set(sys.modules) - before
print(sorted(name for name in added if name.startswith("secvault") and "client" not in name))
outside = {name.partition(".")[0] for name in added} - set(sys.stdlib_module_names)
print(sorted(outside))
"""

USE = """
import asyncio
from typing import assert_type
from secvault.client import AsyncClient, AsyncGathering, Client, Done, Failed, Gathering, Key
from secvault.client import ToEncrypt

def use(vault: Client, gathering: Gathering) -> None:
    assert_type(vault.encrypt("k", b"a", associated_data="p"), str)
    assert_type(vault.decrypt("k", "c"), bytes)
    assert_type(vault.encrypt_many("k", [ToEncrypt("a")]), list[Done[str] | Failed])
    assert_type(vault.read_key("k"), Key)
    assert_type(gathering.decrypt("k", "c", mount="m"), bytes)
    assert_type(Client.from_approle("r", "s", max_connections=3), Client)

async def use_async(vault: AsyncClient, gathering: AsyncGathering) -> None:
    assert_type(await vault.encrypt("k", b"a", associated_data="p"), str)
    assert_type(await vault.encrypt_many("k", [ToEncrypt("a")]), list[Done[str] | Failed])
    assert_type(await gathering.decrypt("k", "c"), bytes)

def misuse(vault: Client, awaited: AsyncClient) -> None:
    vault.encrypt("k", 3)  # wrong
    vault.encrypt("k", "a", associated="p")  # wrong
    vault.encrypt("k").upper()  # wrong
    awaited.encrypt("k", "a").upper()  # wrong
    Client("http://there", "t", retries=3)  # wrong
"""


def test_importing_the_client_loads_httpx2_and_msgspec_and_nothing_else_of_secvault() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    ours, outside = map(eval, done.stdout.splitlines())
    assert ours == ["secvault"]
    assert set(outside) <= {
        "secvault",
        "httpx2",
        "msgspec",
        # What httpx2 stands on.
        *("httpcore2", "anyio", "h11", "idna", "truststore", "typing_extensions"),
        *("sniffio", "click", "certifi"),
    }


@pytest.mark.slow
def test_methods_keep_their_types_on_both_clients(tmp_path: Path) -> None:
    file = tmp_path / "use.py"
    file.write_text(USE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        cwd=Path(__file__).parents[2],
    )
    lines = USE.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if "use.py:" in line}
    assert found == wrong, done.stdout


def test_a_method_shows_its_parameters_and_words() -> None:
    with Client("http://127.0.0.1:1", "t") as client:
        signature = inspect.signature(client.encrypt)
        assert list(signature.parameters)[:2] == ["key", "plaintext"]
        assert signature.return_annotation == "str"
        assert (client.encrypt.__doc__ or "").startswith("The ciphertext")


@pytest.mark.parametrize(
    "value",
    [
        ToEncrypt(HIDDEN, HIDDEN, HIDDEN),
        ToDecrypt(HIDDEN, HIDDEN, HIDDEN),
        ToVerify(HIDDEN, HIDDEN, HIDDEN, HIDDEN),
        Done(HIDDEN),
        Secret(HIDDEN),
        DataKey(Secret(HIDDEN), "vault:v1:"),
        Client("http://127.0.0.1:1", HIDDEN),
        Client("http://127.0.0.1:1", lambda: HIDDEN),
        Client.from_approle("role", HIDDEN, address="http://127.0.0.1:1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_shows_what_it_hides(value: object) -> None:
    for shown in (repr(value), str(value), f"{value}", repr(vars(type(value)))):
        assert HIDDEN not in shown
    for attribute in getattr(value, "__dict__", {}).values():
        assert HIDDEN not in repr(attribute)


def test_a_secret_is_compared_but_not_pickled() -> None:
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    with pytest.raises(TypeError):
        pickle.dumps(Secret("a"))
    with pytest.raises(TypeError):
        hash(Secret("a"))


REFUSALS = [BadRequest, TooLarge, NotAllowed, NotFound, Conflict, VersionMismatch, TooMany]


@pytest.mark.parametrize("kind", [*REFUSALS, Sealed, ServerFault])
def test_errors_go_between_processes_as_they_are(kind: type[Refusal]) -> None:
    error = kind(400, ("why",), "r-1", 2.0)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.status, copy.errors, copy.request_id, copy.retry_after) == (
        400,
        ("why",),
        "r-1",
        2,
    )
    assert str(copy) == "400: why (request r-1)"


def test_so_do_those_without_an_answer() -> None:
    lost = pickle.loads(pickle.dumps(Unreachable("gone", True)))
    assert (str(lost), lost.may_have_happened) == ("gone", True)
    for error in (Unexpected("odd"), WrongUse("wrong")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    failed = pickle.loads(pickle.dumps(Failed(BadRequest(400, ("why",)))))
    assert failed.error.errors == ("why",)


def test_an_error_of_a_request_shows_neither_token_nor_value(faulty: FaultyServer) -> None:
    faulty.otherwise = says(403, {"errors": ["permission denied"]})
    with Client(faulty.address, f"token-{HIDDEN}") as client:
        with pytest.raises(NotAllowed) as raised:
            client.encrypt("k", HIDDEN, associated_data=HIDDEN)
        error: BaseException | None = raised.value
        while error is not None:
            assert HIDDEN not in f"{error!r}{error}{error.__dict__}"
            error = error.__cause__ or error.__context__


def test_a_batch_of_ten_thousand_items_takes_memory_in_proportion(faulty: FaultyServer) -> None:
    items = [ToEncrypt(b"x" * 500) for _ in range(10_000)]
    with Client(faulty.address, "t") as client:
        client.encrypt("k", "warm")
        tracemalloc.start()
        try:
            found = client.encrypt_many("k", items)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(found) == 10_000
    assert len(faulty.asked) == 2
    # Five million bytes of plaintext; the faulty server in this process holds copies too.
    assert peak < 120_000_000
