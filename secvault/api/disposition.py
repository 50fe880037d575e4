"""The name of a file in Content-Disposition: RFC 6266, RFC 8187."""

from __future__ import annotations

import re
from email.message import Message
from typing import Any
from urllib.parse import quote

from secvault.errors import InvalidInput

# RFC 8187, 3.2.1: attr-char.
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
# What is safe between quotes for every reader: no quote, backslash, or percent sign that some
# would decode (RFC 6266, appendix D).
_UNSAFE = re.compile(r"[^\x20-\x7e]|[\"\\%]")
_LONGEST = 4096


def disposition(name: str) -> str:
    """The header that has a browser save the content under this name, and never show it."""
    plain = _UNSAFE.sub("_", name)
    written = f'attachment; filename="{plain}"'
    if plain == name:
        return written
    return f"{written}; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"


def name_in(header: str | None) -> str:
    """The name of the file that a sender gives, by `filename*` before `filename`.

    Raises InvalidInput when there is none, or it cannot be read. It may still be no name.
    """
    mend = (
        "name the file: attachment; filename*=UTF-8''<name, percent-encoded>, or "
        'filename="<name>" when it is ASCII'
    )
    if not header or len(header) > _LONGEST:
        raise InvalidInput.at("Content-Disposition", mend)
    message = Message()
    # Headers come as Latin-1 from the server; what is not ASCII there is none of RFC 8187's.
    if not header.isascii():
        raise InvalidInput.at("Content-Disposition", f"must be ASCII; {mend}")
    message["Content-Disposition"] = header
    try:
        # What RFC 2231 decodes comes as three parts, which the library's types do not say.
        params: list[tuple[str, Any]] = message.get_params([], "content-disposition")
        said = [value for name, value in params if name.lower() == "filename"]
        for extended in said:
            if isinstance(extended, tuple):
                charset, _, text = extended
                return _decoded(text, charset or "")
    except (UnicodeError, LookupError, ValueError):
        raise InvalidInput.at("Content-Disposition", mend) from None
    if not said or not said[0]:
        raise InvalidInput.at("Content-Disposition", mend)
    return str(said[0])


def _decoded(text: str, charset: str) -> str:
    # RFC 2231 puts the decoded bytes one in a character.
    if charset.lower() != "utf-8":
        raise ValueError(charset)
    return text.encode("latin-1").decode("utf-8")
