"""One flipped bit, or one thing put where another was: found, named, exit code 5, never data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.installation import (
    PLAN,
    Installation,
    new_installation,
    payslip,
    system_token,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]

KEPT = {"pay-1": "0071000111111", "pay-2": "0071000222222"}
CONTRACT = {
    "employee": "nv-0042",
    "kind": "indefinite",
    "position": "Accountant",
    "signed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "weekly_hours": "40",
    "base_salary": {"amount": "28750000", "currency": "VND"},
    "workplace": "Hà Nội",
    "status": "active",
}


@dataclass(frozen=True)
class Furnished:
    """A vault with records, and the token of a head of hr who may see all of them."""

    installation: Installation
    token: str

    def read(self, record: str = "pay-1", collection: str = "payroll") -> tuple[int, str]:
        """Exit code and all words of showing a record."""
        ended = self.installation.run(
            "records", "show", collection, record, SECVAULT_TOKEN=self.token
        )
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """Made once; each test damages a copy."""
    installation = new_installation(tmp_path_factory.mktemp("original"), keep_last=1)
    with installation.opened() as service:
        from secvault.service import records, transit
        from secvault.service.authentication import authenticate, local_operator
        from secvault.service.spine import Caller

        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
        head = Caller(authenticate(service, token))
        for record, account in KEPT.items():
            records.create_record(service, head, "payroll", record, payslip(bank_account=account))
            records.create_record(service, head, "contracts", record, CONTRACT)
        operator = Caller(local_operator(service))
        transit.create_key(
            service, operator, "transit", "sums", kind="aes256-gcm96", exportable=False
        )
    installation.ok("audit", "checkpoint")
    installation.ok("backup", "run", PLAN)
    return Furnished(installation, token)


@pytest.fixture
def furnished(original: Furnished, tmp_path: Path) -> Furnished:
    """A copy of the vault, with its seal key and its repository, to be damaged."""
    for name in ("vault", "repository"):
        shutil.copytree(original.installation.folder / name, tmp_path / name)
    shutil.copy(original.installation.seal_key, tmp_path / "vault.key")
    settings = (original.installation.folder / "secvault.toml").read_text()
    (tmp_path / "secvault.toml").write_text(
        settings.replace(str(original.installation.folder), str(tmp_path))
    )
    copy = Installation(tmp_path, original.installation.port)
    with copy.sql() as database:
        # The repository moved with the vault.
        database.execute("UPDATE backup_repository SET location = ?", (str(copy.repository),))
    return Furnished(copy, original.token)


def flip(installation: Installation, table: str, column: str, where: str = "1") -> None:
    """Flip one bit in the middle of the first value that fits."""
    with installation.sql() as database:
        row, before = database.execute(
            f"SELECT rowid, {column} FROM {table} WHERE {where} LIMIT 1"
        ).fetchone()
        after = bytearray(before.encode() if isinstance(before, str) else before)
        after[len(after) // 2] ^= 1
        value = after.decode() if isinstance(before, str) else bytes(after)
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))


def test_the_undamaged_copy_reads_and_verifies(furnished: Furnished) -> None:
    code, said = furnished.read()
    assert (code, KEPT["pay-1"] in said) == (0, True), said
    assert furnished.installation.json("audit", "verify")["ok"]


IN_PAYROLL = "collection = 'payroll'"


@pytest.mark.parametrize(
    ("table", "column", "where", "named"),
    [
        ("record_field", "envelope", f"{IN_PAYROLL} AND field = 'bank_account'", "bank_account"),
        ("record", "tag", IN_PAYROLL, "payroll/pay-1"),
        ("record", "plain", IN_PAYROLL, "payroll/pay-1"),
        ("data_key", "wrapped", IN_PAYROLL, "payroll/pay-1"),
        ("named_key_version", "wrapped", "name = 'payroll'", "records/payroll"),
        ("vault", "wrapped_root", "1", "vault.key"),
    ],
    ids=["field", "tag", "plain", "data-key", "named-key", "root"],
)
def test_a_flipped_bit_in_what_guards_a_record_is_found_and_named(
    furnished: Furnished, table: str, column: str, where: str, named: str
) -> None:
    flip(furnished.installation, table, column, where)
    code, said = furnished.read()
    assert code == 5, said
    assert named in said
    assert all(account not in said for account in KEPT.values())


@pytest.mark.parametrize(
    ("column", "value"), [("version", "version + 1"), ("updated_at", "updated_at + 1")]
)
def test_a_changed_number_of_a_record_is_found(
    furnished: Furnished, column: str, value: str
) -> None:
    with furnished.installation.sql() as database:
        database.execute(f"UPDATE record SET {column} = {value} WHERE {IN_PAYROLL}")
    code, said = furnished.read()
    assert (code, "payroll/pay-1" in said) == (5, True), said


def test_a_flipped_bit_in_a_named_key_stops_its_use_and_names_it(furnished: Furnished) -> None:
    flip(furnished.installation, "named_key_version", "wrapped", "name = 'sums'")
    from secvault.errors import Damaged
    from secvault.keyring import named_key

    with furnished.installation.opened() as service, service.store.read() as connection:
        key = named_key.read_key(connection, "transit", "sums")
        with pytest.raises(Damaged, match="transit/sums"):
            service.keyring.for_encryption(connection, key)


def test_a_flipped_bit_in_a_totp_seed_is_found_when_it_is_used(furnished: Furnished) -> None:
    flip(furnished.installation, "totp_device", "sealed_seed")
    from secvault.crypto.secret import Secret
    from secvault.errors import Damaged
    from secvault.service.authentication import sign_in
    from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, SEED, code_of

    with furnished.installation.opened() as service, pytest.raises(Damaged) as found:
        sign_in(service, ADMINISTRATOR, Secret.of(PASSWORD), Secret.of(code_of(SEED)))
    assert SEED not in str(found.value)
    assert found.value.exit_code == 5


@pytest.mark.parametrize("column", ["body", "leaf_hash", "kind", "actor", "resource", "outcome"])
def test_a_flipped_bit_in_an_audit_row_is_found_at_its_number(
    furnished: Furnished, column: str
) -> None:
    flip(furnished.installation, "audit_event", column, "seq = 7")
    ended = furnished.installation.run("audit", "verify", "--json")
    assert ended.returncode == 5, ended
    assert '"first_bad_seq": 7' in ended.stdout


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_event WHERE seq = 7",
        "DELETE FROM audit_event WHERE seq = (SELECT max(seq) FROM audit_event)",
        "UPDATE audit_event SET t = t + 1 WHERE seq = 7",
        "UPDATE audit_head SET size = size - 1",
    ],
    ids=["one-gone", "last-gone", "time", "head"],
)
def test_a_row_of_the_audit_log_that_was_moved_or_taken_is_found(
    furnished: Furnished, change: str
) -> None:
    with furnished.installation.sql() as database:
        database.execute(change)
    assert _verify(furnished.installation) == 5


def test_a_flipped_bit_in_a_checkpoint_is_found(furnished: Furnished) -> None:
    flip(furnished.installation, "audit_checkpoint", "note")
    assert _verify(furnished.installation) == 5


def _verify(installation: Installation) -> int:
    # On a copy with the public key alone: opening the vault would append to the log first.
    key = new_key = installation.json("audit", "keys")["audit"] if False else ""
    return installation.run("audit", "verify").returncode if not key else len(new_key)


def _swap(table: str, column: str, one: str, other: str) -> Callable[[Installation], None]:
    def swap(installation: Installation) -> None:
        with installation.sql() as database:
            first, second = (
                database.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0]
                for where in (one, other)
            )
            for where, value in ((one, second), (other, first)):
                database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))

    return swap


def _of(field: str, record: str = "pay-1") -> str:
    return f"{IN_PAYROLL} AND record = '{record}' AND field = '{field}'"


def _exchange(*columns: tuple[str, str], by: str, one: str, other: str, where: str = "1") -> str:
    """Exchange two names in the key columns of several tables."""
    return ";".join(
        f"UPDATE {table} SET {column} = '~' WHERE {column} = '{one}' AND {where};"
        f"UPDATE {table} SET {column} = '{one}' WHERE {column} = '{other}' AND {where};"
        f"UPDATE {table} SET {column} = '{other}' WHERE {column} = '~' AND {where}"
        for table, column in columns
    )


SWAPS: dict[str, Callable[[Installation], None]] = {}
