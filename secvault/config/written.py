"""The settings as a file that can be read again, without what is secret in them.

It goes into backups beside the database: what was set, by the file or by variables, and nothing
that is as the program has it anyway. A secret is left out, with a remark in its place: one of them
may open the seal, and a backup alone opens nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr

from secvault.config.model import Settings

_HEAD = """\
# What was set when this copy was made, by the file of settings and by variables. Secrets are left
# out, and so are the files that are named here: put both back before you start with it.
"""
_SECRET = "is a secret and was left out; set it again"  # noqa: S105 - a sentence
_NO_TEXT = "is not UTF-8 and was left out; set it again"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def is_secret(key: str, value: object) -> bool:
    """Whether the value of a setting must not be shown. key: dotted."""
    # Who knows the address of a dead man's switch can keep it quiet.
    return isinstance(value, SecretStr) or key.endswith(".ping_url")


def settings_text(settings: Settings) -> str:
    """What was set, as TOML; `load` makes the same settings of it, but for the secrets."""
    lines = _lines(settings.model_dump(mode="python", exclude_unset=True), "")
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _lines(values: Mapping[str, Any], before: str) -> Iterator[str]:
    for name, value in values.items():
        key = before + _key(name)
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{key}.")
        elif value is None:
            continue
        elif is_secret(key, value):
            if _is_given(value):
                yield f"# {key} {_SECRET}"
        else:
            line = f"{key} = {_value(value)}"
            yield line if _is_text(line) else f"# {key} {_NO_TEXT}"


def _is_given(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Mapping():
            given = {name: one for name, one in value.items() if one is not None}
            shown = {name: "" if is_secret(f".{name}", one) else one for name, one in given.items()}
            return (
                f"{{{', '.join(f'{_key(name)} = {_value(one)}' for name, one in shown.items())}}}"
            )
        case tuple() | list():
            return f"[{', '.join(map(_value, value))}]"
        case str() | PurePath():
            return _quoted(str(value))
    raise TypeError(f"a setting of the type {type(value).__name__} cannot be written")


def _quoted(text: str) -> str:
    # As JSON has it, but for the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
