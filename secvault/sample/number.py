"""Numbers that are well formed and belong to nobody.

Telephone: +84 95 lay with a network that closed in 2012 and was given to no one since;
+44 7700 900xxx is kept free for drama by Ofcom. Citizen numbers begin with 099 and tax codes with
99, codes of no province. Accounts begin with 9990 at banks that do not exist, IBANs name the
German bank code 99999999 (none begins with 9). Cards begin with 9999: a first 9 stands for the
country whose three digits follow, and 999 is none.
"""

from __future__ import annotations

from datetime import date

from secvault.sample.record import Draw

BANKS = (
    "Ngân hàng Mẫu Việt",
    "Ngân hàng Ví Dụ Á Châu",
    "Ngân hàng TMCP Sao Mẫu",
    "Ngân hàng Hợp tác Thí Điểm",
)
FOREIGN_BANK = "Example Bank AG"

_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


def digits(draw: Draw, length: int) -> str:
    """So many digits."""
    return f"{draw.randrange(10**length):0{length}d}"


def phone(draw: Draw, *, foreign: bool = False) -> str:
    """A telephone number in E.164."""
    return f"+447700900{digits(draw, 3)}" if foreign else f"+8495{digits(draw, 7)}"


def account(draw: Draw, *, foreign: bool = False) -> str:
    """A bank account: thirteen digits, or abroad an IBAN with its check digits."""
    if not foreign:
        return f"9990{digits(draw, 9)}"
    number = f"99999999{digits(draw, 10)}"
    # D and E count as 13 and 14, the check digits as 00 (ISO 7064, mod 97-10).
    return f"DE{98 - int(f'{number}131400') % 97:02d}{number}"


def card(draw: Draw) -> str:
    """A card of sixteen digits with its check digit (Luhn)."""
    number = f"9999{digits(draw, 11)}"
    doubled = "".join(str(int(n) * (2 - at % 2)) for at, n in enumerate(number))
    return f"{number}{-sum(map(int, doubled)) % 10}"


def identity(draw: Draw, born: date, *, female: bool) -> str:
    """A citizen number: province, century with gender, year of birth, six digits."""
    century = 2 * (born.year // 100 - 19) + female
    return f"099{century}{born.year % 100:02d}{digits(draw, 6)}"


def tax_code(draw: Draw) -> str:
    """A tax code with its check digit."""
    while True:
        base = f"99{draw.randrange(1, 10**7):07d}"
        check = 10 - sum(w * int(n) for w, n in zip(_TAX_WEIGHTS, base, strict=True)) % 11
        if check < 10:
            return f"{base}{check}"
