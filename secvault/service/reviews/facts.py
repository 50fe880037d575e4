"""What is written down of a campaign and its items, and in which words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from secvault.access.obligations import Obligations
from secvault.access.rows import Rule
from secvault.access.vocabulary import ALL
from secvault.errors import Damaged

T = TypeVar("T", bound=msgspec.Struct)


class Scope(msgspec.Struct, frozen=True):
    """What a campaign is about. departments, roles: empty for all. systems: calling ones, too."""

    departments: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    privileged_only: bool = False
    systems: bool = True


class Reviewers(msgspec.Struct, frozen=True):
    """Who reviews, by subject. heads: those of each department first; fallback: who is left."""

    heads: bool = True
    named: tuple[str, ...] = ()
    fallback: str = ""


class Eligible(msgspec.Struct, frozen=True):
    """A role that somebody may activate. Times in microseconds, UTC.

    id: of the eligibility. name: of the subject. last_used: when it was activated last, or None.
    """

    id: str
    subject: str
    name: str
    role: str
    department: str
    created_at: int
    expires_at: int | None
    last_used: int | None
    privileged: bool


class Frozen(msgspec.Struct, frozen=True):
    """What was true when the campaign began.

    epoch, policy: of the policy. ownerless: names of active systems whose owner is out. used_since:
    from when on uses were watched, microseconds; None when they were not. eligible: the privileged
    roles in the scope that somebody could activate.
    """

    epoch: int
    policy: str
    ownerless: tuple[str, ...] = ()
    used_since: int | None = None
    eligible: tuple[Eligible, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """A grant as it was at the start, with what a reviewer has to know of it.

    Times in microseconds, UTC. name: of the subject. orphan: `disabled` (a person or system that is
    out), `no_owner` (a system whose owner is out), `gone` (nobody has this id), or empty. owner: of
    a system, as a subject. inherits: the roles that come with it. sensitive: what it opens, in
    words. last_used: days since the epoch; last_seen: the newest sign-in or use of a token. pair:
    whether its holder reviews something of the reviewer's, because nobody else could.
    """

    name: str
    display_name: str
    role: str
    department: str
    source: str
    granted_by: str
    granted_by_name: str
    created_at: int
    not_before: int
    expires_at: int | None
    orphan: str = ""
    owner: str = ""
    inherits: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    privileged: bool = False
    last_used: int | None = None
    last_seen: int | None = None
    pair: bool = False


_RECORD = {
    "record.read": "reads {} data in clear",
    "record.reveal": "reveals {} data, one value at a time",
    "record.create": "enters {} data",
    "record.update": "changes {} data",
}
_ACTIONS = {
    "approval.give": "approves what others ask for",
    "approle.write": "sets how systems sign in",
    "backup.restore": "restores backups",
    "break_glass.start": "may take emergency access",
    "factor.reset": "resets other people's factors",
    "grant.add": "gives roles",
    "grant.revoke": "takes roles away",
    "hardware_token.assign": "gives people hardware tokens",
    "key.backup": "takes whole keys out",
    "key.delete": "destroys keys",
    "key.export": "takes keys out in clear",
    "key.import": "brings keys in",
    "key.restore": "puts keys back over others",
    "key.update": "lowers the protection of keys",
    "mount.delete": "removes mounts with their keys",
    "password.reset": "resets other people's passwords",
    "audit.rotate_key": "replaces the key of the audit log",
    "person.disable": "shuts people out",
    "person.enable": "lets people back in",
    "plan.add": "makes backup plans that take over what others saved",
    "plan.change": "changes what is backed up, and for how long it is kept",
    "plan.remove": "removes backup plans",
    "root.rotate": "replaces the root key",
    "scim.provision": "brings and disables people for an identity provider",
    "secret_id.create": "makes credentials of systems",
    "service_account.create": "makes systems with roles",
    "token.issue": "issues tokens of systems",
    "token.rotate": "rotates tokens of systems",
    "vault.reseal": "changes the seal",
}


def sensitive(rules: Iterable[Rule], obligations: Obligations) -> tuple[str, ...]:
    """What these rules open that is worth a second look, in words, each once and sorted."""
    said = set()
    for rule in rules:
        known = rule.fld.removeprefix("class:")
        if rule.act in _RECORD and known in obligations.privileged_classes:
            where = "" if rule.obj == ALL else f" of {rule.obj}"
            said.add(_RECORD[rule.act].format(known.replace("_", " ")) + where)
        elif rule.act == ALL:
            said.add("does everything")
        elif rule.act in obligations.privileged_actions:
            said.add(_ACTIONS.get(rule.act, rule.act))
    return tuple(sorted(said))


def written(value: msgspec.Struct) -> str:
    """As it is stored."""
    return msgspec.json.encode(value, order="sorted").decode()


def read(text: str, kind: type[T]) -> T:
    """What was stored. Raises Damaged."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise Damaged("a stored access review is damaged; restore it from a backup") from None
