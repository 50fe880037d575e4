"""What is sent at once: events that follow each other in the log, each as one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import msgspec

from secvault import __version__
from secvault.audit.leaf import StoredEvent
from secvault.crypto.merkle import leaf_hash

FormName: TypeAlias = Literal["json", "ocsf", "cef"]

MOST_BYTES = 4 * 2**20
"""Of the leaves of one batch, unless a single one is larger."""


class Undelivered(Exception):
    """The receiver did not acknowledge. Its text is a code, for instance `unreachable`."""


@dataclass(frozen=True)
class Batch:
    """Events without a gap between them, at least one, and what each is sent as.

    stream: its name. form: json (the exact leaf), ocsf or cef. origin: the log's name.
    """

    stream: str
    events: tuple[StoredEvent, ...]
    form: FormName
    origin: str = ""

    @property
    def first(self) -> int:
        """Sequence number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """Sequence number of the last event."""
        return self.events[-1].seq

    def lines(self) -> list[bytes]:
        """Each event in the batch's form: one line of UTF-8 without its end."""
        if self.form == "json":
            # The very bytes that are stored, hashed and proven.
            return [stored.body for stored in self.events]
        # Loaded only where a stream asks for it.
        if self.form == "cef":
            from secvault.audit.formats import cef_format  # noqa: PLC0415

            return [
                cef_format.line(stored, version=__version__, origin=self.origin).encode()
                for stored in self.events
            ]
        from secvault.audit.formats import ocsf_format  # noqa: PLC0415

        product = {"name": "secvault", "vendor_name": "secvault", "version": __version__}
        return [
            msgspec.json.encode(ocsf_format.document(stored, origin=self.origin, product=product))
            for stored in self.events
        ]


class Destination(Protocol):
    """A receiver."""

    def deliver(self, batch: Batch) -> None:
        """Return when the receiver has acknowledged all of it.

        Raises Undelivered, ConfigurationError. What was sent before that may have arrived.
        """


def hash_of(stored: StoredEvent) -> str:
    """The leaf's hash in the log's tree (RFC 6962), hexadecimal: what a copy is checked by."""
    return leaf_hash(stored.body).hex()
