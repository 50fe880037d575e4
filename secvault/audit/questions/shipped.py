"""The questions that ship with the product, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from secvault.audit.catalogue import KINDS
from secvault.audit.question import Question
from secvault.audit.questions import backups, four_eyes, sign_ins
from secvault.audit.questions.saved import (
    DAYS,
    DEPARTMENT,
    ON,
    PERIOD,
    WHO,
    Asked,
    SavedQuestion,
)
from secvault.errors import InvalidInput

DORMANT = "dormant-accounts"
"""Answered from what the installation knows now; its events are what that rests on."""

SEEING = (
    "record.read",
    "record.read_masked",
    "record.reveal",
    "field.reveal",
    "record.list",
    "record.search",
    "record.history",
    "record.export",
    "record.export_deidentified",
    "subject.report",
    "data.decrypt",
)

READINESS = (
    "drill.scenario",
    "drill.missed",
    "drill.overdue",
    "kit.issue",
    "kit.renew",
    "kit.stale",
    "vault.recovered",
)
"""What tells, beside drills, whether the company would come back, or did."""
READINESS_COLUMNS = {
    "plan": "Plan",
    "scenario": "Scenario",
    "run": "Run",
    "passed": "Passed",
    "seconds": "Seconds",
    "reason": "Reason",
}

_EVENT = {"seq": "Seq", "time": "Time", "who": "Who", "what": "What", "outcome": "Outcome"}
_PLACED = {**_EVENT, "on": "On", "department": "Department"}


def _of(*kinds: str) -> Callable[[Asked], Question]:
    def asks(asked: Asked) -> Question:
        return Question(
            kinds=kinds,
            actor=asked.who,
            resource=asked.on,
            department=asked.department,
            since=asked.since,
            until=asked.until,
        )

    return asks


def _who_saw(asked: Asked) -> Question:
    # What was done with a whole collection may have shown the record, too.
    above, _, last = asked.on.rstrip("/").rpartition("/")
    whole = (above,) if last and "/" in above else ()
    return Question(
        kinds=SEEING,
        actor=asked.who,
        resource=asked.on,
        also_at=whole,
        since=asked.since,
        until=asked.until,
    )


def _who_saw_person(asked: Asked) -> Question:
    kind, _, person = asked.who.partition(":")
    if kind != "user":
        raise InvalidInput.at("who", "name a person, as user:<name or id>")
    naming = tuple(sorted(kind for kind, facts in KINDS.items() if "person" in facts))
    return Question(kinds=naming, facts=(("person", person),), since=asked.since, until=asked.until)


def _did(asked: Asked) -> Question:
    return Question(
        actor=asked.who,
        resource=asked.on,
        department=asked.department,
        since=asked.since,
        until=asked.until,
    )


def _after_hours(asked: Asked) -> Question:
    return Question(
        kinds=("data.decrypt", "record.read", "record.reveal", "field.reveal", "record.export"),
        outcome="ok",
        actor=asked.who,
        resource=asked.on,
        department=asked.department,
        since=asked.since,
        until=asked.until,
        after_hours=asked.hours,
    )


def _refused(asked: Asked) -> Question:
    return Question(
        outcome="denied",
        actor=asked.who,
        resource=asked.on,
        department=asked.department,
        since=asked.since,
        until=asked.until,
    )


_ALL = (
    SavedQuestion(
        "who-saw",
        "Who saw this record",
        "Everybody who read, searched, listed, decrypted or exported a record, or tried to, and"
        " what was done with the whole collection that it lies in.",
        _who_saw,
        {**_PLACED, "fields": "Fields", "count": "Count", "rule": "Rule", "reason": "Refused for"},
        takes=(ON, WHO, PERIOD),
        needs=(ON,),
    ),
    SavedQuestion(
        "who-saw-person",
        "Who looked at this person's data",
        "Everything that names a person whom it is about: looked at, changed, their factors, their"
        " sessions, their erasure.",
        _who_saw_person,
        _PLACED,
        takes=(WHO, PERIOD),
        needs=(WHO,),
    ),
    SavedQuestion(
        "what-did",
        "What did this person or system do",
        "Everything that somebody did, or tried to.",
        _did,
        {**_PLACED, "fields": "Fields", "count": "Count", "reason": "Refused for", "rule": "Rule"},
        takes=(WHO, ON, DEPARTMENT, PERIOD),
        needs=(WHO,),
    ),
    SavedQuestion(
        "failed-sign-ins",
        "Failed sign-ins",
        "Failures by whom they were tried and from which network, whether they locked somebody out,"
        " and whether somebody came in within the hour after them.",
        _of(*sign_ins.KINDS),
        sign_ins.COLUMNS,
        takes=(WHO, PERIOD),
        rows=sign_ins.failed,
    ),
    SavedQuestion(
        "refusals",
        "What was refused",
        "Every denied attempt, with why.",
        _refused,
        {**_PLACED, "reason": "Refused for", "decision": "Decision"},
        takes=(WHO, ON, DEPARTMENT, PERIOD),
    ),
    SavedQuestion(
        "privilege-changes",
        "Changes of rights",
        "Every grant, eligibility, exception and policy that was given, changed or taken away, by"
        " whom, and who approved it.",
        _of(*four_eyes.changed_kinds()),
        four_eyes.CHANGED_COLUMNS,
        rows=four_eyes.changes,
    ),
    SavedQuestion(
        "after-hours",
        "Decryptions after hours",
        "Values that were opened outside the company's working hours.",
        _after_hours,
        {**_PLACED, "local_time": "Local time", "fields": "Fields", "count": "Count"},
        takes=(WHO, ON, DEPARTMENT, PERIOD),
    ),
    SavedQuestion(
        DORMANT,
        "Dormant accounts",
        "People, systems and tokens that were never used or not for so many days, and grants of"
        " accounts that are disabled.",
        _of("auth.sign_in", "person.disable", "service_account.disable", "token.issue"),
        {
            "kind": "Kind",
            "id": "Id",
            "name": "Name",
            "state": "State",
            "created": "Since",
            "last_seen": "Last used",
            "grants": "Grants",
        },
        takes=(DAYS,),
    ),
    SavedQuestion(
        "break-glass",
        "Use of break-glass",
        "Every emergency: who broke the glass, what was begun, ended, lapsed and reviewed.",
        _of(
            "break_glass.start",
            "break_glass.end",
            "break_glass.lapse",
            "break_glass.review",
            "break_glass.recover",
            "break_glass.warn",
        ),
        {
            **_EVENT,
            "incident": "Emergency",
            "subject": "Whose",
            "role": "Role",
            "expires_at": "Until",
            "reason": "Reason",
            "state": "State",
        },
    ),
    SavedQuestion(
        "exports",
        "Exports",
        "Everything that left the vault as a file: records, reports about people, keys, the log.",
        _of(
            "record.export",
            "record.export_deidentified",
            "subject.report",
            "person.export",
            "key.export",
            "key.backup",
            "kit.issue",
            "kit.take",
            "audit.export",
            "audit.report",
        ),
        {
            **_PLACED,
            "count": "Count",
            "format": "Format",
            "bytes": "Bytes",
            "digest": "Digest",
            "approval": "Approval",
            "reason": "Reason",
        },
        takes=(WHO, ON, DEPARTMENT, PERIOD),
    ),
    SavedQuestion(
        "four-eyes",
        "Approvals by a second person",
        "Every request: who asked for what, who approved or refused it, and who did it.",
        _of(*four_eyes.KINDS),
        four_eyes.COLUMNS,
        rows=four_eyes.approvals,
    ),
    SavedQuestion(
        "backups-and-drills",
        "Backups missed and drills failed",
        "Runs of backups and drills that failed, were cut off or did not take place.",
        _of(*backups.KINDS),
        backups.COLUMNS,
        takes=(PERIOD,),
        rows=backups.went_wrong,
    ),
    SavedQuestion(
        "restore-drills",
        "Restore drills, scenarios and the recovery kit",
        "Every drill and scenario with its verdict, drills that were missed or are overdue, when"
        " the recovery kit was issued or went stale, and recoveries.",
        _of("drill.run", *READINESS),
        {**_EVENT, **READINESS_COLUMNS},
        takes=(WHO, PERIOD),
    ),
    SavedQuestion(
        "keys-and-settings",
        "Changes of keys and settings",
        "Keys that were made, rotated, imported, exported or deleted, the root and the seal,"
        " mounts, schedules, and settings.",
        _of(
            "key.create",
            "key.update",
            "key.rotate",
            "key.rewrap",
            "key.import",
            "key.export",
            "key.backup",
            "kit.issue",
            "kit.renew",
            "key.restore",
            "key.delete",
            "mount.create",
            "mount.update",
            "mount.delete",
            "mount.move",
            "vault.init",
            "vault.unseal",
            "vault.seal",
            "vault.reseal",
            "vault.upgrade",
            "root.rotate",
            "config.change",
            "schedule.change",
            "schema.migrate",
        ),
        {
            **_PLACED,
            "version": "Version",
            "from_version": "Before",
            "setting": "Setting",
            "approval": "Approval",
            "reason": "Reason",
        },
        takes=(WHO, ON, DEPARTMENT, PERIOD),
    ),
)

SHIPPED: Mapping[str, SavedQuestion] = MappingProxyType({one.name: one for one in _ALL})
"""By name, in the order in which they are shown."""
