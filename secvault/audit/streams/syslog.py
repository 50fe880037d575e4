"""Syslog messages (RFC 5424), over TLS with octet counting (RFC 5425), TCP (RFC 6587) or UDP.

Syslog has no acknowledgement. Over TLS one is made of its end: we close our side with
close_notify, and the receiver, which must answer that with its own (RFC 5425, 4.4), can only do so
after it has read all that came before. Over TCP it is the receiver's orderly end after ours. A
connection that ends otherwise has delivered nothing. What a receiver has read, but lost before it
was on its disk, is sent again as far as `overlap` reaches, once a connection breaks. UDP tells
nothing: there a batch counts as delivered when it was sent.
"""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from secvault.audit.event import Outcome
from secvault.audit.leaf import StoredEvent
from secvault.audit.streams.batch import Batch, Undelivered, hash_of
from secvault.clock import timestamp
from secvault.errors import ConfigurationError

LOG_AUDIT = 13
"""The facility `log audit` (RFC 5424, table 1)."""
PEN = 32473
"""The enterprise number of examples (RFC 5612): we have none of our own."""
MOST_BYTES_OF_UDP = 65_507

Transport = Literal["tls", "tcp", "udp"]

_TRANSPORTS: dict[str, Transport] = {"tls": "tls", "tcp": "tcp", "udp": "udp"}
_SEVERITIES: dict[Outcome, int] = {"ok": 6, "intent": 6, "unknown": 5, "denied": 4, "error": 3}
_ALERT, _ALERT_SEVERITY = "audit.alert", 2
_NO_PRINT = re.compile(r"[^\x21-\x7e]")
_TO_ESCAPE = re.compile(r'(["\\\]])')
_BOM = b"\xef\xbb\xbf"


def message(stored: StoredEvent, text: bytes, host: str) -> bytes:
    """The syslog message of an event. text: in the stream's form. host: of this machine."""
    event = stored.event
    severity = _ALERT_SEVERITY if event.kind == _ALERT else _SEVERITIES[event.outcome]
    elements = {
        "seq": str(stored.seq),
        "id": stored.id,
        "leaf": hash_of(stored),
        "kind": event.kind,
        "outcome": event.outcome,
        "actor": event.actor.subject,
    }
    data = "".join(f' {name}="{_escaped(value)}"' for name, value in elements.items())
    head = (
        f"<{LOG_AUDIT * 8 + severity}>1 {timestamp(stored.t)} {_printable(host, 255)} secvault "
        f"{_printable(stored.number.start, 128)} {_printable(event.kind, 32)} "
        f"[secvault@{PEN}{data}] "
    )
    # What is not ASCII must begin with the mark (RFC 5424, 6.4); parsers of JSON stumble over it.
    return head.encode() + (text if text.isascii() else _BOM + text)


@dataclass(frozen=True)
class Syslog:
    """A syslog receiver. name: of the stream, for errors. ours: name of this machine."""

    name: str
    transport: Transport
    host: str
    port: int
    ours: str
    seconds: float = 10.0
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def deliver(self, batch: Batch) -> None:
        """See `Destination`."""
        messages = [
            message(stored, line, self.ours)
            for stored, line in zip(batch.events, batch.lines(), strict=True)
        ]
        try:
            if self.transport == "udp":
                self._by_datagrams(messages)
            else:
                framed = b"".join(b"%d %b" % (len(each), each) for each in messages)
                self._by_connection(framed)
        except ssl.SSLCertVerificationError:
            raise Undelivered("certificate_refused") from None
        except ssl.SSLError:
            raise Undelivered("tls_failed") from None
        except TimeoutError:
            raise Undelivered("timeout") from None
        except OSError:
            raise Undelivered("unreachable") from None

    def _by_datagrams(self, messages: list[bytes]) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as sender:
            for each in messages:
                if len(each) > MOST_BYTES_OF_UDP:
                    raise Undelivered("too_large")
                sender.sendto(each, address)

    def _by_connection(self, framed: bytes) -> None:
        trust = self.context() if self.transport == "tls" else None
        reached = socket.create_connection((self.host, self.port), timeout=self.seconds)
        with closing(reached):
            if trust is None:
                reached.sendall(framed)
                reached.shutdown(socket.SHUT_WR)
                _read_to_the_end(reached)
                return
            # It takes the socket over; what is left of a broken handshake is closed by it.
            with trust.wrap_socket(reached, server_hostname=self.host) as secured:
                secured.sendall(framed)
                # Sends close_notify and waits for the receiver's. An end without one raises.
                secured.unwrap().close()

    def context(self) -> ssl.SSLContext:
        """Whom the receiver's certificate must come from. Raises ConfigurationError."""
        return trust_of(self.name, self.ca_file, self.certificate_file, self.key_file)


def transport(scheme: str) -> Transport:
    """What an address of this scheme is reached by; the settings let no other scheme pass."""
    return _TRANSPORTS[scheme]


def trust_of(
    name: str, ca_file: Path | None, certificate_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    """TLS 1.2 or later, the host's name checked. Raises ConfigurationError with the setting."""
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError):
        raise _unusable(name, "ca_file", f"{ca_file} holds no certificates") from None
    if certificate_file is not None:
        try:
            context.load_cert_chain(str(certificate_file), str(key_file))
        except (OSError, ssl.SSLError):
            mend = f"{certificate_file} and {key_file} are no certificate with its key"
            raise _unusable(name, "certificate_file", mend) from None
    return context


def _unusable(name: str, key: str, mend: str) -> ConfigurationError:
    return ConfigurationError(f"audit.streams.{name}.{key}: {mend}")


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _printable(text: str, most: int) -> str:
    return _NO_PRINT.sub("-", text)[:most] or "-"


def _escaped(value: str) -> str:
    return _TO_ESCAPE.sub(r"\\\1", value)
