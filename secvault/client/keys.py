"""Named keys, as far as applications need them: create, read, list, rotate, limits."""

from __future__ import annotations

import msgspec

from secvault.client.call import Answer, Call, Request, one
from secvault.client.paths import Envelope, at, body, read
from secvault.client.transit import MOUNT


class Key(msgspec.Struct, frozen=True):
    """A named key's limits and versions, without its material."""

    name: str
    type: str
    latest_version: int
    min_decryption_version: int
    min_encryption_version: int
    derived: bool
    exportable: bool
    deletion_allowed: bool
    auto_rotate_period: int = 0


class _Names(msgspec.Struct):
    keys: list[str]


class _NewKey(msgspec.Struct, omit_defaults=True):
    type: str
    derived: bool = False
    convergent_encryption: bool = False
    exportable: bool = False
    auto_rotate_period: str = ""


class _Configuration(msgspec.Struct, omit_defaults=True):
    min_decryption_version: int | None = None
    min_encryption_version: int | None = None
    deletion_allowed: bool | None = None
    auto_rotate_period: str | None = None


_KEY = msgspec.json.Decoder(Envelope[Key])
_NAMES = msgspec.json.Decoder(Envelope[_Names])


def create_key(
    key: str,
    *,
    type: str = "aes256-gcm96",  # noqa: A002 - as the engine names it
    derived: bool = False,
    convergent_encryption: bool = False,
    exportable: bool = False,
    auto_rotate_seconds: int = 0,
    mount: str = MOUNT,
) -> Call[Key]:
    """Make a key; one that is there stays as it is, and is given."""
    given = _NewKey(type, derived, convergent_encryption, exportable, _period(auto_rotate_seconds))
    return one(Request("POST", at(mount, "keys", key), body(given)), _key)


def read_key(key: str, *, mount: str = MOUNT) -> Call[Key]:
    """The key. Raises NotFound."""
    return one(Request("GET", at(mount, "keys", key)), _key)


def list_keys(*, mount: str = MOUNT) -> Call[list[str]]:
    """The names of the mount's keys. Raises NotFound when there are none, as the engine has it."""
    asked = Request("GET", f"{at(mount, 'keys')}?list=true")
    return one(asked, lambda answer: read(answer, _NAMES).data.keys)


def rotate_key(key: str, *, mount: str = MOUNT) -> Call[Key]:
    """Add a version, under which all is encrypted from now on.

    Never sent again on its own when the answer is lost: read the key to see whether it happened.
    """
    return one(Request("POST", at(mount, "keys", key, "rotate"), b"{}", repeatable=False), _key)


def configure_key(
    key: str,
    *,
    min_decryption_version: int | None = None,
    min_encryption_version: int | None = None,
    deletion_allowed: bool | None = None,
    auto_rotate_seconds: int | None = None,
    mount: str = MOUNT,
) -> Call[Key]:
    """Change limits; None leaves one as it is."""
    period = None if auto_rotate_seconds is None else f"{auto_rotate_seconds}s"
    given = _Configuration(min_decryption_version, min_encryption_version, deletion_allowed, period)
    return one(Request("POST", at(mount, "keys", key, "config"), body(given)), _key)


def delete_key(key: str, *, mount: str = MOUNT) -> Call[None]:
    """Delete a key that `configure_key` allowed to delete, with all that it encrypted."""
    return one(Request("DELETE", at(mount, "keys", key), repeatable=False), lambda _: None)


def _period(seconds: int) -> str:
    return f"{seconds}s" if seconds else ""


def _key(answer: Answer) -> Key:
    return read(answer, _KEY).data
