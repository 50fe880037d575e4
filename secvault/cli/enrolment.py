"""Handing a new TOTP device to a person: the otpauth line, the QR code, and two codes in a row."""

from __future__ import annotations

import sys
from collections.abc import Callable

from secvault.cli import ask, operations, show
from secvault.crypto import Secret
from secvault.errors import InvalidInput

MOST_TRIES = 3


def show_device(uri: Secret, *, with_code: bool) -> None:
    """Print the otpauth line, and on a terminal its QR code after it."""
    show.talk("Add this to an authenticator app (it is shown once):")
    show.out(uri.text())
    if with_code:
        show.out(operations.qr.terminal_code(uri))
    sys.stdout.flush()


def confirm(attempt: Callable[[Secret, Secret], object]) -> None:
    """Ask for two codes in a row until they fit. Raises InvalidInput when they never do."""
    show.talk("To be sure that it arrived, type two codes that follow one another.")
    for left in reversed(range(MOST_TRIES)):
        first, second = ask.two_codes()
        try:
            attempt(first, second)
        except InvalidInput as error:
            if not left:
                raise
            show.talk(f"{error.detail}. Try again.")
        else:
            show.talk("The device is in use.")
            return
