"""What is sent at once: events that follow each other in the log, each as one text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from secvault.audit.leaf import StoredEvent
from secvault.crypto.merkle import leaf_hash
from secvault.errors import ConfigurationError

MOST_BYTES = 4 * 2**20
"""Of the leaves of one batch, unless a single one is larger."""


class Undelivered(Exception):
    """The receiver did not acknowledge. Its text is a code, for instance `unreachable`."""


class Form(Protocol):
    """How one event is written: one line of text, UTF-8, without its end."""

    def __call__(self, stored: StoredEvent, /) -> bytes:
        """The line."""


@dataclass(frozen=True)
class Batch:
    """Events without a gap between them, at least one, and what each is sent as.

    stream: its name. form: see `FORMS`.
    """

    stream: str
    events: tuple[StoredEvent, ...]
    form: str

    @property
    def first(self) -> int:
        """Sequence number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """Sequence number of the last event."""
        return self.events[-1].seq

    def lines(self) -> list[bytes]:
        """Each event in the batch's form. Raises ConfigurationError."""
        written = form_of(self.form)
        return [written(stored) for stored in self.events]


class Destination(Protocol):
    """A receiver."""

    def deliver(self, batch: Batch) -> None:
        """Return when the receiver has acknowledged all of it.

        Raises Undelivered, ConfigurationError. What was sent before that may have arrived.
        """


def hash_of(stored: StoredEvent) -> str:
    """The leaf's hash in the log's tree (RFC 6962), hexadecimal: what a copy is checked by."""
    return leaf_hash(stored.body).hex()


def exact_leaf(stored: StoredEvent) -> bytes:
    """The very bytes that are stored, hashed and proven."""
    return stored.body


FORMS: Mapping[str, Form] = MappingProxyType({"json": exact_leaf})
"""By the name in the settings."""


def form_of(name: str) -> Form:
    """The form of this name. Raises ConfigurationError."""
    form = FORMS.get(name)
    if form is None:
        raise ConfigurationError(f"format: this program does not write {name}; use json")
    return form
