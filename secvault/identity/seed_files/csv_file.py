"""Seeds as comma-separated values (RFC 4180): a line for each token, names of columns at the top.

Columns: `serial` and `secret`; `digits`, `algorithm` and `period` (seconds), when it is not 6, SHA1
and 30. A secret is hexadecimal or base32; one that could be either needs `hex:` or `base32:` before
it. Other columns, such as a maker's own, are passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.seed_files.token import LARGEST_FILE, FromFile, each_once, serial_of
from secvault.identity.totp import COMMON, Shape, parse_seed, seed_of

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_BASE32 = re.compile(r"[A-Za-z2-7]+=*")


def read_csv(content: bytes) -> tuple[FromFile, ...]:
    """The tokens in the file, UTF-8. Raises InvalidInput, naming the line, never a secret."""
    if len(content) > LARGEST_FILE:
        raise InvalidInput.at("file", f"has more than {LARGEST_FILE} bytes")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput.at("file", "is not UTF-8 text") from None
    return each_once(_tokens(lines))


def _tokens(lines: list[str]) -> Iterator[FromFile]:
    rows = csv.reader(lines, strict=True)
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        if "serial" not in names or "secret" not in names:
            raise InvalidInput.at("file", "needs the columns serial and secret, named in line 1")
        if len(set(names)) != len(names):
            raise InvalidInput.at("file", "names a column twice")
        for row in rows:
            if row:
                yield _token(dict(zip(names, row, strict=False)), f"line {rows.line_num}")
    except csv.Error:
        # Not chained: the parser's words may hold some of the line.
        raise InvalidInput.at(f"line {rows.line_num}", "is no line of a CSV file") from None


def _token(row: dict[str, str], where: str) -> FromFile:
    said = {name: value.strip() for name, value in row.items()}
    serial = serial_of(said.get("serial"), where)
    algorithm = said.get("algorithm", "").upper().replace("-", "").removeprefix("HMAC")
    try:
        shape = Shape.of(
            algorithm or COMMON.algorithm,
            _number(said.get("digits"), COMMON.digits),
            _number(said.get("period"), COMMON.period),
        )
        return FromFile(serial, _seed(said.get("secret", "")), shape)
    except InvalidInput as error:
        what = error.fields[0] if error.fields else None
        raise InvalidInput.at(where, f"{what.field} {what.detail}" if what else "") from None


def _number(text: str | None, usual: int) -> int:
    if not text:
        return usual
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1


def _seed(text: str) -> Secret:
    kind, colon, rest = text.partition(":")
    named = kind.strip().lower() if colon else ""
    plain = re.sub(r"[ -]", "", rest if colon else text)
    hexadecimal = _HEX.fullmatch(plain) is not None
    base32 = _BASE32.fullmatch(plain) is not None
    if named == "hex" and hexadecimal:
        return seed_of(bytes.fromhex(plain))
    if named == "base32" and base32:
        return parse_seed(Secret.of(plain))
    if named or hexadecimal is base32:
        problem = "could be hexadecimal or base32: write hex: or base32: before it"
        if not hexadecimal:
            problem = "must be hexadecimal or base32"
        raise InvalidInput.at("secret", problem)
    return seed_of(bytes.fromhex(plain)) if hexadecimal else parse_seed(Secret.of(plain))
