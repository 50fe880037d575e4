"""Sending an invitation to who is invited, by the mail of the settings.

Whoever invites sees the code once and hands it over, unless they ask for it to be sent; then nobody
here sees it: it is in that mail and nowhere else, so that it does not go by the outbox.
"""

from __future__ import annotations

from secvault.errors import InvalidInput, Unavailable
from secvault.identity import names
from secvault.identity.contacts import Contact
from secvault.identity.invitations import Issued
from secvault.identity.people import Person
from secvault.notices.words import message
from secvault.service.notifications import mail_to, when
from secvault.service.service import Service

INVITATION = "invitation"
"""The words of the mail."""


def require_way(service: Service, address: str, field: str = "contact") -> None:
    """Return when something can be sent there; to be asked before anything is made.

    Raises InvalidInput at `send` where no mail is set up, at `field` without an address;
    ConfigurationError.
    """
    if not service.settings.notifications.mail.given:
        raise InvalidInput.at(
            "send", "nothing can be sent from here: set notifications.mail, or hand the code over"
        )
    if not address:
        raise InvalidInput.at(field, "there is no address to send the code to")
    mail_to(service, address).check()


def send_code(service: Service, person: Person, contact: Contact, issued: Issued) -> None:
    """Send the code to the person's address, in their language; takes up to 20 seconds.

    Returns once the mail server has taken it. Raises Unavailable; the invitation is there then, and
    can be issued anew.
    """
    language = contact.language or service.settings.notifications.language
    values = {
        "id": names.new_id(service.clock),
        "organisation": service.settings.organisation,
        "when": when(service.clock.micros()),
        "until": when(issued.expires_at),
        "name": person.display_name,
        "who": person.name,
        "code": issued.code.text(),
    }
    said = message(INVITATION, language, "person", values)
    if not mail_to(service, contact.address).send(said):
        raise Unavailable(
            f"the mail server did not take the code for {person.name}, who is invited; "
            "invite them again when it works, or hand the new code over yourself"
        )
