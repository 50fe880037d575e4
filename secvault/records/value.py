"""The types of fields: what may come in as JSON, and the one form in which it is stored.

What `parse_value` returns is canonical: two inputs that mean the same are stored alike, and a
stored value given in again comes back unchanged. It fits canonical JSON: ASCII keys, no floats,
integers below 2**53, text in Unicode normal form C. No error ever repeats the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records import identifier
from secvault.records.currency import CURRENCY_DECIMALS

LARGEST_INTEGER = 2**53 - 1
"""Beyond it a JSON number is no longer exact in every language (RFC 7493, 2.2)."""

LONGEST_TEXT = 20_000
"""The largest `max_length` that a collection may ask for, in code points."""

MOST_DECIMALS = 9
_MOST_WHOLE_DIGITS = 18

# No precomposed character decomposes into more code points than this, so a text that is longer
# by this factor is too long in normal form C as well and need not be normalised to know it.
_MOST_CODE_POINTS_PER_CHARACTER = 4
# Normalising sorts each run of combining marks, in quadratic time. Unicode's stream-safe format
# (UAX #15, section 13) knows no honest text with a longer run.
_LONGEST_RUN_OF_MARKS = 30

_NUMBER = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# Bidirectional embeddings, overrides and isolates let a text show other than what it says.
_BIDI_CONTROL = "\u202a-\u202e\u2066-\u2069"
_LINE_BREAK = "\u2028\u2029"
_UNSAFE_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_BIDI_CONTROL}]")
_UNSAFE_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_BIDI_CONTROL}{_LINE_BREAK}]")


class FieldType(StrEnum):
    """What a field holds."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    EMAIL = "email"
    PHONE = "phone"
    ACCOUNT = "account"
    IDENTITY_NUMBER = "identity_number"
    TAX_CODE = "tax_code"
    SOCIAL_INSURANCE_NUMBER = "social_insurance_number"
    IBAN = "iban"
    CARD = "card"
    CHOICE = "choice"
    ATTACHMENT = "attachment"


@dataclass(frozen=True)
class Limits:
    """What a field allows within its type; each type reads only its own.

    text: max_length in code points after normalisation; multi_line allows line feed and tab.
    integer, decimal, money: minimum and maximum, both allowed themselves.
    decimal, money: decimals, the most digits after the point (money: the currency's own if None).
    money: currency is taken where the input names none; currencies are the ones allowed, all
    of ISO 4217 if empty. choice: the allowed texts. attachment: max_bytes, beside the limit of the
    installation; types, the allowed media types, the usual ones if empty.
    """

    max_length: int = 500
    multi_line: bool = False
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    decimals: int | None = None
    currency: str | None = None
    currencies: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    max_bytes: int | None = None
    types: tuple[str, ...] = ()


_ATTACHMENT_KEYS = frozenset({"attachment", "name", "size", "type", "sha256"})
_ATTACHMENT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE_NAME = Limits(max_length=255)
# RFC 6838, 4.2, in lower case and without parameters.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_SHA_256 = re.compile(r"[0-9a-f]{64}")


def parse_value(type_: FieldType, limits: Limits, value: JsonValue, at: str) -> JsonValue:
    """Return the stored form of one JSON value.

    at: the name of the field, for the error. `null` is no value of any type. Raises InvalidInput
    at the field, without the value, if type, shape, characters or limits do not fit.
    """
    return _PARSERS[type_](value, limits, at)


def _string(value: JsonValue, at: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput.at(at, f"must be a text, not {_kind(value)}")
    return value


def _text(value: JsonValue, limits: Limits, at: str) -> str:
    text = _string(value, at)
    if len(text) > limits.max_length * _MOST_CODE_POINTS_PER_CHARACTER:
        raise InvalidInput.at(at, f"is longer than {limits.max_length} characters")
    if not (text.isascii() and text.isprintable()):
        if limits.multi_line:
            # Forms in browsers send CR LF for every line feed.
            text = text.replace("\r\n", "\n")
        _check_characters(text, at, multi_line=limits.multi_line)
        text = unicodedata.normalize("NFC", text)
    if len(text) > limits.max_length:
        raise InvalidInput.at(at, f"is longer than {limits.max_length} characters")
    # What shows nothing is nothing, and searching compares no format characters.
    if all(char.isspace() or unicodedata.category(char) == "Cf" for char in text):
        raise InvalidInput.at(at, "is blank; leave the field out if there is nothing to say")
    return text


def _check_characters(text: str, at: str, *, multi_line: bool) -> None:
    unsafe = (_UNSAFE_LINES if multi_line else _UNSAFE_LINE).search(text)
    if unsafe is not None:
        code = ord(unsafe.group())
        mend = "remove it" if multi_line or code not in (9, 10, 13) else "write it on one line"
        raise InvalidInput.at(at, f"contains the forbidden character U+{code:04X}; {mend}")
    run = 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run > _LONGEST_RUN_OF_MARKS:
            raise InvalidInput.at(
                at, f"has more than {_LONGEST_RUN_OF_MARKS} combining marks on one letter"
            )


def _integer(value: JsonValue, limits: Limits, at: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput.at(at, f"must be a whole number, not {_kind(value)}")
    if abs(value) > LARGEST_INTEGER:
        raise InvalidInput.at(at, f"must lie between -{LARGEST_INTEGER} and {LARGEST_INTEGER}")
    _check_range(Decimal(value), limits, at)
    return value


def _decimal(value: JsonValue, limits: Limits, at: str) -> str:
    number = _number(value, 6 if limits.decimals is None else limits.decimals, at)
    _check_range(Decimal(number), limits, at)
    return number


def _money(value: JsonValue, limits: Limits, at: str) -> dict[str, JsonValue]:
    if isinstance(value, Mapping):
        if not set(value) <= {"amount", "currency"} or "amount" not in value:
            raise InvalidInput.at(
                at, 'must have "amount" and "currency" and nothing else, like'
                ' {"amount": "12500000", "currency": "VND"}',
            )  # fmt: skip
        amount, currency = value["amount"], value.get("currency", limits.currency)
    else:
        amount, currency = value, limits.currency
    if currency is None:
        raise InvalidInput.at(
            at, 'must name its currency, like {"amount": "12500000", "currency": "VND"}'
        )
    if not isinstance(currency, str) or currency not in CURRENCY_DECIMALS:
        raise InvalidInput.at(
            f"{at}.currency", "is not a currency of ISO 4217; write three capitals, like VND"
        )
    if limits.currencies and currency not in limits.currencies:
        raise InvalidInput.at(f"{at}.currency", f"must be one of {', '.join(limits.currencies)}")
    own_decimals = CURRENCY_DECIMALS[currency]
    decimals = own_decimals if limits.decimals is None else max(limits.decimals, own_decimals)
    number = _number(amount, decimals, f"{at}.amount" if isinstance(value, Mapping) else at)
    _check_range(Decimal(number), limits, at)
    whole, _, fraction = number.partition(".")
    fraction = fraction.ljust(own_decimals, "0")
    return {"amount": f"{whole}.{fraction}" if fraction else whole, "currency": currency}


def _number(value: JsonValue, decimals: int, at: str) -> str:
    """Plain digits: no plus sign, no leading or trailing zeros, no exponent, no minus zero."""
    if isinstance(value, float):
        raise InvalidInput.at(
            at, 'must be sent as text, like "12.50": a JSON number with a point loses digits'
        )
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidInput.at(at, f'must be a number as text, like "12.50", not {_kind(value)}')
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise InvalidInput.at(at, "is too large for a JSON number; send it as text")
        value = str(value)
    # Zeros in front count too: nobody writes them by the hundred, and the text stays bounded.
    match = _NUMBER.fullmatch(value) if len(value) <= 64 else None
    if match is None:
        raise InvalidInput.at(
            at, 'is not a number; write digits and a point, like "1250.5", without separators'
        )
    whole, fraction = match[1].lstrip("0") or "0", (match[2] or "").rstrip("0")
    if len(whole) > _MOST_WHOLE_DIGITS:
        raise InvalidInput.at(at, f"has more than {_MOST_WHOLE_DIGITS} digits before the point")
    if len(fraction) > decimals:
        raise InvalidInput.at(at, f"has more than {decimals} digits after the point")
    plain = f"{whole}.{fraction}" if fraction else whole
    return f"-{plain}" if value.startswith("-") and plain != "0" else plain


def _check_range(number: Decimal, limits: Limits, at: str) -> None:
    if limits.minimum is not None and number < limits.minimum:
        raise InvalidInput.at(at, f"must be {limits.minimum} or more")
    if limits.maximum is not None and number > limits.maximum:
        raise InvalidInput.at(at, f"must be {limits.maximum} or less")


def _boolean(value: JsonValue, _limits: Limits, at: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput.at(at, f"must be true or false, not {_kind(value)}")
    return value


def _date(value: JsonValue, _limits: Limits, at: str) -> str:
    text = _string(value, at)
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise InvalidInput.at(at, "is not a day of the calendar") from error
    raise InvalidInput.at(at, "is not a date; write it like 2026-05-31 (ISO 8601)")


def _datetime(value: JsonValue, _limits: Limits, at: str) -> str:
    text = _string(value, at)
    if not _DATETIME.fullmatch(text):
        raise InvalidInput.at(
            at, "is not a moment; write it like 2026-05-31T14:30:00+07:00 (RFC 3339)"
        )
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput.at(at, "is not a day and time of the calendar") from error
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _choice(value: JsonValue, limits: Limits, at: str) -> str:
    if not isinstance(value, str) or value not in limits.choices:
        raise InvalidInput.at(at, f"must be one of {', '.join(limits.choices)}")
    return value


def _attachment(value: JsonValue, _limits: Limits, at: str) -> dict[str, JsonValue]:
    """What stands in the record for a file that is stored beside it."""
    if not isinstance(value, Mapping) or set(value) != _ATTACHMENT_KEYS:
        raise InvalidInput.at(at, f"must have {', '.join(sorted(_ATTACHMENT_KEYS))}, no more")
    name = _text(value["name"], _FILE_NAME, f"{at}.name")
    if "/" in name or "\\" in name:
        raise InvalidInput.at(f"{at}.name", "must be the name of a file without a folder")
    size = value["size"]
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= LARGEST_INTEGER:
        raise InvalidInput.at(f"{at}.size", "must be a number of bytes")
    return {
        "attachment": _shaped(value["attachment"], _ATTACHMENT_ID, f"{at}.attachment", "an id"),
        "name": name,
        "size": size,
        "type": _shaped(value["type"], _MEDIA_TYPE, f"{at}.type", "a media type, like image/png"),
        "sha256": _shaped(value["sha256"], _SHA_256, f"{at}.sha256", "64 digits of hexadecimal"),
    }


def _shaped(value: JsonValue, shape: re.Pattern[str], at: str, what: str) -> str:
    text = _string(value, at)
    if not shape.fullmatch(text):
        raise InvalidInput.at(at, f"must be {what}")
    return text


def _identifier(
    parse: Callable[[str, str], str],
) -> Callable[[JsonValue, Limits, str], JsonValue]:
    return lambda value, _limits, at: parse(_string(value, at), at)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a text" if isinstance(value, str) else "a list or an object"


_PARSERS: Mapping[FieldType, Callable[[JsonValue, Limits, str], JsonValue]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.MONEY: _money,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.EMAIL: _identifier(identifier.email_address),
    FieldType.PHONE: _identifier(identifier.phone_number),
    FieldType.ACCOUNT: _identifier(identifier.account_number),
    FieldType.IDENTITY_NUMBER: _identifier(identifier.identity_number),
    FieldType.TAX_CODE: _identifier(identifier.tax_code),
    FieldType.SOCIAL_INSURANCE_NUMBER: _identifier(identifier.social_insurance_number),
    FieldType.IBAN: _identifier(identifier.iban),
    FieldType.CARD: _identifier(identifier.card_number),
    FieldType.CHOICE: _choice,
    FieldType.ATTACHMENT: _attachment,
}
