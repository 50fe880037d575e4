"""The words of the log for people: outcomes, departments, questions that ship, and columns.

What the product says in English elsewhere stands here once more, where translators find it; a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from secvault.audit.questions.saved import SavedQuestion
from secvault.console.audit_kinds import kind_word, say

__all__ = ("column_word", "department_word", "kind_word", "outcome_word", "question_words")

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "ok": say("done"),
        "denied": say("refused"),
        "error": say("failed"),
        "intent": say("begun"),
        "unknown": say("end unknown"),
    }
)
"""How an event ended."""

DEPARTMENTS: Mapping[str, str] = MappingProxyType(
    {
        "accounting": say("Accounting"),
        "hr": say("Human resources"),
        "production": say("Production"),
        "quality": say("Quality control"),
        "analysis": say("Data analysis"),
        "administration": say("Administration"),
        "logistics": say("Logistics"),
        "settlement": say("Settlement"),
        "it": say("IT"),
    }
)
"""What departments are called."""

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "Seq": say("Seq"),
        "Time": say("Time"),
        "Local time": say("Local time"),
        "Who": say("Who"),
        "What": say("What"),
        "Outcome": say("Outcome"),
        "On": say("On"),
        "Department": say("Department"),
        "Fields": say("Fields"),
        "Count": say("Count"),
        "Factors": say("Factors"),
        "Session": say("Session"),
        "Rule": say("Rule"),
        "Decision": say("Decision"),
        "Request": say("Request"),
        "Scenario": say("Scenario"),
        "Refused for": say("Refused for"),
        "From": say("From"),
        "Failures": say("Failures"),
        "First": say("First"),
        "Last": say("Last"),
        "Why": say("Why"),
        "Locked out": say("Locked out"),
        "Success after them": say("Success after them"),
        "Its number": say("Its number"),
        "Changed by": say("Changed by"),
        "Whose": say("Whose"),
        "Role": say("Role"),
        "Until": say("Until"),
        "Approval": say("Approval"),
        "Approved by": say("Approved by"),
        "Reason": say("Reason"),
        "Kind": say("Kind"),
        "Id": say("Id"),
        "Name": say("Name"),
        "State": say("State"),
        "Since": say("Since"),
        "Last used": say("Last used"),
        "Grants": say("Grants"),
        "Emergency": say("Emergency"),
        "Format": say("Format"),
        "Bytes": say("Bytes"),
        "Digest": say("Digest"),
        "Asked": say("Asked"),
        "By": say("By"),
        "For": say("For"),
        "About": say("About"),
        "Refused by": say("Refused by"),
        "Done": say("Done"),
        "By whom": say("By whom"),
        "Digest of what was approved": say("Digest of what was approved"),
        "Plan": say("Plan"),
        "How it went": say("How it went"),
        "Run": say("Run"),
        "Passed": say("Passed"),
        "Seconds": say("Seconds"),
        "Version": say("Version"),
        "Before": say("Before"),
        "Setting": say("Setting"),
    }
)
"""The titles of answers."""

QUESTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "who-saw": (
            say("Who saw this record"),
            say(
                "Everybody who read, searched, listed, decrypted or exported a record, or "
                "tried to, and what was done with the whole collection that it lies in."
            ),
        ),
        "who-saw-person": (
            say("Who looked at this person's data"),
            say(
                "Everything that names a person whom it is about: looked at, changed, "
                "their factors, their sessions, their erasure."
            ),
        ),
        "what-did": (
            say("What did this person or system do"),
            say("Everything that somebody did, or tried to."),
        ),
        "failed-sign-ins": (
            say("Failed sign-ins"),
            say(
                "Failures by whom they were tried and from which network, whether they "
                "locked somebody out, and whether somebody came in within the hour after "
                "them."
            ),
        ),
        "refusals": (
            say("What was refused"),
            say("Every denied attempt, with why."),
        ),
        "privilege-changes": (
            say("Changes of rights"),
            say(
                "Every grant, eligibility, exception and policy that was given, changed "
                "or taken away, by whom, and who approved it."
            ),
        ),
        "after-hours": (
            say("Decryptions after hours"),
            say("Values that were opened outside the company's working hours."),
        ),
        "dormant-accounts": (
            say("Dormant accounts"),
            say(
                "People, systems and tokens that were never used or not for so many days, "
                "and grants of accounts that are disabled."
            ),
        ),
        "break-glass": (
            say("Use of break-glass"),
            say(
                "Every emergency: who broke the glass, what was begun, ended, lapsed and reviewed."
            ),
        ),
        "exports": (
            say("Exports"),
            say(
                "Everything that left the vault as a file: records, reports about people, "
                "keys, the log."
            ),
        ),
        "four-eyes": (
            say("Approvals by a second person"),
            say("Every request: who asked for what, who approved or refused it, and who did it."),
        ),
        "backups-and-drills": (
            say("Backups missed and drills failed"),
            say("Runs of backups and drills that failed, were cut off or did not take place."),
        ),
        "restore-drills": (
            say("Restore drills, scenarios and the recovery kit"),
            say(
                "Every drill and scenario with its verdict, drills that were missed or "
                "are overdue, when the recovery kit was issued or went stale, and "
                "recoveries."
            ),
        ),
        "keys-and-settings": (
            say("Changes of keys and settings"),
            say(
                "Keys that were made, rotated, imported, exported or deleted, the root "
                "and the seal, mounts, schedules, and settings."
            ),
        ),
    }
)
"""By name: the title, and what it answers in a sentence."""


def outcome_word(outcome: str) -> str:
    """How an event ended, as a message."""
    return OUTCOMES.get(outcome, outcome)


def department_word(department: str) -> str:
    """What a department is called, as a message."""
    return DEPARTMENTS.get(department, department)


def column_word(title: str) -> str:
    """The title of a column, as a message; that of a fact which nobody named, as it is."""
    return COLUMNS.get(title, title)


def question_words(question: SavedQuestion) -> tuple[str, str]:
    """The title of a question that ships, and what it answers, as messages."""
    return QUESTIONS.get(question.name, (question.title, question.told))
