"""One flipped bit, or one thing put where another was: found, named, exit code 5, never data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring import named_key
from secvault.service import records, transit
from secvault.service.authentication import authenticate, local_operator, sign_in
from secvault.service.spine import Caller
from tests.acceptance.installation import (
    ADMINISTRATOR,
    NO_SIGN_INS,
    PASSWORD,
    PLAN,
    SEED,
    Installation,
    code_of,
    new_installation,
    payslip,
    system_token,
)
from tests.service.policy_house import heads_read_accounts

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

KEPT = {"pay-1": "0071000111111", "pay-2": "0071000222222"}
CONTRACT: Mapping[str, JsonValue] = {
    "employee": "nv-0042",
    "kind": "indefinite",
    "position": "Accountant",
    "signed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "weekly_hours": 40,
    "base_salary": {"amount": "28750000", "currency": "VND"},
    "workplace": "Hà Nội",
    "status": "in_force",
}


@dataclass(frozen=True)
class Furnished:
    """A vault with records, and the token of a head of hr who may see all of them."""

    installation: Installation
    token: str
    vkey: str

    def verify(self) -> tuple[int, str]:
        """Exit code and words of verifying the audit log as an auditor does, by the key alone."""
        ended = self.installation.run(
            "audit", "verify", "--copy", str(self.installation.database), "--key", self.vkey
        )
        return ended.returncode, ended.stdout + ended.stderr

    def read(self, record: str = "pay-1", collection: str = "payroll") -> tuple[int, str]:
        """Exit code and all words of showing a record."""
        ended = self.installation.run(
            "records", "show", collection, record, SECVAULT_TOKEN=self.token
        )
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """Made once; each test damages a copy."""
    installation = new_installation(tmp_path_factory.mktemp("original"), keep_last=1, **NO_SIGN_INS)
    with installation.opened() as service:
        heads_read_accounts(service)
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
        head = Caller(authenticate(service, token))
        for record, account in KEPT.items():
            records.create_record(service, head, "payroll", record, payslip(bank_account=account))
            records.create_record(service, head, "contracts", record, CONTRACT)
        operator = Caller(local_operator(service))
        transit.create_key(service, operator, "transit", "sums", transit.KeyOptions())
    installation.ok("audit", "checkpoint")
    installation.ok("backup", "run", PLAN)
    return Furnished(installation, token, installation.json("audit", "keys")["audit"])


@pytest.fixture
def furnished(original: Furnished, tmp_path: Path) -> Furnished:
    """A copy of the vault, with its seal key and its repository, to be damaged."""
    for name in ("vault", "repository", "repository-data-keys"):
        shutil.copytree(original.installation.folder / name, tmp_path / name)
    shutil.copy(original.installation.seal_key, tmp_path / "vault.key")
    settings = (original.installation.folder / "secvault.toml").read_text()
    (tmp_path / "secvault.toml").write_text(
        settings.replace(str(original.installation.folder), str(tmp_path))
    )
    copy = Installation(tmp_path, original.installation.port, original.installation.given)
    with copy.sql() as database:
        # The repositories moved with the vault.
        moved = "UPDATE backup_repository SET location = replace(location, ?, ?)"
        database.execute(moved, (str(original.installation.folder), str(tmp_path)))
    return Furnished(copy, original.token, original.vkey)


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
    assert furnished.verify()[0] == 0
    restored = furnished.installation.folder / "restored"
    furnished.installation.ok("backup", "restore", PLAN, "--target", str(restored))


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


IN_INDEX = "collection = 'payroll' AND field = 'bank_account' AND kind = 'exact'"
TOKEN_OF_PAY_2 = f"SELECT token FROM record_index WHERE {IN_INDEX} AND record = 'pay-2'"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE record_index SET token = x'00000000'",
        f"UPDATE record_index SET token = ({TOKEN_OF_PAY_2})",
        "DELETE FROM record_index",
    ],
    ids=["changed", "of-another", "gone"],
)
def test_a_changed_index_shows_no_other_data_and_is_found_by_the_check(
    furnished: Furnished, change: str
) -> None:
    with furnished.installation.sql() as database:
        changed = database.execute(f"{change} WHERE {IN_INDEX} AND record = 'pay-1'")
        assert changed.rowcount == 1
    code, said = furnished.read()
    assert (code, KEPT["pay-1"] in said) == (0, True), said
    found = furnished.installation.run(
        *("records", "search", "payroll", "--ask", "bank_account", "--json"),
        stdin=f"{KEPT['pay-2']}\n",
        SECVAULT_TOKEN=furnished.token,
    )
    assert found.returncode == 0, found
    assert [one["id"] for one in json.loads(found.stdout)["records"]] == ["pay-2"]
    checked = furnished.installation.run("records", "check", "payroll")
    assert (checked.returncode, "pay-1" in checked.stdout + checked.stderr) == (5, True), checked


def test_a_flipped_bit_in_a_named_key_stops_its_use_and_names_it(furnished: Furnished) -> None:
    flip(furnished.installation, "named_key_version", "wrapped", "name = 'sums'")
    with furnished.installation.opened() as service, service.store.read() as connection:
        key = named_key.read_key(connection, "transit", "sums")
        with pytest.raises(Damaged, match="transit/sums"):
            service.keyring.for_encryption(connection, key)


def test_a_flipped_bit_in_a_totp_seed_is_found_when_it_is_used(furnished: Furnished) -> None:
    flip(furnished.installation, "totp_device", "sealed_seed")
    with furnished.installation.opened() as service, pytest.raises(Damaged) as found:
        sign_in(service, ADMINISTRATOR, Secret.of(PASSWORD), Secret.of(code_of(SEED)))
    assert SEED not in str(found.value)
    assert found.value.exit_code == 5


@pytest.mark.parametrize("column", ["body", "leaf_hash", "kind", "actor", "resource", "outcome"])
def test_a_flipped_bit_in_an_audit_row_is_found_at_its_number(
    furnished: Furnished, column: str
) -> None:
    flip(furnished.installation, "audit_event", column, "seq = 7")
    code, said = furnished.verify()
    assert (code, "event 7" in said) == (5, True), said


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_event WHERE seq = 7",
        "DELETE FROM audit_event WHERE seq = (SELECT max(seq) FROM audit_event)",
        "UPDATE audit_event SET t = t + 1 WHERE seq = 7",
        "UPDATE audit_head SET size = size - 1",
        "UPDATE audit_checkpoint SET note = substr(note, 1, 40) || x'00' || substr(note, 42)",
    ],
    ids=["one-gone", "last-gone", "time", "head", "checkpoint"],
)
def test_a_log_that_was_cut_moved_or_signed_anew_is_found(
    furnished: Furnished, change: str
) -> None:
    with furnished.installation.sql() as database:
        database.execute(change)
    code, said = furnished.verify()
    assert (code, "DAMAGED" in said) == (5, True), said


def swap_fields(installation: Installation) -> None:
    """Exchange two envelopes of one record."""
    _swap_envelopes(installation, ("pay-1", "bank_account"), ("pay-1", "full_name"))


def swap_fields_of_two_records(installation: Installation) -> None:
    """Exchange the same field of two records."""
    _swap_envelopes(installation, ("pay-1", "bank_account"), ("pay-2", "bank_account"))


def swap_records(installation: Installation) -> None:
    """Let two records change their ids, with all that belongs to them."""
    _swap_names(
        installation,
        ("pay-1", "pay-2"),
        [("record", "id"), ("record", "subject"), ("record_field", "record")],
        [("data_key", "subject")],
    )


def swap_rows_under_their_keys(installation: Installation) -> None:
    """Let two records change their ids, but not their data keys."""
    _swap_names(
        installation,
        ("pay-1", "pay-2"),
        [("record", "id"), ("record", "subject"), ("record_field", "record")],
        [],
    )


def swap_collections(installation: Installation) -> None:
    """Let two collections change their names, with all that belongs to them."""
    _swap_names(
        installation,
        ("payroll", "contracts"),
        [("record", "collection"), ("record_field", "collection")],
        [("data_key", "collection")],
    )


def swap_collections_and_keys(installation: Installation) -> None:
    """The same, the collections' named keys included."""
    swap_collections(installation)
    _swap_names(
        installation,
        ("payroll", "contracts"),
        [("named_key", "name")],
        [("named_key_version", "name")],
    )


def swap_subjects(installation: Installation) -> None:
    """Put a record under the data key of somebody else."""
    with installation.sql() as database:
        database.execute(
            "INSERT INTO data_key SELECT collection, 'nv-0043', wrapped, created_at FROM data_key "
            f"WHERE {IN_PAYROLL}"
        )
        database.execute(f"UPDATE record SET subject = 'nv-0043' WHERE {IN_PAYROLL}")


SWAPS = [
    swap_subjects,
    swap_fields,
    swap_fields_of_two_records,
    swap_records,
    swap_rows_under_their_keys,
    swap_collections,
    swap_collections_and_keys,
]


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: swap.__name__)
def test_what_was_put_where_another_was_does_not_open(
    furnished: Furnished, swap: Callable[[Installation], None]
) -> None:
    swap(furnished.installation)
    code, said = furnished.read()
    assert code == 5, said
    assert "pay-1" in said or "payroll" in said
    assert all(account not in said for account in KEPT.values())


def test_over_http_damage_is_a_problem_without_any_data(furnished: Furnished) -> None:
    swap_fields_of_two_records(furnished.installation)
    flip(furnished.installation, "record", "tag", "collection = 'contracts'")
    paths = ["payroll/pay-1", "payroll/pay-2", "payroll", "contracts/pay-1"]
    paths += ["payroll/pay-1/fields/month", "payroll/pay-1/fields/full_name"]
    with furnished.installation.serving():
        for path in paths:
            answer = furnished.installation.call("GET", f"/api/v1/records/{path}", furnished.token)
            assert answer.status_code == 500, (path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["type"] == "urn:secvault:problem:damaged"
            assert path.partition("/")[0] in problem["detail"], answer.text
            assert not any(account in answer.text for account in KEPT.values())
            assert "Oanh" not in answer.text
        whole = furnished.installation.call(
            "GET", "/api/v1/records/contracts/pay-2", furnished.token
        )
    assert whole.status_code == 200


@pytest.mark.parametrize("part", ["data", "index", "snapshots", "keys", "config"])
def test_a_flipped_bit_in_the_repository_is_found_by_restore_and_drill(
    furnished: Furnished, part: str
) -> None:
    place = furnished.installation.repository / part
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    assert files
    for file in files:
        file.chmod(0o600)
        changed = bytearray(file.read_bytes())
        changed[len(changed) // 2] ^= 1
        file.write_bytes(changed)
    target = furnished.installation.folder / "restored"
    restored = furnished.installation.run("backup", "restore", PLAN, "--target", str(target))
    assert restored.returncode == 5, restored
    assert "amage" in restored.stderr, restored
    drilled = furnished.installation.run("drill", "run", PLAN)
    assert drilled.returncode == 5, drilled


def _swap_envelopes(
    installation: Installation, one: tuple[str, str], other: tuple[str, str]
) -> None:
    here = "WHERE collection = 'payroll' AND record = ? AND field = ?"
    question = f"SELECT envelope FROM record_field {here}"
    change = f"UPDATE record_field SET envelope = ? {here}"
    with installation.sql() as database:
        first, second = (database.execute(question, at).fetchone()[0] for at in (one, other))
        database.execute(change, (second, *one))
        database.execute(change, (first, *other))


def _swap_names(
    installation: Installation,
    names: tuple[str, str],
    columns: list[tuple[str, str]],
    more: list[tuple[str, str]],
) -> None:
    one, other = names
    with installation.sql() as database:
        for table, column in [*columns, *more]:
            for before, after in ((one, "~"), (other, one), ("~", other)):
                database.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (after, before)
                )
