"""Names in paths, and JSON going out and coming in."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from secvault.client.call import Answer
from secvault.client.errors import Unexpected, WrongUse

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T]):
    """What the transit engine wraps around every answer."""

    data: T


def at(mount: str, *names: str) -> str:
    """The path `/v1/<mount>/<names>`. Raises WrongUse for an empty name or one with a slash."""
    return f"/v1/{joined(*mount.strip('/').split('/'))}/{joined(*names)}"


def joined(*names: str) -> str:
    """The names as a path. Raises WrongUse for an empty name, one with a slash, `.` and `..`."""
    for name in names:
        if not name or "/" in name or name in (".", ".."):
            raise WrongUse(f"not a name in a path: {name[:40]!r}")
    return "/".join(quote(name, safe="") for name in names)


def read(answer: Answer, decoder: msgspec.json.Decoder[T]) -> T:
    """The body. Raises Unexpected."""
    try:
        return decoder.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Without the parser's words, which may repeat a value.
        raise Unexpected(f"an answer of status {answer.status} is not as the API says") from None


def to_bytes(value: bytes | str, what: str) -> bytes:
    """The bytes of a value; of text, its UTF-8. Raises WrongUse."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise WrongUse(f"{what} has half a surrogate pair, which has no UTF-8 form") from None
    if not isinstance(value, bytes | bytearray | memoryview):
        raise WrongUse(f"{what} must be bytes or str, not {type(value).__name__}")
    return bytes(value)


def body(value: Any) -> bytes:
    """The JSON of a request; bytes in it become base64."""
    return msgspec.json.encode(value)
