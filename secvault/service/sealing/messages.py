"""What the sealer and the others say to each other: JSON objects, one a line."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TypeVar

import msgspec

from secvault.errors import Unavailable

LONGEST_LINE = 64 * 1024
_NEWLINE = b"\n"


class Message(msgspec.Struct, frozen=True, tag_field="is", forbid_unknown_fields=True):
    """One line."""


class Confidential(Message, frozen=True):
    """One that holds a secret, and does not show it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


# What is asked, one to a connection, and answered by one of the answers below.


class Watch(Message, frozen=True, tag="watch"):
    """Tell me now and from now on whether the vault is open; I hold its keys. Answered by news."""

    program: str


class AskStatus(Message, frozen=True, tag="status"):
    """How is it."""


class AskUnseal(Confidential, frozen=True, tag="unseal"):
    """Take this share or passphrase; none: open by yourself. remote: it came over the network."""

    key: str | None = None
    reset: bool = False
    remote: bool = True


class AskSeal(Message, frozen=True, tag="seal"):
    """Forget the root, and see to it that all others do; then answer.

    recorded: whether the audit log has it; else the status says so until `TellRecorded`.
    """

    recorded: bool = True


class TellRecorded(Message, frozen=True, tag="recorded"):
    """The audit log knows by now of the sealing that it did not know of."""


class AskRoot(Message, frozen=True, tag="root"):
    """Read the store's present root, tell all who watch, and me."""


class AskWrap(Confidential, frozen=True, tag="wrap"):
    """Put this root under the present seal."""

    key: bytes
    generation: int


class TellResealed(Confidential, frozen=True, tag="resealed"):
    """The seal was changed. key: of a seal that people open."""

    kind: str
    parameters: str
    key: bytes | None = None


# Answers, and news to those who watch.


class Status(Message, frozen=True, tag="is-status"):
    """How the vault is. threshold, shares, progress: of the shares; nonce: of this unsealing.

    unrecorded: it is, or was, sealed in a way that the audit log knows nothing of yet.
    """

    kind: str = "unknown"
    initialized: bool = True
    sealed: bool = True
    threshold: int = 0
    shares: int = 0
    progress: int = 0
    nonce: str = ""
    vault_id: str = ""
    storage: str = ""
    unrecorded: bool = False


class Opened(Confidential, frozen=True, tag="opened"):
    """The root. number: to be acknowledged by who watches."""

    vault_id: str
    key: bytes
    generation: int
    number: int = 0


class Closed(Message, frozen=True, tag="closed"):
    """The vault is sealed: answer nothing more, drop all keys, then acknowledge."""

    number: int


class Done(Message, frozen=True, tag="done"):
    """It is done; of who watches: news of this number were heeded."""

    number: int = 0


class WrappedRoot(Message, frozen=True, tag="wrapped"):
    """A root under the present seal."""

    kind: str
    parameters: str
    root: bytes


class Failed(Message, frozen=True, tag="failed"):
    """What was asked was not done. code: of an error of `secvault.errors`."""

    code: str
    detail: str
    field: str = ""
    retry_after: int = 0


Asked = Watch | AskStatus | AskUnseal | AskSeal | TellRecorded | AskRoot | AskWrap | TellResealed
Told = Status | Opened | Closed | Done | WrappedRoot | Failed

M = TypeVar("M")


class Broken(Unavailable):
    """The other side is gone, or said what cannot be understood."""

    code = "sealer-unavailable"
    title = "The sealer cannot be reached"


class Ended(Broken):
    """The other side closed the connection."""


class Channel:
    """Lines over a connected socket. One thread may receive while others send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    def send(self, message: Message) -> None:
        """Send one message. Raises Broken."""
        try:
            self._connection.sendall(msgspec.json.encode(message) + _NEWLINE)
        except OSError:
            raise Broken("the connection to the sealer broke") from None

    def receive(self, kinds: type[M] | object, seconds: float | None = None) -> M | None:
        """The next message of these kinds; None when there was none in so many seconds.

        Raises Broken at the end, and for anything that is no such message.
        """
        try:
            self._connection.settimeout(seconds)
            while _NEWLINE not in self._rest:
                came = self._connection.recv(16 * 1024)
                if not came:
                    raise Ended("the connection to the sealer ended")
                self._rest += came
                if len(self._rest) > LONGEST_LINE:
                    raise Broken("a line was too long")
        except TimeoutError:
            return None
        except OSError:
            raise Broken("the connection to the sealer broke") from None
        line, _, self._rest = self._rest.partition(_NEWLINE)
        try:
            made: M = msgspec.json.decode(line, type=kinds)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            # Not chained: the fault may quote what came, which may be a key.
            raise Broken("a line was no message; are both of the same version?") from None
        return made

    def interrupt(self) -> None:
        """Let who receives see the end; the other side is not told."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close the connection; who receives on it is told so."""
        # It may be gone already, which is what is wanted.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
