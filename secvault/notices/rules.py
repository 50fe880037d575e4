"""Which events of the audit log somebody is told of, and who.

To tell of one more kind, add a line here and its words in every language of `words/`. The
operations know nothing of notices: they put on record what they do, which they do anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from secvault.audit.facts import Fact
from secvault.audit.leaf import StoredEvent
from secvault.notices.alert_rules import alert, stream
from secvault.notices.backup_rules import anomaly, backup
from secvault.notices.drill_rules import drill_failed, drill_missed, drill_overdue, kit_stale
from secvault.notices.log_rules import witness
from secvault.notices.review_rules import glass, review, reviewed
from secvault.notices.telling import Rule, Telling

_JOBS = "system:jobs"
_DAY = 24 * 60 * 60 * 1_000_000
PRIVILEGED = frozenset(
    {
        "role:it.admin",
        "role:it.approver",
        "role:it.auditor",
        "role:it.break_glass_holder",
        "role:it.key_custodian",
    }
)
WATCHING = ("role:it.approver", "role:it.auditor")
"""Who is alarmed beside the administrators."""


# What is carried out by whoever asked for it, when it suits them.
_CLAIMED = frozenset({"grant.request", "grant.activate"})


def _of_person(kind: str, *, administrators: bool = False, needs: str = "") -> Rule:
    """Told to the person in the event's facts, or who did it. needs: a fact that must be there."""

    def told(stored: StoredEvent) -> Telling | None:
        detail = stored.event.detail
        if needs and needs not in detail:
            return None
        person = str(detail.get("person", "")) or _acting_person(stored)
        cause = f"{kind}:{detail[needs]}" if needs else f"{kind}:{stored.id}"
        return Telling(
            kind, cause, person, administrators=administrators, facts={"who": f"user:{person}"}
        )

    return told


def _sign_in(stored: StoredEvent) -> Telling | None:
    detail, person = stored.event.detail, _acting_person(stored)
    who = {"who": f"user:{person}"}
    if detail.get("factor") == "recovery":
        cause = f"recovery_used:{stored.id}"
        return Telling("recovery_used", cause, person, administrators=True, facts=who)
    if detail.get("new_network") is True:
        return Telling("new_network", f"new_network:{stored.id}", person, facts=who)
    return None


def _locked(stored: StoredEvent) -> Telling | None:
    # it/people/<person>/devices/<device>
    person = stored.event.resource.split("/")[2]
    cause = f"locked:{stored.id}"
    return Telling("locked", cause, person, administrators=True, facts={"who": f"user:{person}"})


def _contact(stored: StoredEvent) -> Telling | None:
    person = _acting_person(stored)
    return Telling("contact_changed", f"contact_changed:{stored.id}", person, former=True)


def _person_disabled(stored: StoredEvent) -> Telling | None:
    who = f"user:{stored.event.detail.get('person', '')}"
    cause = f"owner_disabled:{stored.id}"
    return Telling("owner_disabled", cause, administrators=True, facts={"who": who})


def _grant(stored: StoredEvent) -> Telling | None:
    detail = stored.event.detail
    if _is_privileged(detail):
        return _of_role(stored, "privileged_grant", administrators=True)
    # A system's owner is told of what it may do, if that is much.
    if str(detail.get("subject", "")).startswith("svc:"):
        return None
    return _of_role(stored, "role_given")


def _activated(stored: StoredEvent) -> Telling | None:
    told = _is_privileged(stored.event.detail)
    return _of_role(stored, "role_activated", administrators=True) if told else None


def _ends(stored: StoredEvent) -> Telling | None:
    # A count of nothing is that of another node's turn, which came first.
    if stored.event.count == 0:
        return None
    detail = stored.event.detail
    if "days" not in detail:
        return _of_role(stored, "role_without_end", administrators=True)
    return _of_role(stored, "role_ends", administrators=_is_privileged(detail))


def _extended(stored: StoredEvent) -> Telling | None:
    if stored.event.count == 0 or stored.event.detail.get("reason") is None:
        return None
    return _of_role(stored, "role_kept", administrators=True)


def _is_privileged(detail: Mapping[str, Fact]) -> bool:
    return detail.get("privileged") is True or detail.get("role") in PRIVILEGED


def _of_role(stored: StoredEvent, kind: str, *, administrators: bool = False) -> Telling:
    """Told to whoever holds the role, or answers for the system that does."""
    detail = stored.event.detail
    subject = str(detail.get("subject", ""))
    sort, _, identity = subject.partition(":")
    facts: dict[str, str | int] = {"who": subject, "role": str(detail.get("role", ""))}
    if "days" in detail:
        facts["days"] = int(detail["days"])
    return Telling(
        kind,
        f"{kind}:{stored.id}",
        person=identity if sort == "user" else "",
        system=identity if sort == "svc" else "",
        administrators=administrators,
        facts=facts,
    )


def _new_system(stored: StoredEvent) -> Telling | None:
    # Its roles come with it, without an event of their own; `following` looks which are privileged.
    subject = str(stored.event.detail.get("subject", ""))
    return Telling(
        "privileged_grant",
        f"privileged_grant:{stored.id}",
        system=subject.removeprefix("svc:"),
        administrators=True,
        facts={"who": subject},
    )


def _of_token(kind: str, *, administrators: bool = True) -> Rule:
    def told(stored: StoredEvent) -> Telling | None:
        # A count of nothing is that of another node's turn, which came first.
        if stored.event.count == 0:
            return None
        return _token(stored, kind, stored.id, administrators=administrators)

    return told


def _leaked(stored: StoredEvent) -> Telling | None:
    if stored.event.detail.get("state") != "revoked":
        return None
    return _token(stored, "token_leaked", stored.id)


def _refused_token(stored: StoredEvent) -> Telling | None:
    detail = stored.event.detail
    kind = "token_replaced" if detail.get("reason") == "replaced" else "token_elsewhere"
    return _token(stored, kind, f"{detail.get('token')}:{stored.t // _DAY}")


def _token(
    stored: StoredEvent, kind: str, cause: str, *, administrators: bool = True
) -> Telling | None:
    detail: Mapping[str, Fact] = stored.event.detail
    facts: dict[str, str | int] = {"token": str(detail.get("token", ""))}
    if "days" in detail:
        facts["days"] = int(detail["days"])
    system = str(detail.get("subject", "")).removeprefix("svc:")
    return Telling(
        kind, f"{kind}:{cause}", system=system, administrators=administrators, facts=facts
    )


def _approval(stored: StoredEvent) -> Telling | None:
    who = stored.event.actor.subject
    cause = f"approval_asked:{stored.id}"
    request = str(stored.event.detail.get("request", ""))
    return Telling(
        "approval_asked", cause, administrators=True, approves=request, facts={"who": who}
    )


def _approved(stored: StoredEvent) -> Telling | None:
    """Whoever asked for a role has to claim it."""
    detail = stored.event.detail
    asked = str(detail.get("requester", ""))
    if detail.get("operation") not in _CLAIMED or detail.get("missing") != 0:
        return None
    if not asked.startswith("user:"):
        return None
    request = str(detail.get("request", ""))
    return Telling(
        "role_approved",
        f"role_approved:{stored.id}",
        asked.removeprefix("user:"),
        facts={"who": asked, "code": request},
    )


def _role_refused(stored: StoredEvent) -> Telling | None:
    detail = stored.event.detail
    asked = str(detail.get("requester", ""))
    if detail.get("operation") not in _CLAIMED or not asked.startswith("user:"):
        return None
    return Telling(
        "role_refused",
        f"role_refused:{stored.id}",
        asked.removeprefix("user:"),
        facts={"who": asked},
    )


def _separation(stored: StoredEvent) -> Telling | None:
    detail = stored.event.detail
    rule = str(detail.get("rule", ""))
    # Without a rule it is the end of a night's look; a count of nothing is another node's find.
    if not rule or stored.event.count == 0:
        return None
    facts: dict[str, str | int] = {"who": str(detail.get("subject", "")), "rule": rule}
    if stored.event.outcome == "denied":
        # By each sign-in, until somebody mends it.
        cause = f"role_left_out:{facts['who']}:{rule}:{stored.t // _DAY}"
        facts["role"] = str(detail.get("role", ""))
        return Telling("role_left_out", cause, administrators=True, facts=facts)
    if not facts["who"]:
        return Telling(
            "too_many_holders",
            f"too_many_holders:{stored.id}",
            administrators=True,
            facts={"rule": rule},
        )
    cause = f"duties_together:{stored.id}"
    return Telling("duties_together", cause, administrators=True, facts=facts)


def _exception(stored: StoredEvent) -> Telling | None:
    detail = stored.event.detail
    return Telling(
        "exception_made",
        f"exception_made:{stored.id}",
        administrators=True,
        facts={"who": str(detail.get("subject", "")), "rule": str(detail.get("rule", ""))},
    )


def _policy(stored: StoredEvent) -> Telling | None:
    # The first one came with the program, and changed nothing.
    if stored.event.actor.kind == "system":
        return None
    detail = stored.event.detail
    return Telling(
        "policy_changed",
        f"policy_changed:{stored.id}",
        administrators=True,
        auditors=True,
        facts={
            "who": stored.event.actor.subject,
            "number": int(detail.get("version", 0)),
            "former": int(detail.get("from_version", 0)),
        },
    )


def _report(stored: StoredEvent) -> Telling | None:
    # The one that the calendar asks for; who makes one by hand knows it.
    detail = stored.event.detail
    if stored.event.actor.subject != _JOBS or "month" not in detail:
        return None
    # Once for all languages and formats, also when it was made again.
    month = str(detail["month"])
    return Telling(
        "report_made",
        f"report_made:{month}",
        administrators=True,
        auditors=True,
        facts={"month": month},
    )


def _publication(kind: str) -> Rule:
    def told(stored: StoredEvent) -> Telling | None:
        place = str(stored.event.detail.get("target", ""))
        return _of_log(stored, kind, {"who": stored.event.actor.subject, "place": place})

    return told


def _log_key(stored: StoredEvent) -> Telling:
    return _of_log(stored, "log_key_rotated", {"who": stored.event.actor.subject})


def _rollback(stored: StoredEvent) -> Telling:
    detail = stored.event.detail
    facts: dict[str, str | int] = {
        "who": stored.event.actor.subject,
        "number": int(detail.get("size", 0)),
        "former": int(detail.get("old", 0)),
    }
    return _of_log(stored, "log_rolled_back", facts)


def _of_log(stored: StoredEvent, kind: str, facts: Mapping[str, str | int]) -> Telling:
    return Telling(
        kind, f"{kind}:{stored.id}", administrators=True, auditors=True, facts=dict(facts)
    )


def _acting_person(stored: StoredEvent) -> str:
    actor = stored.event.actor
    return actor.id if actor.kind == "user" else ""


RULES: Mapping[tuple[str, str], Rule] = MappingProxyType(
    {
        ("auth.sign_in", "ok"): _sign_in,
        ("auth.locked", "ok"): _locked,
        ("factor.enrol", "ok"): _of_person("factor_added", needs="device"),
        ("totp.confirm", "ok"): _of_person("factor_added", needs="device"),
        ("recovery.enrol", "ok"): _of_person("factor_added", needs="device"),
        ("activation.complete", "ok"): _of_person("factor_added", needs="device"),
        ("factor.remove", "ok"): _of_person("factor_removed", needs="device"),
        ("totp.remove", "ok"): _of_person("factor_removed", needs="device"),
        ("factor.reset", "ok"): _of_person("factor_reset", administrators=True),
        ("factor.revoke", "ok"): _of_person("factor_revoked", administrators=True),
        ("password.reset", "ok"): _of_person("password_reset", administrators=True),
        ("auth.password_redeemed", "ok"): _of_person("password_changed"),
        ("password.change", "ok"): _of_person("password_changed"),
        ("recovery.make", "ok"): _of_person("codes_made"),
        ("identity.link", "ok"): _of_person("identity_linked"),
        ("identity.unlink", "ok"): _of_person("identity_linked"),
        ("contact.change", "ok"): _contact,
        ("person.disable", "ok"): _person_disabled,
        ("grant.add", "ok"): _grant,
        ("policy.apply", "ok"): _policy,
        ("audit.report", "ok"): _report,
        ("audit.publication", "error"): _publication("publication_broken"),
        ("audit.publication", "ok"): _publication("publication_mended"),
        ("audit.rotate_key", "ok"): _log_key,
        ("audit.accept_rollback", "ok"): _rollback,
        ("grant.request", "ok"): _grant,
        ("grant.activate", "ok"): _activated,
        ("grant.warn", "ok"): _ends,
        ("grant.extend", "ok"): _extended,
        ("service_account.create", "ok"): _new_system,
        ("token.issue", "ok"): _of_token("token_issued", administrators=False),
        ("token.rotate", "ok"): _of_token("token_issued", administrators=False),
        ("token.warn", "ok"): _of_token("token_expiring"),
        ("token.leaked", "ok"): _leaked,
        ("token.refused", "denied"): _refused_token,
        ("approval.ask", "ok"): _approval,
        ("separation.find", "ok"): _separation,
        ("separation.conflict", "ok"): _separation,
        ("separation.conflict", "denied"): _separation,
        ("exception.add", "ok"): _exception,
        ("review.warn", "ok"): review,
        ("review.decide", "ok"): reviewed,
        ("review.lapse", "ok"): reviewed,
        ("break_glass.start", "ok"): glass("glass_broken"),
        ("break_glass.lapse", "ok"): glass("glass_unreviewed"),
        ("break_glass.warn", "ok"): glass("glass_unreviewed"),
        ("break_glass.recover", "ok"): glass("recovery_opened"),
        ("audit.witness", "ok"): witness,
        ("backup.failed", "error"): backup("backup_failed"),
        ("backup.behind", "error"): backup("backup_behind"),
        ("backup.check_failed", "error"): backup("backup_check_failed", alarm=True),
        ("backup.anomaly", "error"): anomaly,
        ("drill.failed", "error"): drill_failed,
        ("drill.missed", "error"): drill_missed,
        ("drill.overdue", "error"): drill_overdue,
        ("kit.stale", "error"): kit_stale,
        ("approval.give", "ok"): _approved,
        ("approval.give_role", "ok"): _approved,
        ("approval.refuse", "ok"): _role_refused,
        ("approval.refuse_role", "ok"): _role_refused,
        ("audit.alert", "ok"): alert,
        ("audit.stream", "error"): stream,
    }
)
"""By kind and outcome of the event."""


def telling_of(stored: StoredEvent) -> Telling | None:
    """What this event tells; None when nobody is told of it."""
    rule = RULES.get((stored.event.kind, stored.event.outcome))
    return rule(stored) if rule else None
