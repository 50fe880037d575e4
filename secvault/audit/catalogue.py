"""What can happen: the closed list of event kinds, and the facts that each may carry.

To add a kind, add a line to `KINDS`; to add a fact, a line to `FACTS`. Lines are never removed or
renamed: events that carry them are stored for years. A fact is a code, an id, a number or a flag;
there is no free text among them, so that nothing personal can slip into a log that cannot forget.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Fact = str | int | bool

IDENTIFIER = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.:*-]{0,127}")
"""How ids, roles, departments and field names look: ASCII, no @, no space, 1 to 128 characters."""

LARGEST_NUMBER = 2**53 - 1

_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAMES = re.compile(r"[a-z][a-z0-9_]{0,62}(?:,[a-z][a-z0-9_]{0,62}){0,8}")


@dataclass(frozen=True, slots=True)
class FactType:
    """What one fact looks like. `pattern` is for text, None for a flag or a number."""

    form: Literal["text", "number", "flag"]
    pattern: re.Pattern[str] | None
    mend: str

    def admits(self, value: Fact) -> bool:
        """Whether the value is of this type."""
        if self.form == "flag":
            return isinstance(value, bool)
        if self.form == "number":
            return type(value) is int and 0 <= value <= LARGEST_NUMBER
        return (
            isinstance(value, str)
            and self.pattern is not None
            and self.pattern.fullmatch(value) is not None
        )


WORD = FactType("text", _WORD, "must be a code of 1 to 64 lower-case letters, digits and . _ -")
ID = FactType("text", IDENTIFIER, "must be an id of 1 to 128 ASCII letters, digits and _ . : * -")
DIGEST = FactType("text", _DIGEST, "must be a SHA-256 as 64 lower-case hexadecimal digits")
NAMES = FactType("text", _NAMES, "must be 1 to 9 names of fields, with commas between them")
NUMBER = FactType("number", None, "must be an integer from 0 to 2**53 - 1")
FLAG = FactType("flag", None, "must be true or false")

FACTS: Mapping[str, FactType] = MappingProxyType(
    {
        "accessor": ID,
        "allowed": NUMBER,
        "answered": ID,
        "approval": WORD,
        "bytes": NUMBER,
        "campaign": ID,
        "collection": ID,
        "days": NUMBER,
        "device": ID,
        "digest": DIGEST,
        "eligibility": ID,
        "entries": NUMBER,
        "erasure": ID,
        "event": ID,
        "evidence": DIGEST,
        "export": ID,
        "expires_at": NUMBER,
        "factor": WORD,
        "files": NUMBER,
        "first_bad": NUMBER,
        "format": WORD,
        "former": ID,
        "from_version": NUMBER,
        "grant": ID,
        "hidden": NUMBER,
        "hold": ID,
        "incident": ID,
        "item": ID,
        "key_kind": WORD,
        "language": WORD,
        "messages": NUMBER,
        "method": WORD,
        "min_version": NUMBER,
        "missing": NUMBER,
        "month": WORD,
        "narrowed": FLAG,
        "new_network": FLAG,
        "node": ID,
        "not_before": NUMBER,
        "operation": WORD,
        "old": NUMBER,
        "origin": ID,
        "passed": FLAG,
        "percent": NUMBER,
        "person": ID,
        "plan": ID,
        "policy": DIGEST,
        "provider": ID,
        "pseudonymised": FLAG,
        "privileged": FLAG,
        "problems": NUMBER,
        "program": ID,
        "project": ID,
        "question": ID,
        "reason": WORD,
        "repository": ID,
        "request": ID,
        "requester": ID,
        "reveal": ID,
        "role": ID,
        "rule": ID,
        "run": ID,
        "seal": WORD,
        "searched": NAMES,
        "seconds": NUMBER,
        "session": ID,
        "setting": ID,
        "shares": NUMBER,
        "signer": DIGEST,
        "seq": NUMBER,
        "size": NUMBER,
        "snapshot": ID,
        "state": WORD,
        "subject": ID,
        "target": ID,
        "threshold": NUMBER,
        "ticket": ID,
        "token": ID,
        "version": NUMBER,
    }
)
"""Every fact that any event may carry, with its type. Times are microseconds, UTC."""


def _kinds(lines: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({kind: frozenset(facts.split()) for kind, facts in lines.items()})


LOST = "audit.lost"
"""Events of this process that could not be written; their operations were refused. See `log`."""

KINDS: Mapping[str, frozenset[str]] = _kinds(
    {
        # Who came in
        "auth.sign_in": "factor reason session method device new_network provider",
        "auth.first_factor": "factor method provider",
        "auth.sign_out": "session reason",
        "auth.locked": "reason seconds",
        "auth.unlocked": "reason",
        "auth.step_up": "factor reason session device",
        "auth.password_changed": "reason",
        "contact.read": "person",
        "contact.change": "person",
        "auth.password_redeemed": "factor reason device",
        "session.self": "session",
        "session.end_own": "session",
        "session.ended": "session reason",
        "session.read": "person",
        "session.end": "person session",
        "auth.logged_out": "provider reason session",
        "access.refused": "operation reason",
        "access.explain": "operation subject",
        "access.own": "operation",
        "access.replay": "state subject",
        "access.what_can": "subject",
        "access.who_can": "operation",
        "access.evaluate": "allowed answered collection operation passed subject target",
        "access.search": "collection operation subject target",
        # People, programs, and what they may
        "activation.begin": "person device reason",
        "activation.complete": "person device reason",
        "activation.look": "person reason",
        "bootstrap.issue": "expires_at incident reason",
        "identity.link": "person provider reason",
        "identity.read": "",
        "identity.unlink": "person provider",
        "scim.provision": "operation person provider reason state target",
        "person.create": "person expires_at provider",
        "person.read": "person",
        "person.update": "person reason",
        "person.disable": "person provider reason approval digest",
        "person.enable": "person provider reason approval digest",
        "person.export": "",
        "person.import": "operation approval digest",
        "person.place": "person approval digest",
        "person.invite": "person expires_at",
        "person.uninvite": "person",
        "person.unlock": "person",
        "factor.read": "person",
        "factor.enrol": "device person factor",
        "factor.remove": "device person factor",
        "recovery.make": "person",
        "recovery.enrol": "device person factor",
        "totp.enrol": "device person",
        "totp.confirm": "device person",
        "totp.read": "",
        "totp.remove": "device person reason",
        "totp.resync": "device person reason",
        "password.change": "person",
        "hardware_token.assign": "device person reason approval digest",
        "hardware_token.import": "format",
        "hardware_token.read": "",
        "hardware_token.retire": "",
        "service_account.create": "subject reason approval digest",
        "service_account.read": "subject",
        "service_account.update": "subject person",
        "service_account.disable": "subject reason",
        "token.create": "token subject expires_at narrowed",
        "token.end": "token subject",
        "token.extend": "token subject expires_at",
        "token.issue": "token subject expires_at narrowed approval digest",
        "token.leaked": "token subject state",
        "token.read": "token subject",
        "token.refused": "token subject reason",
        "token.renew": "token subject expires_at",
        "token.revoke": "token subject reason",
        "token.rotate": "token former subject expires_at narrowed approval digest",
        "token.warn": "token subject expires_at days",
        "approle.delete": "subject",
        "approle.list": "",
        "approle.read": "subject",
        "approle.write": "subject approval digest",
        "secret_id.create": "accessor expires_at approval digest",
        "secret_id.destroy": "accessor",
        "secret_id.list": "",
        "secret_id.read": "accessor",
        "grant.add": "grant role subject not_before expires_at reason approval digest provider"
        " privileged",
        "grant.read": "subject role",
        "grant.revoke": "grant role subject reason approval digest provider",
        # What nobody may have together
        "separation.read": "subject rule",
        "separation.find": "subject rule problems expires_at not_before reason",
        "separation.conflict": "subject rule role grant provider",
        "exception.add": "subject rule target expires_at reason approval digest",
        "exception.end": "subject rule target reason",
        "grant.extend": "grant role subject expires_at reason provider",
        "grant.warn": "grant role subject expires_at days privileged",
        "grant.own": "",
        "grant.request": "grant role subject not_before expires_at privileged request approval"
        " digest reason",
        "grant.activate": "grant role subject not_before expires_at privileged eligibility ticket"
        " request approval digest reason",
        "grant.deactivate": "grant role subject eligibility reason",
        "eligibility.add": "eligibility role subject not_before expires_at seconds reason approval"
        " digest",
        "eligibility.remove": "eligibility role subject reason",
        "eligibility.read": "subject role",
        # What needs a second person
        "approval.ask": "request operation subject digest expires_at",
        "approval.give": "request operation subject digest factor reason requester missing",
        "approval.refuse": "request operation subject digest reason requester",
        "approval.give_role": "request operation subject digest factor reason requester missing",
        "approval.refuse_role": "request operation subject digest reason requester",
        "approval.read_role": "request",
        "approval.own": "request operation subject digest state",
        "approval.use": "request operation subject digest",
        "approval.read": "request",
        "approval.latched": "",
        "factor.reset": "person expires_at reason approval digest",
        "password.reset": "person expires_at reason approval digest",
        "policy.change": "policy version from_version",
        # Access reviews, and breaking the glass
        "review.start": "campaign expires_at size",
        "review.read": "campaign format",
        "review.own": "campaign item",
        "review.decide": "campaign item grant role subject state expires_at approval digest",
        "review.reassign": "campaign item person",
        "review.finish": "campaign digest",
        "review.warn": "campaign person days expires_at state",
        "review.lapse": "campaign item grant role subject state expires_at",
        "break_glass.start": "incident grant role subject expires_at state",
        "break_glass.end": "incident subject",
        "break_glass.read": "incident",
        "break_glass.own": "incident",
        "break_glass.review": "incident subject reason",
        "break_glass.lapse": "incident grant role subject",
        "break_glass.warn": "incident subject days",
        "break_glass.recover": "incident expires_at threshold seal",
        "policy.read": "policy version operation passed problems",
        "policy.apply": "policy version from_version reason approval digest",
        # Records
        "collection.read": "collection",
        "schema.read": "run",
        "schema.migrate": "version problems run reason",
        "record.create": "collection version",
        "record.read": "collection version",
        "record.read_masked": "collection version",
        "record.reveal": "collection version reveal",
        "record.update": "collection version from_version",
        "record.delete": "collection version reason",
        "record.approve": "collection version reason",
        "record.import": "run state format bytes problems reason",
        "record.list": "collection",
        "record.history": "collection",
        "record.erase": "collection subject reason erasure evidence approval digest entries",
        "erasure.read": "erasure",
        "hold.place": "hold collection state approval digest",
        "hold.lift": "hold collection state approval digest",
        "hold.read": "",
        "retention.propose": "run digest reason",
        "retention.run": "run state erasure evidence approval digest",
        "retention.read": "run",
        "subject.report": "",
        "record.export": "export format version bytes searched reason approval digest",
        "record.export_deidentified": "export format version bytes project reason approval digest",
        "record.search": "collection searched",
        "field.reveal": "collection version",
        "attachment.collect": "problems",
        "index.read": "collection",
        "index.verify": "collection problems reason",
        "index.rebuild": "collection problems reason",
        # Keys and what is done with them
        "mount.create": "key_kind",
        "mount.read": "",
        "mount.update": "",
        "mount.delete": "reason approval digest",
        "mount.move": "target",
        "key.create": "key_kind version",
        "key.read": "",
        "key.list": "",
        "key.update": "min_version version approval digest",
        "key.rotate": "version from_version",
        "key.warn": "version messages threshold",
        "key.rewrap": "version problems run reason",
        "key.import": "key_kind version",
        "key.export": "version format key_kind target approval digest",
        "key.backup": "version approval digest",
        "key.restore": "key_kind version approval digest",
        "key.derive": "key_kind version",
        "key.delete": "reason approval digest",
        "data.encrypt": "version",
        "data.decrypt": "version",
        "data.rewrap": "version",
        "data.sign": "version",
        "data.verify": "version passed",
        "data.hmac": "version",
        "data.key": "version bytes",
        "data.random": "bytes",
        "data.hash": "",
        # Backups and the proof that they restore
        "backup.read": "plan repository snapshot",
        "backup.run": "plan repository run snapshot bytes files seconds reason",
        "backup.restore": "plan repository run snapshot bytes files seconds target reason approval"
        " digest",
        "backup.cancel": "plan run reason",
        "backup.check": "plan run passed reason",
        "backup.forget": "plan run reason",
        "backup.prune": "plan repository run bytes reason",
        "repository.read": "repository",
        "repository.add": "repository reason",
        "repository.remove": "repository reason",
        "repository.check": "repository problems reason",
        "repository.rotate": "repository state reason",
        "repository.bring_back": "repository files bytes state reason",
        "backup.failed": "plan run person reason",
        "backup.behind": "plan person seconds threshold",
        "backup.check_failed": "plan repository run person reason",
        "backup.anomaly": "plan run snapshot person rule subject percent threshold files",
        "plan.add": "plan version approval digest",
        "plan.change": "plan version from_version approval digest",
        "plan.remove": "plan version approval digest",
        "plan.pause": "plan version state",
        "drill.read": "plan run",
        "drill.run": "plan run snapshot passed seconds reason",
        # The log itself
        "audit.started": "node program",
        "audit.stopped": "node program",
        LOST: "reason",
        "audit.read": "format digest seq size old question",
        "audit.export": "export format digest size hidden pseudonymised reason",
        "audit.report": "format language digest bytes month reason",
        "audit.verify": "passed size problems first_bad reason",
        "audit.archive": "old size bytes digest target reason",
        "audit.checkpoint": "size origin target",
        "audit.keep_question": "question digest",
        "audit.drop_question": "question",
        "audit.publish": "target size state",
        "audit.publication": "target size state reason",
        "audit.rotate_key": "version from_version signer expires_at approval digest",
        "audit.accept_rollback": "version signer size old evidence",
        "log.heartbeat": "seconds",
        "audit.stream": "target state reason seq",
        "audit.control": "target state",
        "audit.alert": "rule subject seq threshold state",
        "stream.read": "",
        "stream.test": "target state",
        "alert.read": "",
        "alert.acknowledge": "rule subject",
        "audit.witness": "target state reason size",
        # The vault as a whole
        "vault.init": "seal shares threshold",
        "vault.status": "state",
        "vault.unseal": "seal shares threshold reason",
        "vault.seal": "seal reason",
        "vault.reseal": "seal shares threshold approval digest",
        "root.rotate": "version from_version reason approval digest",
        "vault.upgrade": "from_version version",
        "config.read": "setting",
        "config.change": "setting digest",
        "notification.read": "",
        "notification.test": "target",
        "notification.given_up": "reason target",
        "metrics.read": "",
        "schedule.change": "plan state",
        "job.cancel": "run plan reason",
    }
)
"""Every kind of event, with the facts that it may carry."""
