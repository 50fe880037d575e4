"""`secvault sign-in --provider`: in a browser on this machine, which comes back to a port of it.

RFC 8252, 7.3: the program listens on the loopback address for as long as the sign-in takes, for
one answer, and tells the browser nothing but that it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from secvault.cli import ask, operations, show
from secvault.errors import NotAuthenticated, Unavailable

if TYPE_CHECKING:
    from secvault.clock import Clock
    from secvault.identity.oidc.provider import Returned
    from secvault.identity.sign_in import SignedIn
    from secvault.service.service import Service

PATH = "/callback"
SECONDS = 600.0
_READ_SECONDS = 5.0
_LONGEST = 4096
_DONE = b"You can close this page and go back to the terminal.\n"


def sign_in(service: Service, provider: str) -> SignedIn:
    """Sign in by this provider. Raises NotFound, NotAuthenticated, Unavailable."""
    federation = operations.federation
    port = federation.provider_of(service, provider).settings.loopback_port
    with listening(port) as answers:
        begun = federation.begin(service, provider, answers.redirect_uri)
        show.talk(f"Open this address in a browser on this machine:\n\n{begun.url}\n")
        returned = answers.wait(service.clock)
    way = federation.Way(answers.redirect_uri)
    completed = federation.complete(service, provider, returned, begun.browser, way)
    if isinstance(completed, federation.SecondFactorNeeded):
        code = ask.secret("The 6-digit code that the app shows now")
        return federation.show_second_factor(service, completed.request.text(), code)
    assert not isinstance(completed, federation.Linked)  # noqa: S101 - nothing was to be linked
    return completed


class Answers:
    """A port of the loopback address to which the browser comes back."""

    def __init__(self, server: HTTPServer, found: list[Returned]) -> None:
        self._server = server
        self._found = found

    @property
    def redirect_uri(self) -> str:
        """Where the browser comes back to."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def wait(self, clock: Clock) -> Returned:
        """What the browser brought. Raises NotAuthenticated when it does not come in time."""
        until = clock.monotonic() + SECONDS
        while not self._found and clock.monotonic() < until:
            self._server.timeout = min(1.0, until - clock.monotonic())
            self._server.handle_request()
        if not self._found:
            raise NotAuthenticated("nobody signed in at the provider in time; begin anew")
        return self._found[0]


@contextmanager
def listening(port: int) -> Iterator[Answers]:
    """A port that answers while the block runs; 0 for any. Raises Unavailable when it is taken."""
    found: list[Returned] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != PATH or len(self.path) > 2 * _LONGEST:
                self.send_error(404)
                return
            query = parse_qs(parts.query, max_num_fields=16)
            given = {name: values[0][:_LONGEST] for name, values in query.items()}
            found.append(
                operations.federation.Returned(
                    given.get("state", ""),
                    given.get("code", ""),
                    given.get("iss", ""),
                    given.get("error", ""),
                )
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(_DONE)))
            self.end_headers()
            self.wfile.write(_DONE)

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the line would hold the code."""

    try:
        server = HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Unavailable(f"port {port} of this machine cannot be used: {error.strerror}") from None
    try:
        yield Answers(server, found)
    finally:
        server.server_close()
