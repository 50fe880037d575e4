"""Real servers to save from."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import pytest

from tests.backup.small_vault import SmallVault, small_vault
from tests.backup.sources.conftest import new_database


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallVault]:
    """Of its engine only the clock, the environment and the scratch space are used."""
    with small_vault(tmp_path_factory.mktemp("vault")) as one:
        yield one


@pytest.fixture(scope="session")
def saved_postgresql(postgresql_server: str) -> SplitResult:
    return urlsplit(postgresql_server)


@pytest.fixture(scope="session")
def saved_mariadb(mariadb_server: str) -> SplitResult:
    return urlsplit(mariadb_server)


__all__ = ["new_database"]
