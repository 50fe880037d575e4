"""Every type of field by properties, with any Unicode.

However a value is written, it is stored in one way, comes back as it was stored, and its masks show
what they state and nothing more.
"""

from __future__ import annotations

import string
import unicodedata
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
import stdnum.vn.mst
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import luhn

from secvault.crypto.canonical import canonical_json
from secvault.crypto.field import FieldAddress, open_field, seal_field
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.records.currency import CURRENCY_DECIMALS
from secvault.records.identifier import tax_check_digit
from secvault.records.mask import HIDDEN, MASK_TYPES, Mask, masked
from secvault.records.normal_form import normal_form
from secvault.records.value import FieldType, Limits, parse_value

pytestmark = pytest.mark.slow

PLAIN = Limits()
KEY = Secret(bytes(range(32)))
AT = FieldAddress("payroll", "pay-1", "field")
LETTERS = string.ascii_letters + string.digits
Written = st.SearchStrategy[tuple[Any, Any]]
"""What somebody types, and how it is stored."""


@dataclass(frozen=True)
class Kind:
    """A type with what may be written into it. marks: what people put between the characters."""

    type: FieldType
    written: Written
    limits: Limits = PLAIN
    marks: str = ""


def digits(least: int, most: int | None = None, first: str = string.digits) -> Any:
    rest = st.text(string.digits, min_size=least - 1, max_size=(most or least) - 1)
    return st.tuples(st.sampled_from(first), rest).map("".join)


@st.composite
def with_marks(draw: Any, text: str, marks: str) -> str:
    places = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(
        one + (draw(st.sampled_from(marks)) if here else "")
        for one, here in zip(text, places, strict=True)
    )


@st.composite
def codes(draw: Any, plain: Any, marks: str, *, any_case: bool = False) -> tuple[str, str]:
    stored = draw(plain)
    typed = stored.lower() if any_case and draw(st.booleans()) else stored
    return draw(with_marks(typed, marks))[:64], stored


@st.composite
def texts(draw: Any) -> tuple[str, str]:
    text = draw(st.text(min_size=1, max_size=200))
    try:
        parse_value(FieldType.TEXT, Limits(), text, "field")
    except InvalidInput:
        assume(False)
    return (
        unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), text),
        unicodedata.normalize("NFC", text),
    )


@st.composite
def decimals(draw: Any, places: int = 6) -> tuple[str, str]:
    whole = draw(st.integers(0, 10**17))
    fraction = draw(st.text(string.digits, max_size=places)).rstrip("0")
    sign = "-" if draw(st.booleans()) and (whole or fraction) else ""
    zeros = "0" * draw(st.integers(0, 5)), "0" * draw(st.integers(0, 5))
    point = "." if fraction or zeros[1] else ""
    stored = f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
    return f"{sign}{zeros[0]}{whole}{point}{fraction}{zeros[1]}", stored


@st.composite
def amounts(draw: Any) -> tuple[Any, Any]:
    currency = draw(st.sampled_from(sorted(CURRENCY_DECIMALS)))
    typed, plain = draw(decimals(CURRENCY_DECIMALS[currency]))
    whole, _, fraction = plain.partition(".")
    fraction = fraction.ljust(CURRENCY_DECIMALS[currency], "0")
    amount = f"{whole}.{fraction}" if fraction else whole
    return {"amount": typed, "currency": currency}, {"amount": amount, "currency": currency}


@st.composite
def moments(draw: Any) -> tuple[str, str]:
    zone = timezone(timedelta(minutes=draw(st.integers(-14 * 60, 14 * 60))))
    moment = draw(st.datetimes(timezones=st.just(UTC)))
    assume(2 <= moment.year <= 9998)
    stored = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return moment.astimezone(zone).isoformat(), stored


@st.composite
def addresses(draw: Any) -> tuple[str, str]:
    atom = st.text(LETTERS + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=15)
    local = ".".join(draw(st.lists(atom, min_size=1, max_size=4)))
    labels = draw(st.lists(st.text(LETTERS, min_size=1, max_size=20), min_size=2, max_size=4))
    domain = ".".join(labels)
    return f"{local}@{domain}", f"{local}@{domain.lower()}"


@st.composite
def phones(draw: Any) -> tuple[str, str]:
    mobile = digits(9, first="35789")
    national = draw(mobile | digits(10, first="2"))
    typed = draw(st.sampled_from(["0", "+84", "0084"])) + national
    return draw(with_marks(typed, " .-()"))[:64], f"+84{national}"


@st.composite
def tax_codes(draw: Any) -> str:
    base = draw(digits(9))
    check = tax_check_digit(base)
    assume(check is not None)
    branch = draw(st.none() | st.integers(1, 999))
    return f"{base}{check}" if branch is None else f"{base}{check}-{branch:03}"


@st.composite
def ibans(draw: Any) -> str:
    country, bban = draw(
        st.tuples(st.just("DE"), digits(18))
        | st.tuples(
            st.just("GB"),
            st.tuples(st.text(string.ascii_uppercase, min_size=4, max_size=4), digits(14)).map(
                "".join
            ),
        )
    )
    # ISO 13616: 98 minus the remainder of the number with its country and 00 behind it.
    number = int("".join(str(int(one, 36)) for one in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02}{bban}"


@st.composite
def attachments(draw: Any) -> tuple[Any, Any]:
    name = draw(texts())[1].replace("/", "_").replace("\\", "_")
    value = {
        "attachment": draw(st.text("0123456789abcdef", min_size=1, max_size=32)),
        "name": name,
        "size": draw(st.integers(0, 2**53 - 1)),
        "type": draw(st.sampled_from(["image/png", "application/pdf", "text/csv"])),
        "sha256": draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
    }
    return value, value


CARDS = digits(11, 18, first="123456789").map(lambda base: base + luhn.calc_check_digit(base))
# A digit first, so that none of them is an IBAN.
ACCOUNTS = st.tuples(
    st.sampled_from(string.digits),
    st.text(string.ascii_uppercase + string.digits, min_size=5, max_size=25),
).map("".join)


def alike(values: Any) -> Written:
    return values.map(lambda value: (value, value))


KINDS = [
    Kind(FieldType.TEXT, texts()),
    Kind(FieldType.INTEGER, alike(st.integers(-(2**53) + 1, 2**53 - 1))),
    Kind(FieldType.DECIMAL, decimals()),
    Kind(FieldType.MONEY, amounts()),
    Kind(FieldType.BOOLEAN, alike(st.booleans())),
    Kind(FieldType.DATE, alike(st.dates().map(lambda day: day.isoformat()))),
    Kind(FieldType.DATETIME, moments()),
    Kind(FieldType.EMAIL, addresses()),
    Kind(FieldType.PHONE, phones(), marks=" .-()"),
    Kind(FieldType.ACCOUNT, codes(ACCOUNTS, " -", any_case=True), marks=" -"),
    Kind(FieldType.IDENTITY_NUMBER, codes(digits(9) | digits(12), " ."), marks=" ."),
    Kind(FieldType.TAX_CODE, codes(tax_codes(), " .-()"), marks=" .-()"),
    Kind(
        FieldType.SOCIAL_INSURANCE_NUMBER,
        codes(digits(10) | digits(12), " .-()"),
        marks=" .-()",
    ),
    Kind(FieldType.IBAN, codes(ibans(), " -", any_case=True), marks=" -"),
    Kind(FieldType.CARD, codes(CARDS, " -"), marks=" -"),
    Kind(
        FieldType.CHOICE,
        alike(st.sampled_from(["draft", "đã trả"])),
        Limits(choices=("draft", "đã trả")),
    ),
    Kind(FieldType.ATTACHMENT, attachments()),
]
CODES = [kind for kind in KINDS if kind.marks]
BY_NAME = {"argvalues": KINDS, "ids": [str(kind.type) for kind in KINDS]}


def test_no_type_is_left_out() -> None:
    assert {kind.type for kind in KINDS} == set(FieldType)


@pytest.mark.parametrize("kind", **BY_NAME)
@given(data=st.data())
def test_however_it_is_written_it_is_stored_in_one_way_and_comes_back_as_it_was(
    kind: Kind, data: st.DataObject
) -> None:
    typed, stored = data.draw(kind.written)
    assert parse_value(kind.type, kind.limits, typed, "field") == stored
    assert parse_value(kind.type, kind.limits, stored, "field") == stored
    assert canonical_json(stored)
    opened = open_field(seal_field(stored, KEY, AT), KEY, AT)
    assert opened == stored
    assert type(opened) is type(stored)


@pytest.mark.parametrize("kind", **BY_NAME)
@given(data=st.data())
def test_what_searching_compares_is_the_same_for_every_spelling(
    kind: Kind, data: st.DataObject
) -> None:
    if kind.type is FieldType.ATTACHMENT:
        return  # no index is made for it
    typed, stored = data.draw(kind.written)
    form = normal_form(kind.type, parse_value(kind.type, kind.limits, typed, "field"))
    assert form == normal_form(kind.type, stored)
    assert form
    if kind.marks:
        assert form.isascii()
        assert form.isalnum()
        assert form.upper() == form


@pytest.mark.parametrize("kind", **BY_NAME)
@given(data=st.data())
def test_a_mask_shows_what_it_states_of_every_type_that_it_is_made_for(
    kind: Kind, data: st.DataObject
) -> None:
    _, stored = data.draw(kind.written)
    for mask in (one for one in Mask if kind.type in MASK_TYPES[one]):
        shown = masked(mask, stored)
        if mask is Mask.HIDDEN or not isinstance(stored, str):
            assert shown == HIDDEN
            continue
        bare, left = _bare(stored), _bare(shown)
        assert shown != stored
        match mask:
            case Mask.LAST4:
                assert bare.endswith(left)
                assert len(left) == (4 if len(bare) >= 8 else 0)
            case Mask.FIRST2:
                assert bare.startswith(left)
                assert len(left) == (2 if len(bare) >= 4 else 0)
            case Mask.INITIALS:
                assert len(left) <= min(5, len(bare) // 2)
            case Mask.YEAR:
                assert shown == f"{stored[:4]}-••-••"
            case Mask.EMAIL_DOMAIN:
                assert shown == f"{HIDDEN}@{stored.rpartition('@')[2]}"
            case Mask.COUNTRY_LAST4:
                assert shown == f"{stored[:2]}{HIDDEN}{stored[-4:]}"


def taken(kind: Kind, text: str) -> tuple[Any, str]:
    """What a text is stored as, or None and why it is refused."""
    try:
        return parse_value(kind.type, kind.limits, text, "field"), ""
    except InvalidInput as refused:
        return None, refused.detail


@pytest.mark.parametrize("kind", CODES, ids=[str(kind.type) for kind in CODES])
@given(data=st.data(), odd=st.characters())
def test_any_character_within_a_number_is_a_mark_that_says_nothing_or_is_refused(
    kind: Kind, data: st.DataObject, odd: str
) -> None:
    typed, stored = data.draw(kind.written)
    at = data.draw(st.integers(0, len(typed)))
    spoilt = typed[:at] + odd + typed[at:]
    found, said = taken(kind, spoilt)
    if found is None:
        assert spoilt not in said
        assert typed not in said
        assert stored not in said
        assert odd not in kind.marks or len(spoilt) > 64
        return
    assert isinstance(found, str)
    assert found.isascii()
    # Another digit may make another number; nothing else does.
    assert found == stored or (odd.isascii() and odd.isalnum())


@pytest.mark.parametrize("kind", CODES, ids=[str(kind.type) for kind in CODES])
@given(text=st.text(max_size=80))
def test_no_text_is_taken_for_a_number_that_is_none(kind: Kind, text: str) -> None:
    found, said = taken(kind, text)
    if found is None:
        assert len(text) < 7 or text not in said
        return
    assert isinstance(found, str)
    assert parse_value(kind.type, kind.limits, found, "field") == found
    assert set(_bare(found)) <= set(string.ascii_uppercase + string.digits)


@given(st.text(string.digits, min_size=10, max_size=10) | digits(13))
def test_a_tax_code_is_what_python_stdnum_takes_for_one(number: str) -> None:
    held = taken(Kind(FieldType.TAX_CODE, st.nothing()), number)[0] is not None
    assert held == stdnum.vn.mst.is_valid(number)


@given(CARDS | ibans(), st.data())
def test_a_mistyped_digit_of_a_card_or_iban_is_found(good: str, data: st.DataObject) -> None:
    type_ = FieldType.IBAN if good[0].isalpha() else FieldType.CARD
    at = data.draw(st.sampled_from([n for n, one in enumerate(good) if one.isdigit()]))
    other = data.draw(st.sampled_from(sorted(set(string.digits) - {good[at]})))
    with pytest.raises(InvalidInput, match=r"check|digit"):
        parse_value(type_, Limits(), good[:at] + other + good[at + 1 :], "field")


REFUSED: list[tuple[FieldType, Any, str]] = [
    (FieldType.IBAN, "DE89 3704 0044 0532 0130 01", "check digits are wrong"),
    (FieldType.IBAN, "DE89 3704 0044 0532 0130 0", "check digits are wrong"),
    (FieldType.IBAN, "ZZ89370400440532013000", "country"),
    (FieldType.IBAN, "0011002233445", "write it like DE89"),
    (FieldType.CARD, "4111 1111 1111 1112", "last digit"),
    (FieldType.CARD, "0000000000000", "12 to 19 digits"),
    (FieldType.CARD, "４１１１１１１１１１１１１１１１", "12 to 19 digits"),
    (FieldType.CARD, 4111111111111111, "must be a text"),
    (FieldType.SOCIAL_INSURANCE_NUMBER, "01234567", "10 digits"),
    (FieldType.SOCIAL_INSURANCE_NUMBER, "01234567890", "10 digits"),
    (FieldType.SOCIAL_INSURANCE_NUMBER, "٠١٢٣٤٥٦٧٨٩", "10 digits"),
    (FieldType.ATTACHMENT, "contract.pdf", "must have attachment, name"),
    (FieldType.ATTACHMENT, {"attachment": "a"}, "must have attachment, name"),
]
FILE = {
    "attachment": "a1",
    "name": "hợp đồng.pdf",
    "size": 5,
    "type": "application/pdf",
    "sha256": "0" * 64,
}
REFUSED += [
    (FieldType.ATTACHMENT, FILE | wrong, said)
    for wrong, said in (
        ({"more": 1}, "no more"),
        ({"attachment": "../a"}, "field.attachment: must be an id"),
        ({"name": "a/b"}, "without a folder"),
        ({"name": "a\\b"}, "without a folder"),
        ({"name": "a\u202eb"}, r"U\+202E"),
        ({"name": ""}, "blank"),
        ({"size": -1}, "number of bytes"),
        ({"size": True}, "number of bytes"),
        ({"size": 1.0}, "number of bytes"),
        ({"type": "pdf"}, "media type"),
        ({"sha256": "0" * 63}, "hexadecimal"),
    )
]


@pytest.mark.parametrize(("type_", "value", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_none_is_refused_at_its_field(type_: FieldType, value: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_value(type_, Limits(), value, "field")


def _bare(text: str) -> str:
    return "".join(one for one in text if one.isalnum())
