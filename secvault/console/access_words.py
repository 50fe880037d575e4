"""An explanation as the page shows it: the operations' own words, in the visitor's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secvault.access.conditions import ALWAYS, read_condition, single
from secvault.access.explanation import Matched
from secvault.access.remedies import Remedy
from secvault.access.words import between, circumstance
from secvault.errors import SecvaultError
from secvault.service.explanations import Explained


@dataclass(frozen=True)
class Mend:
    """What one change would do: all of the steps are needed. rule: that would allow it then."""

    steps: tuple[Remedy, ...]
    rule: str = ""


@dataclass(frozen=True)
class ToldRule:
    """A rule about the request. circumstance: when it counts; empty for always."""

    matched: Matched
    circumstance: str


@dataclass(frozen=True)
class Told:
    """An explanation in words. name: of whom. own: it is about the visitor.

    verdict: may, may_not or needs_approval. reason: as the subject reads it. mends: for an
    administrator; own_mends: what the subject can do, said to them. admin: the reason in full, in
    English; empty for who may not read it.
    """

    name: str
    subject: str
    own: bool
    verdict: str
    reason: str
    own_mends: tuple[str, ...]
    mends: tuple[Mend, ...]
    rules: tuple[ToldRule, ...]
    admin: str
    names: Mapping[str, str]
    event: int | None

    @property
    def is_person(self) -> bool:
        """Whether it is about a person, who has a page."""
        return self.subject.startswith("user:")


def told(made: Explained, visitor: str, language: str) -> Told:
    """The explanation in words. visitor: the subject who reads it."""
    whole = made.explanation
    subject = whole.request.subject
    said = [step for miss in whole.near for step in miss.remedies]
    return Told(
        made.names.get(subject, subject),
        subject,
        subject == visitor,
        whole.verdict,
        whole.reasons[language],
        tuple(one.text(language) for one in whole.own_remedies),
        (
            *(Mend((one,)) for one in whole.remedies if one not in said),
            *(Mend(miss.remedies, miss.rule) for miss in whole.near),
        )
        if made.in_full
        else (),
        tuple(ToldRule(one, condition_in(one.condition.name, language)) for one in whole.matched)
        if made.in_full
        else (),
        whole.reason_admin if made.in_full else "",
        made.names,
        made.stored.seq if made.stored and made.in_full else None,
    )


def condition_in(name: str, language: str) -> str:
    """A condition in words; empty for the one that always holds, its name where none are known."""
    if name == ALWAYS:
        return ""
    try:
        parts = [one for one in single(read_condition(name)) if one.kind]
        texts = [circumstance(one.kind, language, parameter=one.parameter) for one in parts]
    except (SecvaultError, KeyError, ValueError):
        return name
    return between("all", language).join(texts) or name
