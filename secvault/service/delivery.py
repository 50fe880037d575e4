"""The seam for sending an invitation to who is invited.

Whoever invites sees the code once and hands it over, unless they ask for it to be sent; then nobody
here sees it. How something is sent (mail, chat) belongs to whoever implements `Delivery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from secvault.errors import InvalidInput
from secvault.identity.invitations import Issued
from secvault.identity.people import Person


class Delivery(Protocol):
    """How a code reaches the person it is for."""

    def require(self, contact: str) -> None:
        """Return when something can be sent there. Raises InvalidInput; before anything is made."""
        ...

    def send(self, person: Person, issued: Issued) -> None:
        """Send the code to `person.contact`. Raises Unavailable; the invitation is there then, and
        can be issued anew.
        """
        ...


@dataclass(frozen=True)
class HandedOver:
    """Sends nothing: codes are shown to who invites."""

    def require(self, contact: str) -> None:  # noqa: ARG002
        """Say so."""
        raise InvalidInput.at("send", "nothing can be sent from here; hand the code over yourself")

    def send(self, person: Person, issued: Issued) -> None:  # noqa: ARG002
        """Never asked, since `require` refuses."""
        raise AssertionError("nothing can be sent")
