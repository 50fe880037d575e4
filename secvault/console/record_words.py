"""How what records hold is said to people: titles, values, and how each field is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from babel import Locale, dates, numbers

from secvault.clock import micros_of
from secvault.console.choice_words import choice_word
from secvault.console.language import Language
from secvault.crypto.canonical import JsonValue
from secvault.records.attachment import Attached
from secvault.records.collection import Collection, Field
from secvault.records.value import FieldType
from secvault.service.record_views import RecordView

Shown = Literal["clear", "masked", "withheld", "empty"]

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL})


@dataclass(frozen=True)
class Row:
    """One field of a record, as the visitor may see it.

    text: of a value in clear, or of its mask; of a file, its name. reason: why it is withheld.
    file: what the record says of an attachment that may be downloaded; is_file: whether the field
    holds attachments at all.
    """

    name: str
    title: str
    shown: Shown
    text: str = ""
    reason: str = ""
    revealable: bool = False
    is_file: bool = False
    file: Attached | None = None


def titled(title: Mapping[str, str], language: Language) -> str:
    """A title of a schema in the visitor's language, else in English."""
    return title.get(language.code, title["en"])


def rows_of(view: RecordView, collection: Collection, language: Language) -> tuple[Row, ...]:
    """All fields of the record, in the order of the schema; then those that left the schema."""
    rows = [_row(view, field, language) for field in collection.fields.values()]
    gone = sorted(set(view.withheld) - set(collection.fields))
    rows += [Row(name, name, "withheld", reason=view.withheld[name]) for name in gone]
    return tuple(rows)


def in_words(field: Field, value: JsonValue, language: Language) -> str:
    """A stored value as people of this language write it."""
    locale = Locale.parse(language.code)
    if isinstance(value, bool):
        return language.say("yes") if value else language.say("no")
    if field.type is FieldType.MONEY:
        amount = cast("Mapping[str, Any]", value)
        return f"{_number(amount['amount'], locale)} {amount['currency']}"
    if field.type is FieldType.ATTACHMENT:
        return Attached.of(value).name
    return _text_in_words(field, str(value), language)


def _text_in_words(field: Field, text: str, language: Language) -> str:
    locale = Locale.parse(language.code)
    if field.type is FieldType.CHOICE:
        return choice_word(text, language)
    if field.type in _NUMBERS:
        return _number(text, locale)
    if field.type is FieldType.DATE:
        return dates.format_date(date.fromisoformat(text), "medium", locale)
    if field.type is FieldType.DATETIME:
        return language.moment(micros_of(datetime.fromisoformat(text)))
    return text


def _row(view: RecordView, field: Field, language: Language) -> Row:
    name, title = field.name, titled(field.title, language)
    revealable, is_file = name in view.revealable, field.type is FieldType.ATTACHMENT
    if name in view.fields:
        value = view.fields[name]
        file = Attached.of(value) if is_file else None
        return Row(
            name, title, "clear", in_words(field, value, language), is_file=is_file, file=file
        )
    if name in view.masked:
        text = view.masked[name]
        return Row(name, title, "masked", text, revealable=revealable, is_file=is_file)
    if name in view.withheld:
        reason = view.withheld[name]
        return Row(name, title, "withheld", reason=reason, revealable=revealable, is_file=is_file)
    return Row(name, title, "empty", is_file=is_file)


def _number(text: str, locale: Locale) -> str:
    return numbers.format_decimal(Decimal(text), locale=locale, decimal_quantization=False)
