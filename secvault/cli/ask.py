"""Asking a person, and reading what may not stand in the command's arguments."""

from __future__ import annotations

import getpass
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from secvault.cli import show
from secvault.crypto import Secret
from secvault.errors import Cancelled, InvalidInput

LARGEST_INPUT = 8 * 1024 * 1024
STDIN = "-"


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def line(question: str) -> str:
    """The answer to a question that is not secret. Raises Cancelled at the end of input."""
    show.talk(f"{question}:")
    try:
        return input().strip()
    except EOFError:
        raise Cancelled("the input ended before the answer") from None


def password_twice(of_whom: str) -> Secret:
    """A new password, typed twice without being shown. Raises Cancelled at the end of input."""
    while True:
        try:
            first = getpass.getpass(f"Password of {of_whom} (12 characters or more): ")
            again = getpass.getpass("The same again: ")
        except EOFError:
            raise Cancelled("the input ended before the password") from None
        if first == again:
            return Secret.of(first)
        show.talk("These were not the same; try again.")


def passphrase_twice() -> Secret:
    """A new passphrase of the vault. Raises Cancelled; InvalidInput when nobody can be asked."""
    if not at_terminal():
        raise InvalidInput.at(
            "--passphrase-file", "nobody can be asked: name a file, or seal.passphrase_file"
        )
    while True:
        try:
            first = getpass.getpass("Passphrase of the vault (14 characters or more): ")
            again = getpass.getpass("The same again: ")
        except EOFError:
            raise Cancelled("the input ended before the passphrase") from None
        if first == again:
            return Secret.of(first)
        show.talk("These were not the same; try again.")


def secret(question: str) -> Secret:
    """The answer to a question, not shown while typed; without a terminal, a line of stdin.

    Raises Cancelled at the end of input.
    """
    if not at_terminal():
        return Secret.of(line(question))
    try:
        return Secret.of(getpass.getpass(f"{question}: "))
    except EOFError:
        raise Cancelled("the input ended before the answer") from None


def two_codes() -> tuple[Secret, Secret]:
    """Two codes of an authenticator app or token that follow one another."""
    first = line("The code that the app or token shows now")
    second = line("The next code, when it has changed")
    return Secret.of(_digits(first)), Secret.of(_digits(second))


def password_from(source: str) -> Secret:
    """The first line of a file, or of stdin for `-`, as a password. Raises InvalidInput."""
    return first_line(source, "--password-from")


def first_line(source: str, option: str) -> Secret:
    """The first line of a file, or of stdin for `-`, that `option` names. Raises InvalidInput."""
    text = _read(source, option)
    return Secret.of(text.splitlines()[0] if text else "")


def text_from(source: str, option: str) -> str:
    """All of a file, or of stdin for `-`, that `option` names. Raises InvalidInput."""
    return _read(source, option)


def fields_from(source: str) -> dict[str, Any]:
    """The JSON object in a file, or on stdin for `-`. Raises InvalidInput, never showing values."""
    return _object(_read(source, "--from"))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput.at(
            "--from", f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError:
        raise InvalidInput.at("--from", "a number has too many digits") from None
    except RecursionError:
        raise InvalidInput.at("--from", "the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise InvalidInput.at("--from", 'give one JSON object: {"field": value, ...}')
    return value


def table_from(source: str) -> dict[str, Any]:
    """The TOML table, or JSON object, in a file or on stdin for `-`.

    Raises InvalidInput, never showing values.
    """
    text = _read(source, "--from")
    if text.lstrip().startswith("{"):
        return _object(text)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        # The parser's own words may quote what it found.
        raise InvalidInput.at("--from", "is not TOML: look for a missing quote, ] or =") from None


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InvalidInput.at("--from", "a field is named twice in one object")
    return made


def _no_constant(name: str) -> Any:
    raise InvalidInput.at("--from", f"{name} is not a value of JSON")


def _read(source: str, option: str) -> str:
    try:
        if source == STDIN:
            if sys.stdin.isatty():
                show.talk("Reading from the terminal; end with Ctrl-D.")
            content = sys.stdin.buffer.read(LARGEST_INPUT + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(LARGEST_INPUT + 1)
    except OSError as error:
        raise InvalidInput.at(option, f"{source} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_INPUT:
        raise InvalidInput.at(option, f"more than {LARGEST_INPUT} bytes; that is too much")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput.at(option, f"{source} is not UTF-8 text") from None


def _digits(text: str) -> str:
    return text.replace(" ", "")
