"""A running service with people in it, for tests that try one thing after another on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secvault.crypto.secret import Secret
from secvault.service import authentication, grants, records, transit
from secvault.service.spine import Caller
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    PROGRAM,
    SEED,
    Installation,
    code_of,
    new_installation,
    payslip,
    stop,
    system_token,
)
from tests.running_service import PASSWORD as PERSONS_PASSWORD
from tests.running_service import add_person

RECORD = "pay-0042"
KEY = "payroll"


@dataclass(frozen=True)
class Furnished:
    """tokens: of `admin`, of `head` (of the department hr) and of `system`."""

    installation: Installation
    tokens: Mapping[str, str]


@contextmanager
def furnished_service(folder: Path) -> Iterator[Furnished]:
    """The service on a free port, without the worker: what it is asked for is not done."""
    installation = new_installation(folder)
    tokens = _furnish(installation)
    with answering(installation):
        yield Furnished(installation, tokens)


@contextmanager
def answering(installation: Installation) -> Iterator[None]:
    """Only what answers requests, sign-ins among them, and the sealer: half of the service."""
    alone = installation.with_(SECVAULT_SERVER__ENTRANCE="false")
    with _part(alone, "sealer"), _part(alone, "web") as web:
        alone.wait_until_ready(web)
        yield


@contextmanager
def working(installation: Installation) -> Iterator[None]:
    """The same with the worker: what it is asked for is done."""
    with answering(installation), _part(installation, "worker"):
        yield


@contextmanager
def _part(installation: Installation, name: str) -> Iterator[subprocess.Popen[bytes]]:
    with (installation.folder / "service.log").open("ab") as log:
        part = subprocess.Popen(
            [*PROGRAM, name],
            env=installation.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield part
    finally:
        stop(part)


def _furnish(installation: Installation) -> dict[str, str]:
    tokens = {}
    with installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        seed = add_person(service, "head", "hr")
        add_person(service, "somebody", "hr")
        grants.add_grant(
            service, operator, subject="user:head", role="role:hr.head", department="hr"
        )
        given = {ADMINISTRATOR: (PASSWORD, SEED), "head": (PERSONS_PASSWORD, seed)}
        for name, (password, own) in given.items():
            signed_in = authentication.sign_in(
                service, name, Secret.of(password), Secret.of(code_of(own))
            )
            tokens[name] = signed_in.token.text()
        roles = ("role:it.cryptor", "role:it.key_custodian")
        tokens["system"] = system_token(service, "system", "it", *roles)
        system_token(service, "another-system", "it")
        head = Caller(authentication.authenticate(service, tokens["head"]))
        records.create_record(service, head, "payroll", RECORD, payslip())
        system = Caller(authentication.authenticate(service, tokens["system"]))
        transit.create_key(service, system, "transit", KEY, transit.KeyOptions(exportable=True))
    return tokens
