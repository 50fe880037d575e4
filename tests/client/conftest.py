"""The servers that the client is tried on: a running secvault and a real OpenBao."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from secvault.client import AsyncClient, BatchSize, Client
from secvault.client.call import Call
from secvault.client.operations import Operations
from secvault.crypto.secret import Secret
from secvault.service import authentication, grants
from secvault.service.spine import Caller
from tests.acceptance.installation import code_of, new_installation, system_token
from tests.client.faulty_server import FaultyServer, faulty_server
from tests.running_service import PASSWORD, add_person

T = TypeVar("T")

ROLES = ("role:it.admin", "role:it.cryptor", "role:it.key_custodian")


@dataclass(frozen=True)
class Server:
    """Where a server is, and the token of a system that may use and manage keys there.

    head: the session of a person who may work with records of hr and accounting, on secvault;
    second: of another, of accounting.
    """

    address: str
    token: str = field(repr=False)
    batch: BatchSize
    head: str = field(default="", repr=False)
    second: str = field(default="", repr=False)

    def client(self) -> Client:
        """A client of it."""
        return Client(self.address, self.token, batch=self.batch)

    def async_client(self) -> AsyncClient:
        """The same for an event loop."""
        return AsyncClient(self.address, self.token, batch=self.batch)


class Awaited(Operations):
    """An AsyncClient on a loop of its own, called as a Client is: the same tests hold for both."""

    def __init__(self, server: Server, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.client = runner.run(_made(server))

    def ask(self, call: Call[T]) -> T:
        """The result."""
        return self._runner.run(self.client.ask(call))

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self.client.close())


async def _made(server: Server) -> AsyncClient:
    return server.async_client()


@pytest.fixture(scope="session")
def secvault_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running secvault."""
    # Its sessions are used by tests that may come half an hour after each other.
    installation = new_installation(
        tmp_path_factory.mktemp("served"), SECVAULT_IDENTITY__SESSION_IDLE_MINUTES="1440"
    )
    with installation.opened() as service:
        token = system_token(service, "payroll-app", "it", *ROLES)
        operator = Caller(authentication.local_operator(service))
        sessions = []
        for name, departments in (("head", ("hr", "accounting")), ("second", ("accounting",))):
            seed = add_person(service, name, departments[0])
            for department in departments:
                role = f"role:{department}.head"
                grants.add_grant(
                    service, operator, subject=f"user:{name}", role=role, department=department
                )
            made = authentication.sign_in(
                service, name, Secret.of(PASSWORD), Secret.of(code_of(seed))
            )
            sessions.append(made.token.text())
    with installation.serving():
        yield Server(installation.address, token, BatchSize(), *sessions)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("secvault", marks=pytest.mark.slow),
        pytest.param("openbao", marks=pytest.mark.real),
    ],
)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    if request.param == "secvault":
        found: Server = request.getfixturevalue("secvault_server")
        return found
    bao = request.getfixturevalue("openbao")
    # It refuses larger ones for the complexity of their JSON.
    return Server(bao.addr, bao.token, BatchSize(items=150))


@pytest.fixture(params=["blocking", "awaited"])
def vault(request: pytest.FixtureRequest, server: Server) -> Iterator[Client | Awaited]:
    """Each client in turn, on each server."""
    if request.param == "blocking":
        with server.client() as client:
            yield client
        return
    with asyncio.Runner() as runner:
        awaited = Awaited(server, runner)
        yield awaited
        awaited.close()


@pytest.fixture
def key(server: Server) -> str:
    """A key of this test's own, on the server."""
    name = f"sdk-{secrets.token_hex(5)}"
    with server.client() as client:
        client.create_key(name)
    return name


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    """A server that misbehaves as it is told."""
    with faulty_server() as running:
        yield running
