"""One more collection of a department, as a form describes it: the policy's files with it in them.

A collection comes into force as any change of the policy does (`operations.plan`, `apply`). What a
form has no place for (indexes, limits, retention) is written into the file afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from secvault.access.bundle import COLLECTIONS, Bundle, bundle_of
from secvault.errors import ConfigurationError, InvalidInput
from secvault.records.collection import Sensitivity
from secvault.records.declared import NAME

_NORMAL = str(Sensitivity.NORMAL)


@dataclass(frozen=True)
class NewField:
    """A field of it. titles: by language. type, sensitivity, mask: words of the file; the mask is
    read of a sensitive field alone. choices: of the type `choice` alone.
    """

    name: str
    titles: Mapping[str, str]
    type: str
    sensitivity: str = _NORMAL
    mask: str = "hidden"
    required: bool = False
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class NewCollection:
    """A collection that is not there yet. titles: by language."""

    department: str
    name: str
    titles: Mapping[str, str]
    fields: tuple[NewField, ...]


def departments_of(bundle: Bundle) -> tuple[str, ...]:
    """The departments whose collections the policy declares, in the order of their files."""
    return tuple(PurePosixPath(name).stem for name in bundle.inside(COLLECTIONS))


def with_collection(bundle: Bundle, new: NewCollection) -> Bundle:
    """The policy with this collection added at the end of its department's file.

    Raises InvalidInput, naming the field, for what cannot be written into a file at all; what the
    file must not say is found by whoever plans or applies it.
    """
    file = f"{COLLECTIONS}/{new.department}.toml"
    if file not in bundle.files:
        raise InvalidInput.at("department", f"use one of {', '.join(departments_of(bundle))}")
    _require_name("name", new.name)
    if any(_declares(text, new.name) for text in bundle.inside(COLLECTIONS).values()):
        raise InvalidInput.at("name", "is the name of a collection that is there; take another")
    if not new.fields:
        raise InvalidInput.at("fields", "a collection needs a field; describe the first one")
    names = [one.name for one in new.fields]
    for number, name in enumerate(names, 1):
        _require_name(f"field {number}", name)
        if names.index(name) != number - 1:
            raise InvalidInput.at(f"field {number}", f"{name} is the name of an earlier field")
    text = bundle.files[file].rstrip("\n") + "\n\n" + "\n".join(_lines(new)) + "\n"
    try:
        return bundle_of({**bundle.files, file: text})
    except ConfigurationError as error:
        raise InvalidInput(error.detail, fields=error.fields) from None


def _lines(new: NewCollection) -> Sequence[str]:
    lines = [f"[collections.{new.name}]", f"title = {_titles(new.titles)}", "version = 1"]
    for one in new.fields:
        lines += [
            "",
            f"[collections.{new.name}.fields.{one.name}]",
            f"title = {_titles(one.titles)}",
            f"type = {_text(one.type)}",
            f"class = {_text(one.sensitivity)}",
        ]
        if one.sensitivity != _NORMAL:
            lines.append(f"mask = {_text(one.mask)}")
        if one.required:
            lines.append("required = true")
        if one.choices:
            lines.append(f"choices = [{', '.join(_text(choice) for choice in one.choices)}]")
    return lines


def _titles(titles: Mapping[str, str]) -> str:
    said = ", ".join(f"{language} = {_text(title)}" for language, title in titles.items() if title)
    return f"{{ {said} }}"


def _text(text: str) -> str:
    # A string of JSON is one of TOML, too; but for DEL, which only TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _declares(text: str, name: str) -> bool:
    return f"[collections.{name}]" in text


def _require_name(at: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInput.at(
            at, "must be a name of a-z, 0-9 and _, a letter first, 63 characters at most"
        )
