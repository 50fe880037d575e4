"""The names behind the subjects that the log knows by ids alone, for those who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from secvault.errors import InvalidInput
from secvault.identity import names
from secvault.service.approvals.subjects import name_of
from secvault.service.audit_log import LOG
from secvault.service.explanations import subject_named
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation

PEOPLE = Operation("person.read", "it", "people", "it/people")

_NAMED = ("user", "svc")


def names_for(service: Service, caller: Caller, subjects: Iterable[str]) -> Mapping[str, str]:
    """What these subjects are called now, as far as the caller may read people; nothing for others.

    Without a record: it belongs to the answer in which the subjects are.
    """
    wanted = {one for one in subjects if one.partition(":")[0] in _NAMED}
    if not wanted or not service.spine.ask(caller, PEOPLE).allowed:
        return {}
    with service.store.read() as connection:
        return {subject: name_of(connection, subject) for subject in sorted(wanted)}


def subject_meant(service: Service, caller: Caller, text: str) -> str:
    """The subject that a reader of the log means: by a name, an id, or all of a sort (`svc:`).

    Whoever may not read the log is told nothing: the text comes back as it is. Raises InvalidInput.
    """
    kind, separator, name = text.partition(":")
    if not text or kind in ("local", "system") or (separator and not name):
        return text
    if not service.spine.ask(caller, LOG).allowed:
        return text
    try:
        with service.store.read() as connection:
            return subject_named(connection, text)
    except InvalidInput:
        # Somebody who is gone is known by the id alone.
        if kind in _NAMED and names.is_id(name):
            return text
        raise InvalidInput.at("who", "there is nobody of this name") from None
