"""The file of obligations is read strictly, and knows which roles are privileged."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.access import Rules
from secvault.access.obligations import (
    GIVE,
    GIVE_ROLE,
    MAY_NEED_APPROVAL,
    SELF_SERVICE,
    Obligations,
    Slot,
    load_obligations,
    parse_obligations,
    roles_with,
)
from secvault.access.vocabulary import ACTIONS, RESERVED_ROLES, department_of
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
    "version = 1\n[[obligation]]\nactions = ['grant.request']\nslots = [{people = 1}]": (
        "cannot wait for an approval"
    ),
    "version = 1\n[[obligation]]\nactions = ['key.delete']\nslots = [{people = 1, "
    "action = 'approval.give_role'}]": "action 'approval.give_role'",
    "version = 1\n[[role_request]]\nslots = [{people = 1}]": "takes two people",
    "version = 1\n[[role_request]]\nprivileged = true\nslots = [{people = 1}]": "two people",
    "version = 1\n[[role_request]]\nprivileged = 1\nslots = [{people = 2}]": "true or false",
    "version = 1\n[[role_request]]\nprivileged = false": "list of tables",
    "version = 1\n[[role_request]]\ndepartments = ['hrr']\nslots = [{people = 2}]": "no 'hrr'",
    "version = 1\n[[role_request]]\nroles = ['hr.clerk']\nslots = [{people = 2}]": "not a role",
    "version = 1\n[[role_request]]\nslot = []": "'slot' is not known",
    "version = 1\n[[role_request]]\nslots = [{people = 2, action = 'key.delete'}]": "there are",
    GOOD + GOOD.replace("version = 1", ""): "two obligations",
}


def test_an_obligation_names_actions_and_the_people_that_they_need() -> None:
    found = parse_obligations(GOOD)
    assert found.needed("key.delete") == (Slot(1), Slot(2, "hr"))
    assert found.needed("key.update") == ()
    assert [slot.where("it") for slot in found.needed("key.delete")] == ["it", "hr"]


def test_the_first_that_fits_says_who_approves_a_role_that_is_asked_for(shipped: Rules) -> None:
    found = parse_obligations(
        """
        version = 1
        [privileged]
        classes = ["salary"]
        [[role_request]]
        roles = ["role:hr.clerk"]
        privileged = false
        slots = [{ people = 1, department = "it" }]
        [[role_request]]
        departments = ["hr"]
        slots = [{ people = 1 }, { people = 2, action = "approval.give_role" }]
        [[role_request]]
        privileged = true
        slots = [{ people = 3 }]
        """
    )

    def needed(role: str, department: str) -> tuple[Slot, ...]:
        return found.needed_for_role(shipped, role, department)

    assert needed("role:hr.clerk", "hr") == (Slot(1, "it"),)
    assert needed("role:hr.head", "hr") == (Slot(1), Slot(2, None, GIVE_ROLE))
    assert needed("role:quality.head", "quality") == (Slot(3),)
    # What no entry is about cannot be asked for.
    assert needed("role:quality.clerk", "quality") == ()


def test_every_shipped_role_that_can_be_asked_for_needs_somebody(shipped: Rules) -> None:
    obligations = load_obligations(POLICIES)
    for role in sorted(shipped.roles - RESERVED_ROLES):
        own = department_of(role)
        slots = obligations.needed_for_role(shipped, role, own)
        people = sum(slot.people for slot in slots)
        assert people >= (2 if obligations.is_privileged(shipped, role) else 1), role
        # Whoever answers for the department has a say in its roles.
        assert (own == "it") is not any(slot.action == GIVE_ROLE for slot in slots), role


def test_to_make_somebody_eligible_needs_what_giving_needs_where_the_file_is_older() -> None:
    older = parse_obligations(
        "version = 1\n[[obligation]]\nactions = ['grant.add']\nslots = [{people = 2}]"
    )
    assert older.needed("eligibility.add") == (Slot(2),)


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
    # Of records that leave, those approve who look after the vault, whosever they are.
    by_it = {"record.export", "record.export_deidentified"}
    for action, slots in shipped.slots.items():
        assert slots == ((Slot(1, "it"),) if action in by_it else (Slot(1),)), action


def test_whoever_can_grant_approve_reset_or_take_keys_out_or_reads_what_hurts_is_privileged(
    shipped: Rules,
) -> None:
    obligations = load_obligations(POLICIES)
    grantable = shipped.roles - {"role:it.operator", "role:it.jobs", "role:any.signed_in"}
    found = {role for role in grantable if obligations.is_privileged(shipped, role)}
    own = (
        *("admin", "approver", "break_glass", "break_glass_holder", "key_custodian"),
        *("privacy", "provisioner"),
    )
    of_it = {f"role:it.{name}" for name in own}
    assert {role for role in found if role.startswith("role:it.")} == of_it
    heads = {role for role in grantable if role.endswith(".head") and role != "role:it.head"}
    researchers = {role for role in grantable if role.endswith(".researcher")}
    assert found - of_it == heads | researchers | {"role:accounting.treasurer"}


def test_what_a_role_inherits_counts(shipped: Rules) -> None:
    assert roles_with(shipped, {GIVE}) == {"role:it.admin", "role:it.approver"}
    by_clerk = Obligations({}, frozenset({"record.list"}), frozenset())
    assert by_clerk.is_privileged(shipped, "role:hr.head")
    assert not by_clerk.is_privileged(shipped, "role:it.admin")


def test_broken_glass_lifts_only_what_takes_away_and_can_be_undone() -> None:
    assert load_obligations(POLICIES).break_glass == {"person.disable"}
    for action in ("factor.reset", "grant.add", "person.enable", "token.issue", "key.export"):
        with pytest.raises(ConfigurationError, match=r"there is only person\.disable"):
            parse_obligations(f'version = 1\n[break_glass]\nactions = ["{action}"]')
