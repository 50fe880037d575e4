"""Both levels over a copy in PostgreSQL, which is restored into a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from secvault.backup.database import scratch_database
from secvault.backup.drills.databases.servers import ServerMissing
from secvault.errors import Unavailable
from secvault.service.drill_levels import own_database, relay
from secvault.store import Store
from tests.service.drill_levels.saved_house import codes, drilled, fact, saved

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


def lent_databases(store: Store) -> set[str]:
    """Those that drills of this vault have on its server, where other tests make theirs."""
    prefix = scratch_database(store, "")[:-32]
    with store.read() as connection:
        names = connection.exec_driver_sql("SELECT datname FROM pg_database").scalars().all()
    return {name for name in names if name.startswith(prefix)}


def test_a_copy_in_postgresql_is_proven_served_and_dropped(
    postgresql_url: str, tmp_path: Path
) -> None:
    house = saved(tmp_path / "house", {"SECVAULT_STORE__URL": postgresql_url})
    with house.open() as service:
        with drilled(service, tmp_path / "drill") as drill:
            proven, served = drill.vault(), drill.serve()
            assert (codes(proven), codes(served)) == ([], [])
            assert (proven.verdict, served.verdict) == ("passed", "passed")
            assert int(fact(proven, "fields-decrypted")) > 5
        assert lent_databases(service.store) == set()


def test_without_a_server_of_its_own_the_live_one_lends_a_database_and_that_is_said(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_place: object) -> None:
        raise ServerMissing("install postgresql")

    monkeypatch.setattr(own_database, "running_postgresql", missing)
    house = saved(tmp_path / "house", {"SECVAULT_STORE__URL": postgresql_url})
    with house.open() as service:
        with drilled(service, tmp_path / "drill") as drill:
            proven, served = drill.vault(), drill.serve()
            assert (codes(proven), codes(served)) == ([], [])
            assert any("install postgresql" in one for one in proven.not_tested)
            assert lent_databases(service.store)
        assert lent_databases(service.store) == set()


def test_what_is_to_go_by_tls_goes_into_no_socket_without(tmp_path: Path) -> None:
    url = make_url("postgresql://clerk:word@db.example.com/vault?sslmode=verify-full")
    with pytest.raises(Unavailable, match="TLS"), relay.relayed(url, tmp_path):
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_cut_dump_is_a_damaged_database(postgresql_url: str, tmp_path: Path) -> None:
    house = saved(tmp_path / "house", {"SECVAULT_STORE__URL": postgresql_url})
    with house.open() as service, drilled(service, tmp_path / "drill") as drill:
        dump = drill.ground.staged / "secvault.pgdump"
        dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
        assert codes(drill.vault()) == ["database-damaged"]
