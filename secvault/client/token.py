"""Where the token comes from, and what is done when the server no longer takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from secvault.client.errors import WrongUse
from secvault.client.retry import Attempts, Talk
from secvault.client.secret import Secret

TokenSource: TypeAlias = "str | Secret | Path | Callable[[], str | Secret]"
"""A token, the file that holds it (read again when it is refused), or a function that gives it."""


class Credential(Protocol):
    """What a client proves itself with."""

    def token(self, attempts: Attempts) -> Talk[Secret]:
        """The present token; got from the server where that is the way."""
        ...

    def refused(self, token: Secret, attempts: Attempts) -> Talk[bool]:
        """Told that the server answered 403 to this token: whether another one is to be tried."""
        ...


@dataclass
class Given:
    """A token that somebody else looks after: read once, and again when it is refused."""

    read: Callable[[], Secret] = field(repr=False)
    _present: Secret | None = field(default=None, init=False, repr=False)

    def token(self, attempts: Attempts) -> Talk[Secret]:  # noqa: ARG002
        """See Credential. Raises WrongUse."""
        yield from ()
        present = self._present
        if present is None:
            present = self._present = self.read()
        return present

    def refused(self, token: Secret, attempts: Attempts) -> Talk[bool]:  # noqa: ARG002
        """See Credential."""
        yield from ()
        fresh = self._present = self.read()
        return fresh != token


def given(source: TokenSource) -> Given:
    """The credential for a token. Raises WrongUse for what can be no token."""
    read = reader(source, "the token")
    if not isinstance(source, Path) and not callable(source):
        read()
    return Given(read)


def reader(source: TokenSource, what: str) -> Callable[[], Secret]:
    """A function that gives what the source holds now; it raises WrongUse when that is nothing."""

    def read() -> Secret:
        found: str | Secret
        if isinstance(source, Path):
            found = _content(source, what)
        else:
            found = source() if callable(source) else source
        text = found.text() if isinstance(found, Secret) else found
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise WrongUse(f"{what} is empty, or holds what no header can: spaces, line breaks")
        return Secret(text)

    return read


def _content(file: Path, what: str) -> str:
    try:
        return file.read_text("ascii").strip()
    except OSError as error:
        raise WrongUse(f"{what}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{what}: {file} is not ASCII text") from None
