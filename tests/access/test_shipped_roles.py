"""The shipped roles, as tables: who sees what, department by department."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from secvault.access import (
    COLLECTIONS,
    DEPARTMENTS,
    AccessContext,
    AccessRequest,
    Decision,
    Grant,
    Rules,
    build_snapshot,
    decide,
    decide_fields,
    field_access,
    load_rules,
)
from secvault.access.vocabulary import (
    ACTIONS,
    FIELD_ACTIONS,
    IN_ANY_DEPARTMENT,
    RESERVED_ROLES,
    SIGNED_IN,
)

pytestmark = pytest.mark.slow

POLICIES = Path(__file__).parents[2] / "policies"
AT = 1_700_000_000_000_000
CONTEXT = AccessContext(AT)
Ask = Callable[..., Decision]

# clear, masked or withheld, for the fields of tests/access/conftest.py in their order:
# period, full_name, id_number, gross_salary, bank_account, diagnosis, unit_price, recipe.
SEES = {
    "accounting.clerk": "CCMM-.M-",
    "accounting.treasurer": "CC--M-C-",
    "hr.clerk": "CCMM-.M-",
    "hr.payroll_clerk": "CCMM-.M-",
    "production.clerk": "CMMM-.M-",
    "quality.clerk": "CCMM-.M-",
    "analysis.clerk": "CMMM-.M-",
    "analysis.analyst": "CMMM-.MM",
    "administration.clerk": "CCMM-.M-",
    "logistics.clerk": "CCMM-.M-",
    "settlement.clerk": "CCMM-.M-",
    **{f"{department}.head": "CCMMMMCM" for department in DEPARTMENTS if department != "it"},
    **{f"{department}.researcher": "--------" for department in DEPARTMENTS if department != "it"},
    # Of their own team's employees only, see tests/service/test_own_records.py.
    "hr.team_lead": "--------",
}
LETTERS = {"C": "clear", "M": "masked", "-": "withheld", ".": "withheld"}

OF_CLERKS = {"record.list", "record.create", "record.import", "record.update", "record.read"}
RECORD_ACTIONS = {
    "clerk": OF_CLERKS,
    "payroll_clerk": OF_CLERKS,
    "head": {
        *("record.list", "record.create", "record.import"),
        *("record.update", "record.read", "record.delete", "record.history"),
    },
    "analyst": {"record.list", "record.read"},
    "treasurer": {"record.list", "record.read"},
    "team_lead": set(),
    "researcher": {"record.export_deidentified"},
}

PEOPLE = {"person.create", "person.read", "person.disable", "person.unlock"} | {
    f"hardware_token.{what}" for what in ("import", "read", "assign", "retire")
}
PEOPLE |= {"session.read", "session.end"} | {
    f"person.{what}"
    for what in ("update", "enable", "invite", "uninvite", "import", "export", "place")
}
ACCESS = {f"access.{what}" for what in ("explain", "who_can", "what_can", "replay")}
GRANTS = {"grant.add", "grant.revoke", "grant.read"} | {
    f"eligibility.{what}" for what in ("add", "remove", "read")
}
GRANTS |= {"separation.read", "exception.add", "exception.end"}
ACCOUNTS = {f"service_account.{what}" for what in ("create", "read", "update", "disable")}
TOKENS = {f"token.{what}" for what in ("issue", "revoke", "rotate", "read", "extend")}
ASKED = {"access.evaluate", "access.search"}
NOTICES = {"notification.read", "notification.test", "attachment.collect"}
NOTICES |= {"stream.read", "stream.test", "alert.read"}
BACKUPS = {"backup.run", "backup.read", "backup.restore", "drill.run", "drill.read"}
REPOSITORIES = {
    f"repository.{what}" for what in ("read", "add", "remove", "check", "rotate", "bring_back")
}
BACKUPS |= {"backup.cancel", "backup.check", "backup.forget"}
KIT = {f"kit.{what}" for what in ("issue", "renew", "read", "take")}
PLANS = {f"plan.{what}" for what in ("add", "change", "remove", "pause")}
KEYS = {"key.create", "key.read", "key.list", "key.rotate"}
KEY_LIFE = KEYS | {"key.rewrap", "key.update", "key.delete"}
INDEXES = {"index.read", "index.verify", "index.rebuild"}
SCHEMAS = {"schema.read", "schema.migrate"}
MOUNTS = {f"mount.{what}" for what in ("create", "read", "update", "delete", "move")}
DATA = {f"data.{what}" for what in ("encrypt", "decrypt", "rewrap", "sign", "verify", "hmac")}
FRESH = {"data.key", "data.random", "data.hash"}
READ_APPROLES = {"approle.read", "approle.list", "secret_id.read", "secret_id.list"}
APPROLES = READ_APPROLES | {
    "approle.write",
    "approle.delete",
    "secret_id.create",
    "secret_id.destroy",
}
OWN = {"password.change", "totp.read", "totp.enrol", "totp.confirm", "totp.remove"}
EVERYBODY = OWN | {"session.self", "vault.status", "token.create", "token.renew", "token.end"}
EVERYBODY |= {
    "auth.step_up",
    "factor.read",
    "contact.read",
    "approval.own",
    "identity.read",
    "access.own",
}
EVERYBODY |= {"review.own", "break_glass.own", "grant.own", "grant.deactivate"}
REVIEWS = {f"review.{what}" for what in ("start", "read", "reassign", "finish")}
GLASS = {"break_glass.read", "break_glass.end"}
ERASING_LOOKED_AT = {"erasure.read", "hold.read", "retention.read"}

# Everything that the role may do, in the department that it is granted in.
MAY = {
    "it.admin": EVERYBODY
    | PEOPLE
    | GRANTS
    | ACCESS
    | ACCOUNTS
    | TOKENS
    | APPROLES
    | BACKUPS
    | REPOSITORIES
    | PLANS
    | KIT
    | KEY_LIFE
    | INDEXES
    | SCHEMAS
    | MOUNTS
    | NOTICES
    | ASKED
    | REVIEWS
    | GLASS
    | {"audit.verify", "config.read", "vault.seal", "approval.read", "approval.refuse"}
    | {"policy.read", "audit.publish", "audit.rotate_key", "metrics.read"},
    "it.monitor": EVERYBODY | {"metrics.read"},
    "it.approver": EVERYBODY | GLASS | {"approval.read", "approval.refuse", "policy.read"},
    "it.break_glass_holder": EVERYBODY,
    "it.break_glass": EVERYBODY
    | {"person.read", "person.disable", "person.unlock", "session.read", "session.end"}
    | {"grant.read", "backup.read", "backup.restore", "drill.read", "audit.read", "audit.verify"}
    | {"vault.seal", "audit.personal"},
    "it.auditor": EVERYBODY
    | ACCESS
    | REVIEWS
    | {"break_glass.read", "repository.read", "kit.read"}
    | {"audit.read", "audit.verify", "audit.personal", "backup.read", "drill.read", "grant.read"}
    | {
        "person.read",
        "session.read",
        "key.read",
        "key.list",
        "mount.read",
        "approval.read",
        "separation.read",
    }
    | {"policy.read", "eligibility.read", "schema.read", "index.read", "index.verify"}
    | {"record.history", "stream.read", "alert.read", "alert.acknowledge"}
    | {"record.history", "audit.keep_question", "audit.drop_question", "metrics.read"}
    | ERASING_LOOKED_AT
    | ASKED,
    # With a factor shown just now also record.erase, hold.lift and retention.run.
    "it.privacy": EVERYBODY
    | ERASING_LOOKED_AT
    | {"collection.read", "hold.place", "retention.propose"},
    "it.encryptor": EVERYBODY | {"data.encrypt"},
    "it.cryptor": EVERYBODY | KEYS | DATA | FRESH | {"key.derive", "mount.read"},
    "it.key_custodian": EVERYBODY
    | {"key.export", "key.import", "key.backup", "key.restore"}
    | {"key.read", "key.list", "mount.read"},
    "it.provisioner": EVERYBODY | {"scim.provision"},
    "it.decider": EVERYBODY | {"access.evaluate"},
    "it.searcher": EVERYBODY | ASKED,
    "it.clerk": EVERYBODY
    | {"backup.read", "drill.read", "kit.read", "repository.read", "key.list", "config.read"},
    "it.head": EVERYBODY
    | {"backup.read", "drill.read", "key.list", "config.read", "person.read", "grant.read"}
    | {"service_account.read", "token.read", "audit.verify", "separation.read", "policy.read"}
    | {"eligibility.read", "repository.read", "kit.read"}
    | READ_APPROLES,
}
LOCAL_MAY = {
    "local:operator": PEOPLE
    | GRANTS
    | ACCESS
    | ACCOUNTS
    | TOKENS
    | APPROLES
    | BACKUPS
    | REPOSITORIES
    | PLANS
    | KIT
    | KEY_LIFE
    | INDEXES
    | SCHEMAS
    | MOUNTS
    | NOTICES
    | REVIEWS
    | GLASS
    | ERASING_LOOKED_AT
    | {"break_glass.recover"}
    | {"audit.read", "audit.verify", "audit.archive", "config.read", "vault.status"}
    | {"collection.read"}
    | {"break_glass.recover", "alert.acknowledge"}
    | {"audit.read", "audit.verify", "config.read", "vault.status", "collection.read"}
    | {"audit.keep_question", "audit.drop_question"}
    | {"vault.seal", "vault.reseal", "root.rotate", "bootstrap.issue"}
    | {"audit.publish", "audit.rotate_key", "audit.accept_rollback"}
    | {"factor.reset", "factor.revoke", "password.reset", "approval.read", "approval.own"}
    | {"policy.read", "policy.apply"},
    "system:jobs": (BACKUPS - {"backup.restore", "backup.cancel"})
    | {"kit.renew"}
    | {"review.start", "review.warn", "review.lapse", "review.finish"}
    | {"break_glass.lapse", "break_glass.warn"}
    | {
        "attachment.collect",
        "retention.propose",
        "retention.run",
        "token.warn",
        "separation.find",
        "grant.warn",
        "grant.extend",
        "key.rotate",
        "key.warn",
        "key.rewrap",
        "schema.migrate",
        "audit.read",
        "audit.verify",
        "audit.archive",
        "audit.witness",
        "vault.status",
    },
}


def granted(role: str, department: str, subject: str = "user:1") -> Grant:
    return Grant("g1", subject, f"role:{role}", department, 0, None, "local:operator", 0)


@pytest.fixture(scope="session")
def ask(shipped: Rules) -> Ask:
    """Ask for one decision, given the grant of the one who asks."""

    def asked(grant: Grant | None, *names: str, subject: str = "user:1") -> Decision:
        snapshot = build_snapshot(shipped, [grant] if grant else [], epoch=1, at=AT)
        return decide(snapshot, AccessRequest(subject, *names, context=CONTEXT))

    return asked


def test_the_tables_speak_of_every_role(shipped: Rules) -> None:
    assert shipped.roles - RESERVED_ROLES == {f"role:{name}" for name in SEES | MAY}


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("role", SEES)
def test_each_role_sees_its_own_department_and_nothing_else(
    shipped: Rules, fields: Mapping[str, Mapping[str, str]], role: str, collection: str
) -> None:
    own, home = role.partition(".")[0], COLLECTIONS[collection]
    snapshot = build_snapshot(shipped, [granted(role, own)], epoch=1, at=AT)
    shown = field_access(
        snapshot,
        subject="user:1",
        department=home,
        collection=collection,
        fields=fields[collection],
        context=CONTEXT,
    )
    expected = SEES[role] if own == home else "--------"
    assert [one.access.value for one in shown.values()] == [LETTERS[one] for one in expected]
    assert all(one.reason for one in shown.values() if one.access != "clear")


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("role", SEES)
def test_each_role_acts_on_records_of_its_own_department_only(
    shipped: Rules, role: str, collection: str
) -> None:
    own, name = role.split(".")
    home = COLLECTIONS[collection]
    snapshot = build_snapshot(shipped, [granted(role, own)], epoch=1, at=AT)
    allowed = {
        action
        for action in ACTIONS
        if action.startswith("record.")
        and decide(
            snapshot, AccessRequest("user:1", home, collection, "*", action, CONTEXT)
        ).allowed
    }
    assert allowed == (RECORD_ACTIONS[name] if own == home else set())


RELEASES = {
    "invoices": "accounting.head",
    "payments": "accounting.treasurer",
    "tax_filings": "accounting.head",
    "suppliers": "accounting.treasurer",
    "formulas": "production.head",
    "inspections": "quality.head",
    "transactions": "settlement.head",
}


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_records_are_approved_by_one_role_and_by_nobody_who_made_them(
    shipped: Rules, collection: str
) -> None:
    home = COLLECTIONS[collection]
    able = set()
    for role in SEES:
        own = role.partition(".")[0]
        snapshot = build_snapshot(shipped, [granted(role, own)], epoch=1, at=AT)
        for makers, acting in (("user:2", "user:1"), ("user:1", "user:1"), ("", "user:1")):
            context = AccessContext(
                AT,
                acting=frozenset({acting}),
                makers=frozenset({makers} - {""}),
            )
            request = AccessRequest("user:1", home, collection, "*", "record.approve", context)
            if decide(snapshot, request).allowed:
                assert makers == "user:2"
                able.add(role)
    assert able == {RELEASES[collection]} if collection in RELEASES else not able


def test_the_collections_that_are_released_are_those_that_somebody_can_release() -> None:
    switched_on = {
        name
        for file in (POLICIES / "collections").glob("*.toml")
        for name, one in tomllib.loads(file.read_text())["collections"].items()
        if "release" in one
    }
    assert switched_on == RELEASES.keys()


def test_the_hr_clerk_gets_the_salary_masked_and_the_bank_account_refused_with_the_reason(
    shipped: Rules,
) -> None:
    shown = field_access(
        build_snapshot(shipped, [granted("hr.clerk", "hr")], epoch=1, at=AT),
        subject="user:1",
        department="hr",
        collection="payroll",
        fields=["gross_salary", "bank_account"],
        context=CONTEXT,
    )
    assert shown["gross_salary"].access == "masked"
    assert shown["bank_account"].access == "withheld"
    reason = "The field bank_account holds bank data, which your role does not open."
    assert shown["bank_account"].reason == reason


@pytest.mark.parametrize("action", ["record.create", "record.read", "record.update"])
def test_no_clerk_touches_bank_data(
    shipped: Rules, fields: Mapping[str, Mapping[str, str]], action: str
) -> None:
    for collection, home in COLLECTIONS.items():
        snapshot = build_snapshot(shipped, [granted(f"{home}.clerk", home)], epoch=1, at=AT)
        request = AccessRequest("user:1", home, collection, "bank_account", action, CONTEXT)
        assert not decide(snapshot, request).allowed


def test_who_prepares_the_payroll_enters_accounts_there_and_sees_none(
    shipped: Rules, fields: Mapping[str, Mapping[str, str]]
) -> None:
    snapshot = build_snapshot(shipped, [granted("hr.payroll_clerk", "hr")], epoch=1, at=AT)
    touched = {
        (collection, action)
        for collection, home in COLLECTIONS.items()
        for action in ("record.create", "record.read", "record.read_masked", "record.update")
        if decide(
            snapshot, AccessRequest("user:1", home, collection, "bank_account", action, CONTEXT)
        ).allowed
    }
    assert touched == {("payroll", "record.create")}


def _may(shipped: Rules, grants: list[Grant], subject: str, department: str) -> set[str]:
    """Everything that the subject may do there, to the widest object and to each class of field."""
    snapshot = build_snapshot(shipped, grants, epoch=1, at=AT)
    allowed = set()
    for action, kind in ACTIONS.items():
        collections = [name for name, home in COLLECTIONS.items() if home == department]
        objects = ["*", *collections] if kind == "collection" else ["*"]
        if kind not in ("collection", "key", "plan"):
            objects = [kind]
        for obj in objects:
            fields = list(shipped.fields[obj]) if action in FIELD_ACTIONS and obj != "*" else []
            for field in ["*", *fields]:
                request = AccessRequest(subject, department, obj, field, action, CONTEXT)
                if decide(snapshot, request).allowed:
                    allowed.add(action)
    return allowed


@pytest.mark.parametrize("role", MAY)
def test_each_role_of_it_may_do_exactly_what_the_table_says(shipped: Rules, role: str) -> None:
    grants = [granted(role, "it")]
    assert _may(shipped, grants, "user:1", "it") == MAY[role]
    assert _may(shipped, grants, "user:1", "hr") == EVERYBODY


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_the_auditor_is_one_in_every_department_and_reads_no_record(
    shipped: Rules, department: str
) -> None:
    allowed = _may(shipped, [granted("it.auditor", "*")], "user:1", department)
    assert allowed == MAY["it.auditor"]


@pytest.mark.parametrize("department", DEPARTMENTS)
@pytest.mark.parametrize("subject", LOCAL_MAY)
def test_the_local_subjects_have_their_roles_without_a_grant(
    shipped: Rules, subject: str, department: str
) -> None:
    assert _may(shipped, [], subject, department) == LOCAL_MAY[subject]


def test_a_calling_system_uses_the_keys_of_the_department_that_it_was_granted(ask: Ask) -> None:
    cryptor = granted("it.cryptor", "hr", "svc:1")
    for department, allowed in (("hr", True), ("it", False), ("accounting", False)):
        decision = ask(cryptor, department, "transit/pay", "*", "data.decrypt", subject="svc:1")
        assert decision.allowed is allowed


def test_the_administrator_manages_keys_of_another_department_when_granted_there(ask: Ask) -> None:
    admin = granted("it.admin", "hr")
    assert ask(admin, "hr", "transit/pay", "*", "key.rotate").allowed
    assert not ask(admin, "it", "people", "*", "person.create").allowed


@pytest.mark.parametrize("subject", ["user:1", "svc:1"])
def test_everybody_signed_in_has_a_session_without_any_grant(ask: Ask, subject: str) -> None:
    assert ask(None, "hr", "session", "*", "session.self", subject=subject).allowed


def test_nobody_can_hold_a_role_that_opens_both_records_and_the_administration(
    shipped: Rules,
) -> None:
    # Erasing opens nothing of a record; who did what to one is for auditors, in each department.
    opening_nothing = {"record.erase", "record.history"}
    of_records = {action for action in ACTIONS if action.startswith("record.")} - opening_nothing
    about = [rule for rule in shipped.rules if rule.act in of_records]
    assert not {rule.sub for rule in about} & (IN_ANY_DEPARTMENT - {SIGNED_IN})
    # Everybody sees what is about themselves, and nothing else.
    own = {rule.cond for rule in about if rule.sub == SIGNED_IN}
    assert own == {"own_record and aal2_fresh:900"}


def test_clerks_can_enter_every_kind_of_record_that_needs_no_bank_data_or_formula() -> None:
    schema: dict[str, dict[str, dict[str, object]]] = {}
    homes: dict[str, str] = {}
    for file in (POLICIES / "collections").glob("*.toml"):
        department = tomllib.loads(file.read_text())
        for name, collection in department["collections"].items():
            schema[name], homes[name] = collection["fields"], department["department"]
    classes = {
        name: {field: str(one.get("class", "normal")) for field, one in fields.items()}
        for name, fields in schema.items()
    }
    rules = load_rules(POLICIES, classes, homes)
    closed = set()
    for name, fields in schema.items():
        needed = [field for field, one in fields.items() if one.get("required")]
        home = homes[name]
        snapshot = build_snapshot(rules, [granted(f"{home}.clerk", home)], epoch=1, at=AT)
        answers = decide_fields(
            snapshot,
            subject="user:1",
            department=home,
            collection=name,
            fields=needed,
            action="record.create",
            context=CONTEXT,
        )
        closed |= {name for one in answers.values() if not one.allowed}
    assert closed == {"payments", "payroll", "transactions", "disputes", "formulas"}


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        (AccessContext(AT), set()),
        (AccessContext(AT, AT - 301_000_000), set()),
        (
            AccessContext(AT, AT),
            {"factor.enrol", "factor.remove", "recovery.make", "identity.link", "identity.unlink"},
        ),
        (AccessContext(AT, recovering=True), {"factor.enrol", "recovery.enrol"}),
    ],
    ids=["none", "stale", "fresh", "recovering"],
)
def test_factors_are_changed_by_a_fresh_one_or_enrolled_by_a_recovery_code(
    shipped: Rules, context: AccessContext, allowed: set[str]
) -> None:
    snapshot = build_snapshot(shipped, [], epoch=1, at=AT)
    asked = {"factor.enrol", "factor.remove", "recovery.make", "recovery.enrol"}
    asked |= {"identity.link", "identity.unlink"}
    assert allowed == {
        action
        for action in asked
        if decide(snapshot, AccessRequest("user:1", "it", "session", "*", action, context)).allowed
    }


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("it.admin", {"approval.give", "factor.reset", "password.reset", "policy.apply"}),
        ("it.approver", {"approval.give"}),
        ("it.auditor", set()),
        ("it.head", set()),
    ],
)
def test_whoever_approves_resets_or_changes_the_policy_shows_a_factor_again(
    shipped: Rules, role: str, allowed: set[str]
) -> None:
    snapshot = build_snapshot(shipped, [granted(role, "it")], epoch=1, at=AT)
    kinds = {"approval.give": "approvals", "factor.reset": "people", "password.reset": "people"}
    kinds["policy.apply"] = "policy"

    def may(context: AccessContext) -> set[str]:
        return {
            action
            for action, kind in kinds.items()
            if decide(snapshot, AccessRequest("user:1", "it", kind, "*", action, context)).allowed
        }

    assert may(AccessContext(AT, AT)) == allowed
    assert may(AccessContext(AT, AT - 301_000_000)) == set()
    assert may(AccessContext(AT, recovering=True)) == set()
