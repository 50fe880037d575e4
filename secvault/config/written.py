"""The settings as a file that can be read again, without what is secret in them.

It goes into backups beside the database: what was set, by the file or by variables, and nothing
that is as the program has it anyway. A secret is left out, with a remark in its place: one of them
may open the seal, and a backup alone opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr

from secvault.config.model import Settings

_HEAD = (
    "What was set when this copy was made, by the file of settings and by variables. Secrets are",
    "left out, and so are the files that are named here: put both back before you start with it.",
)
_SECRET = "is a secret and was left out; set it again"  # noqa: S105 - a sentence
_NO_TEXT = "is not UTF-8 and was left out; set it again"


def is_secret(key: str, value: object) -> bool:
    """Whether the value of a setting must not be shown. key: dotted."""
    # Who knows the address of a dead man's switch can keep it quiet.
    return isinstance(value, SecretStr) or key.endswith(".ping_url")


def settings_text(settings: Settings) -> str:
    """What was set, as TOML; `load` makes the same settings of it, but for the secrets."""
    import tomlkit  # noqa: PLC0415 - only backups need it

    file, remarks = tomlkit.document(), [*_HEAD]
    kept = _kept(settings.model_dump(mode="python", exclude_unset=True), "", remarks)
    for remark in remarks:
        file.add(tomlkit.comment(remark))
    file.update(kept)
    return tomlkit.dumps(file)


def _kept(values: Mapping[str, Any], before: str, remarks: list[str]) -> dict[str, Any]:
    """What is written of a table; a remark for what is not. A table of secrets alone is not."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            inner = _kept(value, f"{key}.", remarks)
            if inner or not value:
                kept[name] = inner
        elif value is None:
            continue
        elif is_secret(key, value):
            if _is_given(value):
                remarks.append(f"{key} {_SECRET}")
        else:
            plain = _plain(value)
            if _is_text(plain):
                kept[name] = plain
            else:
                remarks.append(f"{key} {_NO_TEXT}")
    # Tables last: what is behind the head of one is in it.
    return dict(sorted(kept.items(), key=lambda one: isinstance(one[1], dict)))


def _is_given(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _plain(value: object) -> Any:
    """The value in types that TOML has."""
    match value:
        case Mapping():
            return {
                name: "" if is_secret(f".{name}", one) else _plain(one)
                for name, one in value.items()
                if one is not None
            }
        case tuple() | list():
            return [_plain(one) for one in value]
        case PurePath():
            return str(value)
    return value


def _is_text(value: object) -> bool:
    match value:
        case Mapping():
            return all(_is_text(one) for one in value.values())
        case list():
            return all(map(_is_text, value))
        case str():
            return value.encode("utf-8", "replace").decode() == value
    return True
