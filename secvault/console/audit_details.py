"""What the details of events are called, for people, and why a sign-in was refused.

What is not named here is shown under its own name: kinds of events come and go, and what an event
says is never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from secvault.console.audit_kinds import say

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "accessor": say("Token"),
        "bytes": say("Bytes"),
        "campaign": say("Access review"),
        "device": say("Device"),
        "digest": say("Digest"),
        "expires_at": say("Ends at"),
        "export": say("Export"),
        "factor": say("Factor"),
        "files": say("Files"),
        "format": say("Format"),
        "from_version": say("Version before"),
        "grant": say("Grant"),
        "incident": say("Incident"),
        "key_kind": say("Kind of key"),
        "method": say("Way"),
        "operation": say("Operation"),
        "passed": say("Passed"),
        "person": say("Person"),
        "plan": say("Plan"),
        "policy": say("Policy"),
        "problems": say("Faults"),
        "program": say("Program"),
        "provider": say("Identity provider"),
        "question": say("Question"),
        "reason": say("Why"),
        "repository": say("Repository"),
        "request": say("Request"),
        "reveal": say("Number of the reveal"),
        "role": say("Role"),
        "rule": say("Rule"),
        "run": say("Run"),
        "seconds": say("Seconds"),
        "session": say("Session"),
        "shares": say("Shares"),
        "size": say("Size"),
        "snapshot": say("Snapshot"),
        "state": say("State"),
        "subject": say("About"),
        "target": say("Target"),
        "threshold": say("Limit"),
        "token": say("Token"),
        "version": say("Version"),
    }
)
"""Of details, by their names in the log."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "unknown_person": say("nobody has this name"),
        "wrong_password": say("wrong password"),
        "disabled": say("the account is disabled"),
        "no_second_factor": say("there is no second factor"),
        "second_factor_needed": say("the second factor was missing"),
        "wrong_code": say("wrong code"),
        "replayed_code": say("the code was used before"),
        "locked": say("the account was locked"),
        "delayed": say("too soon after a failure"),
        "changed_meanwhile": say("changed meanwhile"),
        "wrong_secret": say("wrong secret"),
        "wrong_address": say("from an address that is not allowed"),
        "unknown_passkey": say("unknown passkey"),
        "wrong_passkey": say("wrong passkey"),
        "requested": say("asked for"),
    }
)
"""Why something was refused or done, by what the log has."""


FACTORS: Mapping[str, str] = MappingProxyType(
    {
        "password": say("password"),
        "totp": say("authenticator app"),
        "passkey": say("passkey"),
        "recovery": say("recovery code"),
    }
)
"""What somebody showed to sign in."""


def detail_word(name: str) -> str:
    """What a detail is called; its own name where it has no word."""
    return NAMES.get(name, name)


def factor_word(factor: str) -> str:
    """A factor in words."""
    return FACTORS.get(factor, factor)


def reason_word(reason: str) -> str:
    """A reason in words; as the log has it where there are none."""
    return REASONS.get(reason, reason)
