"""The words of access control: departments, collections, classes, actions, subjects, roles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

FieldClasses = Mapping[str, Mapping[str, str]]
"""Collection -> field -> sensitivity class."""

DEPARTMENTS = (
    "accounting",
    "hr",
    "production",
    "quality",
    "analysis",
    "administration",
    "logistics",
    "settlement",
    "it",
)
ALL = "*"
"""Every department, every object, every action; as a field: no field, or any `normal` one."""
NO_FIELD = "*"
"""The field of a request that is about no single field."""

COLLECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "invoices": "accounting",
        "payments": "accounting",
        "tax_filings": "accounting",
        "suppliers": "accounting",
        "employees": "hr",
        "contracts": "hr",
        "payroll": "hr",
        "insurance": "hr",
        "formulas": "production",
        "work_orders": "production",
        "equipment": "production",
        "inspections": "quality",
        "complaints": "quality",
        "datasets": "analysis",
        "data_requests": "analysis",
        "assets": "administration",
        "visitors": "administration",
        "shipments": "logistics",
        "warehouse": "logistics",
        "transactions": "settlement",
        "disputes": "settlement",
    }
)
"""The department that each collection belongs to."""

CLASSES = ("normal", "personal", "identity", "salary", "bank", "health", "price", "trade_secret")

# What an action is done to: a collection, a named key, a plan, or the one thing of that name.
COLLECTION, KEY, PLAN = "collection", "key", "plan"
ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "record.create": COLLECTION,
        "record.read": COLLECTION,
        "record.read_masked": COLLECTION,
        "record.reveal": COLLECTION,
        "record.list": COLLECTION,
        "record.update": COLLECTION,
        "record.delete": COLLECTION,
        "record.approve": COLLECTION,
        "record.history": COLLECTION,
        "record.export": COLLECTION,
        "record.export_deidentified": COLLECTION,
        "record.import": COLLECTION,
        "collection.read": COLLECTION,
        "attachment.collect": "attachments",
        "record.erase": COLLECTION,
        "erasure.read": "erasures",
        "hold.place": "holds",
        "hold.lift": "holds",
        "hold.read": "holds",
        "retention.propose": "retention",
        "retention.run": "retention",
        "retention.read": "retention",
        "subject.report": "subjects",
        "index.read": COLLECTION,
        "index.verify": COLLECTION,
        "index.rebuild": COLLECTION,
        "schema.read": COLLECTION,
        "schema.migrate": COLLECTION,
        "key.create": KEY,
        "key.read": KEY,
        "key.list": KEY,
        "key.rotate": KEY,
        "key.warn": KEY,
        "key.rewrap": KEY,
        "key.export": KEY,
        "key.import": KEY,
        "key.update": KEY,
        "key.delete": KEY,
        "key.backup": KEY,
        "key.restore": KEY,
        "key.derive": KEY,
        "data.encrypt": KEY,
        "data.decrypt": KEY,
        "data.rewrap": KEY,
        "data.sign": KEY,
        "data.verify": KEY,
        "data.hmac": KEY,
        "data.key": KEY,
        "data.random": KEY,
        "data.hash": KEY,
        "mount.create": "mounts",
        "mount.read": "mounts",
        "mount.update": "mounts",
        "mount.delete": "mounts",
        "mount.move": "mounts",
        "backup.run": PLAN,
        "backup.read": PLAN,
        "backup.restore": PLAN,
        "repository.read": "repositories",
        "repository.add": "repositories",
        "repository.remove": "repositories",
        "repository.check": "repositories",
        "repository.rotate": "repositories",
        "repository.bring_back": "repositories",
        "backup.cancel": PLAN,
        "backup.check": PLAN,
        "backup.forget": PLAN,
        "plan.add": PLAN,
        "plan.change": PLAN,
        "plan.remove": PLAN,
        "plan.pause": PLAN,
        "drill.run": PLAN,
        "drill.read": PLAN,
        "kit.issue": "recovery",
        "kit.renew": "recovery",
        "kit.read": "recovery",
        "kit.take": "recovery",
        "person.create": "people",
        "person.read": "people",
        "person.update": "people",
        "person.disable": "people",
        "person.enable": "people",
        "person.invite": "people",
        "person.uninvite": "people",
        "person.place": "people",
        "person.import": "people",
        "person.export": "people",
        "bootstrap.issue": "people",
        "person.unlock": "people",
        "factor.reset": "people",
        "factor.revoke": "people",
        "password.reset": "people",
        "hardware_token.import": "people",
        "hardware_token.read": "people",
        "hardware_token.assign": "people",
        "hardware_token.retire": "people",
        "grant.add": "grants",
        "grant.revoke": "grants",
        "grant.read": "grants",
        "grant.extend": "grants",
        "grant.warn": "grants",
        "grant.request": "grants",
        "grant.activate": "grants",
        "grant.deactivate": "grants",
        "eligibility.add": "grants",
        "eligibility.remove": "grants",
        "eligibility.read": "grants",
        "approval.read": "approvals",
        "approval.give": "approvals",
        "approval.refuse": "approvals",
        "separation.read": "separation",
        "separation.find": "separation",
        "exception.add": "separation",
        "exception.end": "separation",
        "review.start": "reviews",
        "review.read": "reviews",
        "review.decide": "reviews",
        "review.reassign": "reviews",
        "review.finish": "reviews",
        "review.warn": "reviews",
        "review.lapse": "reviews",
        "review.own": "session",
        "break_glass.start": "break-glass",
        "break_glass.end": "break-glass",
        "break_glass.read": "break-glass",
        "break_glass.review": "break-glass",
        "break_glass.lapse": "break-glass",
        "break_glass.warn": "break-glass",
        "break_glass.recover": "break-glass",
        "break_glass.own": "session",
        "policy.read": "policy",
        "policy.apply": "policy",
        "approval.read_role": "approvals",
        "approval.give_role": "approvals",
        "approval.refuse_role": "approvals",
        "service_account.create": "service-accounts",
        "service_account.read": "service-accounts",
        "service_account.update": "service-accounts",
        "service_account.disable": "service-accounts",
        "token.issue": "tokens",
        "token.revoke": "tokens",
        "token.rotate": "tokens",
        "token.warn": "tokens",
        "token.extend": "tokens",
        "token.read": "tokens",
        "approle.write": "approles",
        "approle.read": "approles",
        "approle.list": "approles",
        "approle.delete": "approles",
        "secret_id.create": "approles",
        "secret_id.read": "approles",
        "secret_id.list": "approles",
        "secret_id.destroy": "approles",
        "access.explain": "access",
        "access.who_can": "access",
        "access.what_can": "access",
        "access.replay": "access",
        "access.evaluate": "access",
        "access.search": "access",
        "audit.read": "log",
        "audit.personal": "log",
        "audit.verify": "log",
        "audit.archive": "log",
        "audit.keep_question": "log",
        "audit.drop_question": "log",
        "audit.publish": "log",
        "audit.rotate_key": "log",
        "audit.accept_rollback": "log",
        "audit.witness": "log",
        "scim.provision": "people",
        "session.read": "people",
        "session.end": "people",
        "session.self": "session",
        "session.end_own": "session",
        "approval.own": "session",
        "access.own": "session",
        "grant.own": "session",
        "auth.step_up": "session",
        "factor.read": "session",
        "factor.enrol": "session",
        "factor.remove": "session",
        "identity.read": "session",
        "identity.link": "session",
        "identity.unlink": "session",
        "recovery.make": "session",
        "recovery.enrol": "session",
        "password.change": "session",
        "totp.read": "session",
        "totp.enrol": "session",
        "totp.confirm": "session",
        "totp.remove": "session",
        "contact.read": "session",
        "contact.change": "session",
        "token.create": "session",
        "token.renew": "session",
        "token.end": "session",
        "vault.status": "vault",
        "vault.seal": "vault",
        "vault.reseal": "vault",
        "root.rotate": "vault",
        "config.read": "config",
        "stream.read": "streams",
        "stream.test": "streams",
        "alert.read": "alerts",
        "alert.acknowledge": "alerts",
        "notification.read": "notifications",
        "notification.test": "notifications",
        "metrics.read": "metrics",
    }
)
_DAILY = frozenset({"record", "collection", "data"})
_ERASING = "record.erase"
_LOOKING = frozenset({"read", "read_role", "list", "report", "status", "verify"}) | {
    *("personal", "explain", "who_can", "what_can", "replay", "evaluate", "search"),
    # How the log is looked at.
    *("keep_question", "drop_question"),
}
PRIVILEGED = frozenset(
    action
    for action, kind in ACTIONS.items()
    if kind != "session"
    and (action.partition(".")[0] not in _DAILY or action == _ERASING)
    and action.partition(".")[2] not in _LOOKING
)
"""Administration: every action but the work with records and data, looking, and what people and
systems do about themselves; and erasing, which nobody can take back. A new action is one until it
is named otherwise. None of them is done by a credential or a grant whose end has been answered; see
`service.standing`."""

FIELD_ACTIONS = frozenset(
    {"record.create", "record.read", "record.read_masked", "record.reveal", "record.update"}
)
"""The actions that may name a field."""
IN_CLEAR = frozenset({"record.read", "record.reveal"})
"""The actions that show the value of a field itself."""

SIGNED_IN = "role:any.signed_in"
"""The role that every person and service account holds, by being signed in."""
GRANTED_EVERYWHERE = frozenset(
    {"role:it.approver", "role:it.auditor", "role:it.operator", "role:it.jobs", "role:it.privacy"}
)
"""The roles that may be granted for all departments at once, by the department `*`."""
IN_ANY_DEPARTMENT = GRANTED_EVERYWHERE | {
    SIGNED_IN,
    "role:it.admin",
    "role:it.encryptor",
    "role:it.cryptor",
    "role:it.key_custodian",
}
"""The roles whose rules may say `*` for the department; the grant then says which one."""
LOCAL_SUBJECTS = frozenset({"local:operator", "system:jobs"})
"""Subjects that never sign in; their roles stand in the policy file, not in the store."""
PROVIDERS = "system:providers"
"""Who grants what the groups of an identity provider say."""
EMERGENCY_ROLE = "role:it.break_glass"
"""The role of who has broken the glass. It is given by that and by nothing else."""
BROKEN_GLASS = "break-glass:"
"""How the source of a grant begins that somebody got by breaking the glass."""
RESERVED_ROLES = frozenset({"role:it.operator", "role:it.jobs", SIGNED_IN})
"""The roles that nobody can be granted."""

_ID = r"[A-Za-z0-9](?:[A-Za-z0-9_.@-]{0,126}[A-Za-z0-9])?"
_SUBJECT = re.compile(rf"(?:user|svc):{_ID}")
_ROLE = re.compile(rf"role:(?:{'|'.join(DEPARTMENTS)})\.[a-z][a-z0-9_]{{0,39}}")
_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{1,8}}")
_PLAN = re.compile(_SEGMENT)


def is_subject(text: str) -> bool:
    """Whether `text` is a well-formed person, service account or local subject."""
    return text in LOCAL_SUBJECTS or _SUBJECT.fullmatch(text) is not None


def is_grantee(text: str) -> bool:
    """Whether `text` can be granted a role: a person or a service account."""
    return _SUBJECT.fullmatch(text) is not None


def is_role(text: str) -> bool:
    """Whether `text` is a well-formed role name, for instance `role:hr.clerk`."""
    return text == SIGNED_IN or _ROLE.fullmatch(text) is not None


def department_of(role: str) -> str:
    """The department in the role's name; `any` for the role of everybody signed in."""
    return role.removeprefix("role:").partition(".")[0]


def is_object(action: str, name: str, collections: Mapping[str, str]) -> bool:
    """Whether `name` can be the object of `action`; `*` stands for no single one of them.

    Names are compared exactly as written; none is a pattern.
    """
    kind = ACTIONS[action]
    if kind == COLLECTION:
        return name == ALL or name in collections
    if kind in (KEY, PLAN):
        pattern = _KEY if kind == KEY else _PLAN
        return name == ALL or pattern.fullmatch(name) is not None
    return name == kind


def field_matches(classes: FieldClasses, obj: str, field: str, pattern: str, effect: str) -> bool:
    """Whether a rule's field `pattern` covers `field` of the collection `obj`.

    `*` covers a request without a field and the fields of class `normal`, so that nothing
    sensitive is opened by a wildcard; in a deny rule it covers everything, so that nothing
    escapes by one. Otherwise a pattern is `class:<class>` or the field's own name.
    """
    if pattern == ALL and effect == "deny":
        return True
    if field == NO_FIELD:
        return pattern == ALL
    known = classes.get(obj, {}).get(field)
    if known is None:
        return False
    if pattern == ALL:
        return known == "normal"
    return pattern in (field, f"class:{known}")
