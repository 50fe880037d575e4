"""What the tables of the settings have in common."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from secvault.errors import ConfigurationError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _usable_path(path: Path) -> Path:
    if "\0" in str(path) or path == Path():
        raise ValueError("not a path; leave the setting out where it is optional")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, but there is no such home folder") from None


def is_name(name: str) -> bool:
    """Whether a table of names may have this one."""
    return _NAME.fullmatch(name) is not None


def _name(name: str) -> str:
    if not is_name(name):
        raise ValueError("name it with a-z, 0-9, '-' and '_', at most 63, a letter or digit first")
    return name


@cache
def _zones() -> frozenset[str]:
    """The zones of the machine. Looking them up reads hundreds of folders and files."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(
            "not a time zone of the IANA database; write for instance Asia/Ho_Chi_Minh"
        )
    return name


def _without_password(location: str) -> str:
    if re.search(r"//[^/]*@", location):
        raise ValueError("keys have no place here; give access_key_id and secret_access_key")
    return location


Location = Annotated[str, AfterValidator(_without_password)]
Zone = Annotated[str, AfterValidator(_known_zone)]
UsablePath = Annotated[Path, AfterValidator(_usable_path)]
Name = Annotated[str, AfterValidator(_name)]


class Section(BaseModel):
    """A table of the file. Unknown keys are refused; values are never shown in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Else `keep_daily = true` would keep one.
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation in (int, float):
            raise ValueError("write a number, not true or false")
        return value


def file_content(file: Path, key: str) -> str:
    """The text of a file that a setting names. Raises ConfigurationError naming the key."""
    try:
        content = file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{key}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{key}: {file} is not UTF-8 text") from None
    if not content:
        raise ConfigurationError(f"{key}: {file} is empty")
    return content


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
