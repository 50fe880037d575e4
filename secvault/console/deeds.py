"""What a request would do, in words: the deed in a sentence, and each of its terms by name.

Nothing of the terms is left out, for an approval is of exactly them: what has no word here is shown
by its own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secvault.console.language import Language
from secvault.crypto.canonical import JsonValue
from secvault.service.approval import Proposal

_SPANS = ("seconds", "longest_seconds", "auto_rotate_seconds", "period")
_ROLES = ("role", "roles", "eligible_for", "narrowed_to")


@dataclass(frozen=True)
class Term:
    """One of the terms. key: as the proposal has it. name: as people call it; code: whether it is
    the program's own word. texts: its value, or values.
    """

    key: str
    name: str
    texts: tuple[str, ...]
    code: bool = False


def deed_of(proposal: Proposal, language: Language) -> str:
    """What would be done, in a sentence; the action itself where there is none for it."""
    say = language.say
    if "destroys_versions_below" in proposal.terms:
        return say("Destroy old versions of a key for ever")
    if proposal.terms.get("format") == "password":
        return say("See the password of a backup repository")
    if "renewed" in proposal.terms:
        return say("Let somebody keep a privileged role for longer")
    return _deeds(language).get(proposal.action, proposal.action)


def terms_of(proposal: Proposal, names: Mapping[str, str], language: Language) -> tuple[Term, ...]:
    """The terms in the order of their names. names: of people and systems, by subject."""
    known = _names(language)
    return tuple(
        Term(
            key,
            known.get(key, key),
            tuple(_texts(key, value, names, language)),
            code=key not in known,
        )
        for key, value in sorted(proposal.terms.items(), key=lambda one: one[0] != "subject")
    )


def _texts(
    key: str, value: JsonValue, names: Mapping[str, str], language: Language
) -> Iterator[str]:
    if isinstance(value, bool):
        yield language.say("yes") if value else language.say("no")
    elif isinstance(value, int) and key in _SPANS and value:
        yield language.span(value)
    elif isinstance(value, Mapping):
        for inner, each in value.items():
            yield f"{inner}: {', '.join(_texts(inner, each, names, language)) or '–'}"
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(key, each, names, language)
    elif value is not None:
        text = str(value)
        yield text.removeprefix("role:") if key in _ROLES else names.get(text, text)


def _deeds(language: Language) -> Mapping[str, str]:
    say = language.say
    return {
        "approle.write": say("Make or change the AppRole of a system with a privileged role"),
        "audit.rotate_key": say("Change the key that signs the audit log"),
        "backup.restore": say("Restore a backup over what is in use"),
        "eligibility.add": say("Let somebody activate a privileged role when they need it"),
        "exception.add": say("Let somebody break a rule of separation of duties for a while"),
        "factor.reset": say("End all second factors of somebody, and let them enrol new ones"),
        "grant.activate": say("Activate a role for a while"),
        "grant.add": say("Give somebody a privileged role"),
        "grant.request": say("Give a role that was asked for"),
        "grant.revoke": say("Take a role away from one of the last who can approve"),
        "hardware_token.assign": say("Give somebody with an account in use a hardware token"),
        "hold.lift": say("Lift a legal hold, so that the data can be erased"),
        "hold.place": say("Place a legal hold, so that the data cannot be erased"),
        "key.backup": say("Take a key out in clear, as a backup"),
        "key.delete": say("Destroy a key, and all that is encrypted with it, for ever"),
        "key.export": say("Take a key out in clear"),
        "key.restore": say("Put a key in the place of one that is there"),
        "key.update": say("Take a protection away from a key"),
        "kit.issue": say("Issue a recovery kit with new shares"),
        "mount.delete": say("Remove a mount with all of its keys for ever"),
        "password.reset": say("End somebody's password, and let them set a new one"),
        "person.disable": say("Shut out one of the last who can approve"),
        "person.enable": say("Let somebody back in who holds a privileged role"),
        "person.import": say("Take in people of a file, with which employees they are"),
        "person.place": say("Say which employee somebody is, and so whose records are their own"),
        "plan.add": say("Make a backup plan by the name of one that had runs"),
        "plan.change": say("Change a backup plan so that less is saved or kept"),
        "plan.remove": say("Remove a backup plan"),
        "policy.apply": say("Change the policy: who may do what"),
        "record.erase": say("Erase data for ever"),
        "record.export": say("Take many records away as a file"),
        "record.export_deidentified": say("Take many de-identified records away as a file"),
        "retention.run": say("Erase for ever what is older than it may be kept"),
        "review.decide": say("Take a role away from one of the last who can approve"),
        "root.rotate": say("Change the root key"),
        "secret_id.create": say("Make a secret id for a system with a privileged role"),
        "service_account.create": say("Make a system with a privileged role"),
        "token.issue": say("Make a token for a system with a privileged role"),
        "token.rotate": say("Renew the token of a system with a privileged role"),
        "vault.reseal": say("Seal the vault in another way"),
    }


def _names(language: Language) -> Mapping[str, str]:
    say = language.say
    return {
        "after": say("Digest afterwards"),
        "because": say("Reason"),
        "before": say("Digest now"),
        "changes": say("What changes"),
        "claim_by": say("To be used by"),
        "collection": say("Collection"),
        "collections": say("Collections"),
        "credential": say("Credential"),
        "days": say("How many days"),
        "department": say("Department"),
        "destroys_keys": say("Keys that are destroyed"),
        "destroys_version": say("Destroys all versions up to"),
        "destroys_versions_below": say("Destroys all versions before"),
        "eligible_for": say("Role"),
        "employee": say("Employee number"),
        "files": say("Which files"),
        "filters": say("Filters"),
        "format": say("In which form"),
        "from": say("From when"),
        "gains": say("Who gains what"),
        "grant": say("Grant"),
        "held": say("Kept by legal holds"),
        "kind": say("Kind"),
        "losses": say("Who loses what"),
        "minutes": say("Minutes at most"),
        "name": say("Name"),
        "narrowed_to": say("Narrowed to the roles"),
        "needs_approval": say("Each use needs an approval"),
        "needs_ticket": say("Each use needs a ticket"),
        "networks": say("Only from the networks"),
        "note": say("Note"),
        "number": say("Version"),
        "obligations": say("What needs a second person"),
        "overlap_hours": say("Hours until the old one ends"),
        "owner": say("Who answers for it"),
        "placed_for": say("Why it was placed"),
        "plan": say("Plan"),
        "project": say("Project"),
        "reason": say("Reason"),
        "records": say("Records"),
        "repositories": say("Repositories"),
        "requested_by": say("Asked for by"),
        "role": say("Role"),
        "roles": say("Roles"),
        "rows": say("Rows of the policy"),
        "rule": say("Rule"),
        "seconds": say("How long"),
        "separation": say("What is broken of separation of duties"),
        "serial": say("Serial number"),
        "state": say("State"),
        "subject": say("Whom it affects"),
        "system": say("System"),
        "target": say("Of what"),
        "teams": say("Teams"),
        "token": say("Token"),
        "until": say("Until when"),
        "uses": say("How many uses"),
        "verdict": say("Verdict"),
        "version": say("Version"),
    }
