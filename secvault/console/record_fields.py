"""Records as forms: an input for each field of a schema, and what was typed as values.

Names of inputs begin with `f.`, so that no field of a company collides with those of the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import Depends, Request

from secvault.console.choice_words import choice_word
from secvault.console.language import Language
from secvault.console.record_words import titled
from secvault.crypto.canonical import JsonValue
from secvault.errors import FieldError
from secvault.records.collection import Field
from secvault.records.value import FieldType

Kind = Literal["text", "lines", "choice", "yes-no", "date", "money"]

PREFIX = "f."
_CURRENCY = ".currency"
_INTEGER = re.compile(r"-?[0-9]{1,16}")
_KINDS: Mapping[FieldType, Kind] = {
    FieldType.CHOICE: "choice",
    FieldType.BOOLEAN: "yes-no",
    FieldType.DATE: "date",
    FieldType.MONEY: "money",
}
_EXAMPLES: Mapping[FieldType, str] = {
    FieldType.DATETIME: "2026-05-31T14:30:00+07:00",
    FieldType.DECIMAL: "12.5",
}


@dataclass(frozen=True)
class Input:
    """One input of a form.

    choices: what is offered, each with its word. value, currency: what stands in it. in_clear:
    whether it shows the stored value, so that emptying it removes that. masked: what is shown of a
    value that is not shown in clear. problem: what is wrong with what was typed.
    """

    name: str
    title: str
    kind: Kind
    required: bool
    longest: int
    choices: tuple[tuple[str, str], ...] = ()
    currencies: tuple[str, ...] = ()
    value: str = ""
    currency: str = ""
    in_clear: bool = False
    masked: str = ""
    example: str = ""
    problem: str = ""


async def _typed(request: Request) -> Mapping[str, str]:
    """What was typed, by field; files are none of it."""
    form = await request.form()
    return {
        name.removeprefix(PREFIX): value
        for name, value in form.items()
        if name.startswith(PREFIX) and isinstance(value, str)
    }


Typed = Annotated[Mapping[str, str], Depends(_typed)]


def input_of(field: Field, language: Language) -> Input:
    """The empty input of a field."""
    kind = _KINDS.get(field.type, "lines" if field.limits.multi_line else "text")
    return Input(
        field.name,
        titled(field.title, language),
        kind,
        field.required,
        field.limits.max_length if field.type is FieldType.TEXT else 100,
        tuple((one, choice_word(one, language)) for one in field.limits.choices),
        field.limits.currencies,
        currency=field.limits.currency or "",
        example=_EXAMPLES.get(field.type, ""),
    )


def with_value(one: Input, value: JsonValue) -> Input:
    """The input with what is stored."""
    if isinstance(value, Mapping):
        return replace(one, value=str(value["amount"]), currency=str(value["currency"]))
    if isinstance(value, bool):
        return replace(one, value="true" if value else "false")
    return replace(one, value=str(value))


def with_typed(one: Input, typed: Mapping[str, str]) -> Input:
    """The input with what was typed into it."""
    currency = typed.get(f"{one.name}{_CURRENCY}", one.currency)
    return replace(one, value=typed.get(one.name, one.value), currency=currency)


def with_problems(inputs: Iterable[Input], faults: Iterable[FieldError]) -> tuple[Input, ...]:
    """The inputs with what is wrong at each."""
    of = {fault.field.partition(".")[0]: fault.detail for fault in reversed(tuple(faults))}
    return tuple(replace(one, problem=of.get(one.name, "")) for one in inputs)


def value_of(field: Field, typed: Mapping[str, str]) -> JsonValue:
    """What was typed for a field, as operations take it; None for nothing."""
    text = typed.get(field.name, "")
    if not text.strip():
        return None
    # Spaces at the ends are part of a text, and of nothing else.
    plain = text if field.type is FieldType.TEXT else text.strip()
    return as_value(field, plain, typed.get(f"{field.name}{_CURRENCY}", ""))


def as_value(field: Field, text: str, currency: str = "") -> JsonValue:
    """A text as a value of the field's type. What makes no sense stays as it is: the schema refuses
    it with the mend.
    """
    if field.type is FieldType.INTEGER and _INTEGER.fullmatch(text):
        return int(text)
    if field.type is FieldType.BOOLEAN:
        return {"true": True, "false": False}.get(text.lower(), text)
    if field.type is FieldType.MONEY and currency.strip():
        return {"amount": text, "currency": currency.strip().upper()}
    return text
