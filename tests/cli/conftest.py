"""A vault in a temporary folder, and the real program `secvault` to try on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import PASSWORD, SEED, Program
from tests.running_service import system_token


@pytest.fixture
def secvault(tmp_path: Path) -> Program:
    """The program, where there is no vault yet."""
    return Program(tmp_path)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vault whose administrator is `admin`, to be copied and never used."""
    program = Program(tmp_path_factory.mktemp("made-once"))
    program.with_(
        SECVAULT_ADMIN_NAME="admin",
        SECVAULT_ADMIN_PASSWORD=PASSWORD,
        SECVAULT_ADMIN_TOTP_SEED=SEED,
    ).ok("init")
    return program.folder


@pytest.fixture
def vault(made_once: Path, tmp_path: Path) -> Program:
    """The program with a vault of its own whose administrator is `admin`."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    return Program(tmp_path)


@pytest.fixture
def as_system(vault: Program) -> Callable[..., Program]:
    """The program as a system with a role: `as_system("role:hr.clerk", "hr")`."""

    def made(role: str, department: str) -> Program:
        name = f"system-{role.rpartition('.')[2]}-{department}"
        with vault.opened() as service:
            return vault.with_(SECVAULT_TOKEN=system_token(service, name, department, role))

    return made
