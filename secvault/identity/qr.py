"""The QR code of an `otpauth://` address, drawn here: no service elsewhere learns a seed."""

from __future__ import annotations

import io

from secvault.crypto.secret import Secret


def terminal_code(uri: Secret) -> str:
    """In half blocks, two rows of it to a line of text."""
    import segno  # noqa: PLC0415 - few draw one

    drawn = io.StringIO()
    segno.make(uri.text(), error="l", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")


def svg_code(uri: Secret) -> str:
    """As an SVG element to be put into a page: black on white, in both colour schemes."""
    import segno  # noqa: PLC0415

    drawn = segno.make(uri.text(), error="m", micro=False)
    return drawn.svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True)
