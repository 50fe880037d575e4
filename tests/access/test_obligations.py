"""The file of obligations is read strictly, and knows which roles are privileged."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.access import Rules
from secvault.access.obligations import (
    GIVE,
    MAY_NEED_APPROVAL,
    SELF_SERVICE,
    Obligations,
    Slot,
    load_obligations,
    parse_obligations,
    roles_with,
)
from secvault.access.vocabulary import ACTIONS
from secvault.errors import ConfigurationError

POLICIES = Path(__file__).parents[2] / "policies"
GOOD = """
version = 1
[[obligation]]
actions = ["key.delete"]
slots = [{ people = 1 }, { people = 2, department = "hr" }]
"""

FAULTS = {
    "version = 2": "version = 1",
    "version = 1\nmore = 1": "'more' is not known",
    "version = 1\n[[obligation]]\nactions = ['key.delete']": "slots",
    "version = 1\n[[obligation]]\nactions = ['key.delete']\nslots = []": "how many people",
    "version = 1\n[[obligation]]\nactions = ['key.delete']\nslots = [{people = 0}]": "1 to 9",
    "version = 1\n[[obligation]]\nactions = ['key.delete']\nslots = [{people = true}]": "1 to 9",
    GOOD.replace("department", "departmnt"): "'departmnt' is not known",
    GOOD.replace('"hr"', '"x"'): "department 'x'",
    "version = 1\n[[obligation]]\nactions = ['key.dlete']\nslots = [{people = 1}]": (
        "cannot wait for an approval"
    ),
    "version = 1\n[[obligation]]\nactions = ['record.read']\nslots = [{people = 1}]": (
        "cannot wait for an approval"
    ),
    "version = 1\nobligation = 3": "list of tables",
    "version = 1\n[privileged]\nactions = ['grant.ad']": "there is no 'grant.ad'",
    "version = 1\n[privileged]\nclasses = ['salery']": "there is no 'salery'",
    "version = 1\n[privileged]\nclasses = 'salary'": "list of names",
    "version = ": "is not TOML",
    GOOD + GOOD.replace("version = 1", ""): "two obligations",
}


def test_an_obligation_names_actions_and_the_people_that_they_need() -> None:
    found = parse_obligations(GOOD)
    assert found.needed("key.delete") == (Slot(1), Slot(2, "hr"))
    assert found.needed("key.update") == ()
    assert [slot.where("it") for slot in found.needed("key.delete")] == ["it", "hr"]


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=FAULTS[text]) as refused:
        parse_obligations(text)
    assert str(refused.value).startswith("obligations.toml: ")


def test_a_policy_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"obligations\.toml: cannot be read"):
        load_obligations(tmp_path)
    (tmp_path / "obligations.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_obligations(tmp_path)


def test_the_shipped_file_asks_for_everything_that_can_be_asked_for() -> None:
    shipped = load_obligations(POLICIES)
    assert shipped.slots.keys() == (MAY_NEED_APPROVAL - SELF_SERVICE) | {"backup.restore"}
    assert shipped.slots.keys() <= ACTIONS.keys()
    assert all(slots == (Slot(1),) for slots in shipped.slots.values())


def test_whoever_can_grant_approve_reset_or_take_keys_out_or_reads_what_hurts_is_privileged(
    shipped: Rules,
) -> None:
    obligations = load_obligations(POLICIES)
    grantable = shipped.roles - {"role:it.operator", "role:it.jobs", "role:any.signed_in"}
    found = {role for role in grantable if obligations.is_privileged(shipped, role)}
    own = ("admin", "approver", "key_custodian", "provisioner")
    of_it = {f"role:it.{name}" for name in own}
    assert {role for role in found if role.startswith("role:it.")} == of_it
    assert found - of_it == {
        role for role in grantable if role.endswith(".head") and role != "role:it.head"
    }


def test_what_a_role_inherits_counts(shipped: Rules) -> None:
    assert roles_with(shipped, {GIVE}) == {"role:it.admin", "role:it.approver"}
    by_clerk = Obligations({}, frozenset({"record.list"}), frozenset())
    assert by_clerk.is_privileged(shipped, "role:hr.head")
    assert not by_clerk.is_privileged(shipped, "role:it.admin")
