"""Numbers and addresses that somebody else gives out, each brought to one written form.

E-mail addresses, telephone numbers, bank accounts, IBANs, cards, and the Vietnamese numbers of
identity, tax and social insurance.
Every function takes the text as typed and the name of the field, returns the stored form, and
raises InvalidInput at that field. The text itself never appears in an error. Giving a stored
form in again returns it unchanged.
"""

from __future__ import annotations

import re

from secvault.errors import InvalidInput

# Longest texts looked at, so that no pattern ever runs over a megabyte.
_LONGEST_NUMBER = 64
_LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3: a path has 256 octets, its angle brackets included
_LONGEST_LOCAL_PART = 64  # RFC 5321, 4.5.3.1.1

# The dot-atom of RFC 5322, 3.2.3. Quoted local parts are legal and in no real address book.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

_PHONE_PUNCTUATION = str.maketrans("", "", " .-()")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Mobile numbers have nine digits after the 0; fixed lines begin with 2 and have ten.
_VIETNAM_NATIONAL = re.compile(r"[35789][0-9]{8}|2[0-9]{9}")

_ACCOUNT = re.compile(r"[0-9A-Z]{6,34}")
_IBAN_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]*")

# Nine digits on the old card (CMND), twelve on the present one (CCCD, can cuoc).
_IDENTITY_NUMBER = re.compile(r"[0-9]{9}|[0-9]{12}")

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}")
# ISO/IEC 7812-1: at most 19 digits; no issuer gives out fewer than 12, and none begins with 0.
_CARD = re.compile(r"[1-9][0-9]{11,18}")
_SOCIAL_INSURANCE = re.compile(r"[0-9]{10}|[0-9]{12}")

_TAX_CODE = re.compile(r"([0-9]{9})([0-9])(?:([0-9]{3}))?")
_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


def email_address(text: str, at: str) -> str:
    """The address with its domain in lower case; the part before the @ is kept as typed.

    Checks lengths and shape (RFC 5321, RFC 5322 dot-atom), not whether the mailbox exists.
    """
    if len(text) > _LONGEST_EMAIL:
        raise InvalidInput.at(at, f"is longer than {_LONGEST_EMAIL} characters")
    local, separator, domain = text.rpartition("@")
    if not separator or not _LOCAL_PART.fullmatch(local) or len(local) > _LONGEST_LOCAL_PART:
        raise InvalidInput.at(at, "is not an e-mail address; write it like name@example.vn")
    if not domain.isascii():
        raise InvalidInput.at(at, "has a domain outside ASCII; write the domain in its xn-- form")
    labels = domain.lower().split(".")
    if len(labels) < 2 or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels):
        raise InvalidInput.at(at, "has no valid domain after the @; write it like name@example.vn")
    return f"{local}@{'.'.join(labels)}"


def phone_number(text: str, at: str) -> str:
    """The number in E.164 (ITU-T): a plus sign and up to fifteen digits, nothing else.

    A number that begins with a single 0 is read as Vietnamese, one that begins with 00 as
    international. Spaces, points, hyphens and brackets are dropped.
    """
    number = text[: _LONGEST_NUMBER + 1].translate(_PHONE_PUNCTUATION)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    elif number.startswith("0"):
        number = f"+84{number[1:]}"
    if len(text) > _LONGEST_NUMBER or not _E164.fullmatch(number):
        raise InvalidInput.at(
            at, "is not a telephone number; write it like +84 24 1234 5678 or 0912 345 678"
        )
    if number.startswith("+84") and not _VIETNAM_NATIONAL.fullmatch(number[3:]):
        raise InvalidInput.at(
            at,
            "is not a Vietnamese number of nine or ten digits after +84 or 0;"
            " write it like +84 912 345 678, without a 0 after +84",
        )
    return number


def account_number(text: str, at: str) -> str:
    """The bank account in capitals without spaces and hyphens; an IBAN passes its check.

    Six to 34 letters and digits. What begins with two letters and two digits is an IBAN
    (ISO 13616) and must give 1 modulo 97 (ISO 7064).
    """
    number = _compact(text)
    if len(text) > _LONGEST_NUMBER or not _ACCOUNT.fullmatch(number):
        raise InvalidInput.at(at, "is not a bank account of 6 to 34 letters and digits")
    if _IBAN_SHAPE.fullmatch(number) and not _iban_holds(number):
        raise InvalidInput.at(at, "looks like an IBAN, but its check digits are wrong; check it")
    return number


def identity_number(text: str, at: str) -> str:
    """The Vietnamese citizen number of twelve digits, or the old one of nine, digits only.

    Neither has a check digit, so a mistyped digit cannot be found here.
    """
    number = text[: _LONGEST_NUMBER + 1].replace(" ", "").replace(".", "")
    if len(text) > _LONGEST_NUMBER or not _IDENTITY_NUMBER.fullmatch(number):
        raise InvalidInput.at(at, "is not an identity number of 12 digits (or 9 on an old card)")
    return number


def iban(text: str, at: str) -> str:
    """The IBAN in capitals without spaces and hyphens, as its country forms it (ISO 13616).

    Checks the country, its length and structure, the check digits (ISO 7064), and the national
    check digits of the countries that python-stdnum knows them of.
    """
    # With the table of all countries, for those who store an IBAN.
    import stdnum.iban  # noqa: PLC0415
    from stdnum.exceptions import ValidationError  # noqa: PLC0415

    number = _compact(text)
    if len(text) > _LONGEST_NUMBER or not _IBAN.fullmatch(number):
        raise InvalidInput.at(at, "is not an IBAN; write it like DE89 3704 0044 0532 0130 00")
    try:
        stdnum.iban.validate(number)
    except ValidationError:
        raise InvalidInput.at(
            at, "is not an IBAN: its country, length or check digits are wrong; check it"
        ) from None
    return number


def card_number(text: str, at: str) -> str:
    """The number of a payment card: 12 to 19 digits without spaces and hyphens (ISO/IEC 7812).

    The last digit is checked by the formula of Luhn.
    """
    import stdnum.luhn  # noqa: PLC0415 - for those who store a card

    number = _compact(text)
    if len(text) > _LONGEST_NUMBER or not _CARD.fullmatch(number):
        raise InvalidInput.at(at, "is not a card number of 12 to 19 digits")
    if not stdnum.luhn.is_valid(number):
        raise InvalidInput.at(at, "is not a card number: its last digit does not fit the others")
    return number


def social_insurance_number(text: str, at: str) -> str:
    """The Vietnamese social insurance number: ten digits, or the twelve of the citizen number.

    The old number has ten; since August 2025 a person's citizen number stands in its place.
    Neither has a check digit.
    """
    number = text[: _LONGEST_NUMBER + 1].translate(_PHONE_PUNCTUATION)
    if len(text) > _LONGEST_NUMBER or not _SOCIAL_INSURANCE.fullmatch(number):
        raise InvalidInput.at(
            at, "is not a social insurance number of 10 digits (or the 12 of the citizen number)"
        )
    return number


def tax_code(text: str, at: str) -> str:
    """The Vietnamese tax code: ten digits, for a branch with a hyphen and three more.

    The tenth digit is checked. Source: the general department of taxation's structure
    N1N2 N3..N9 N10 - N11N12N13, as taken over by the circulars on tax registration.
    """
    number = text[: _LONGEST_NUMBER + 1].translate(_PHONE_PUNCTUATION)
    match = _TAX_CODE.fullmatch(number)
    if len(text) > _LONGEST_NUMBER or match is None:
        raise InvalidInput.at(at, "is not a tax code of 10 digits (13 for a branch)")
    base, check, branch = match.groups()
    if tax_check_digit(base) != check:
        raise InvalidInput.at(at, "is not a tax code: its tenth digit does not fit the first nine")
    if branch is None:
        return f"{base}{check}"
    if branch == "000":
        raise InvalidInput.at(at, "is not a tax code: branches are numbered from 001")
    return f"{base}{check}-{branch}"


def tax_check_digit(base: str) -> str | None:
    """The tenth digit of the tax code that begins with these nine digits, or None.

    None where there is no such code: the sequence number (digits three to nine) is zero, or the
    sum leaves no single digit.
    """
    digit = 10 - sum(w * int(n) for w, n in zip(_TAX_WEIGHTS, base, strict=True)) % 11
    return None if digit == 10 or base[2:] == "0000000" else str(digit)


def _compact(text: str) -> str:
    number = text[: _LONGEST_NUMBER + 1].replace(" ", "").replace("-", "")
    return number.upper() if number.isascii() else number


def _iban_holds(number: str) -> bool:
    return 15 <= len(number) <= 34 and _mod_97(number[4:] + number[:4]) == 1


def _mod_97(text: str) -> int:
    # Base 36 reads A as 10 up to Z as 35, which is just what the standard asks for.
    return int("".join(str(int(char, 36)) for char in text)) % 97
