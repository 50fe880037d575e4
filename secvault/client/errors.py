"""What can go wrong between an application and the service, named by what happened.

No error carries a token, a plaintext or a ciphertext: only the server's own words, the status and
the request id under which the server logged it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from secvault.client.call import Answer, Fault


class ClientError(Exception):
    """All errors of this client."""


class WrongUse(ClientError, ValueError):
    """The client was given what it cannot send: an address, a name or a value. Nothing was sent."""


class Unreachable(ClientError):
    """No answer came, within the total time allowed.

    may_have_happened: whether the request may have reached the server all the same.
    """

    def __init__(self, detail: str, may_have_happened: bool) -> None:  # noqa: FBT001 - pickled
        super().__init__(detail, may_have_happened)
        self.detail = detail
        self.may_have_happened = may_have_happened

    def __str__(self) -> str:
        return self.detail


class Unexpected(ClientError):
    """An answer came that the API does not give: something else answers at the address."""


class Refusal(ClientError):
    """The server answered with an error.

    status: HTTP status. errors: the server's words. request_id: names the request in its log;
    empty when it gave none. retry_after: seconds, where the server named them.
    """

    def __init__(
        self,
        status: int,
        errors: tuple[str, ...],
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, errors, request_id, retry_after)
        self.status = status
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        said = "; ".join(self.errors) or "the server gave no reason"
        named = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status}: {said}{named}"


class BadRequest(Refusal):
    """The request is not valid: a wrong context, a damaged ciphertext, an unknown option."""


class TooLarge(BadRequest):
    """The request is larger than the server takes."""


class NotAuthenticated(Refusal):
    """No session or token, or one that has ended (401, on the record API)."""


class NotAllowed(Refusal):
    """The policy says no, or the token is missing, wrong, expired or revoked."""


class NotFound(Refusal):
    """There is no such key, mount or record."""


class Conflict(Refusal):
    """It exists already, or is in a state that does not allow this."""


class VersionMismatch(Refusal):
    """Somebody else changed the record since it was read."""


class TooMany(Refusal):
    """The server asks for fewer requests; see `retry_after`."""


class Sealed(Refusal):
    """The vault is sealed, starting, or lacks a part that it needs (503)."""


class ServerFault(Refusal):
    """The server or a proxy before it failed."""


_KINDS: Mapping[int, type[Refusal]] = MappingProxyType(
    {
        401: NotAuthenticated,
        403: NotAllowed,
        404: NotFound,
        409: Conflict,
        412: VersionMismatch,
        413: TooLarge,
        429: TooMany,
        503: Sealed,
    }
)
_MOST_WORDS = 500


class _Body(msgspec.Struct):
    """Both forms: the transit engine's `errors`, and problem details (RFC 9457)."""

    errors: list[Any] = []
    detail: str = ""
    request_id: str = ""


def refusal(answer: Answer) -> Refusal:
    """The error that an answer other than a success stands for."""
    try:
        body = msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        body = _Body()
    words = [body.detail] if body.detail else [each for each in body.errors if type(each) is str]
    said = tuple(each[:_MOST_WORDS] for each in words)
    request_id = body.request_id or answer.request_id
    return _kind(answer.status)(answer.status, said, request_id, answer.retry_after)


def unreachable(fault: Fault, address: str) -> Unreachable:
    """The error that a fault stands for when it is not tried again."""
    return Unreachable(f"{address} did not answer: {fault.what}", fault.may_have_happened)


def _kind(status: int) -> type[Refusal]:
    if status >= 500:
        return _KINDS.get(status, ServerFault)
    return _KINDS.get(status, BadRequest)
