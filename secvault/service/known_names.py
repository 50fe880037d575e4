"""The sign-in names of those whom an answer names by their ids, for people who read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from secvault.service.approvals.subjects import name_of
from secvault.service.service import Service


def known_names(service: Service, subjects: Iterable[str]) -> Mapping[str, str]:
    """What people know these by; the subject itself where it has no name, or is gone.

    Without a decision of its own: only for whom an operation has told the visitor of just now.
    """
    wanted = {one for one in subjects if one}
    with service.store.read() as connection:
        return {one: name_of(connection, one) for one in wanted}
