"""`secvault sign-in` and `secvault sign-out`: a person's session for the commands that follow."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput


def sign_in(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
) -> None:
    """Sign in with password and code, and print the session's token on stdout."""
    chosen = opening.settings(context)
    with opening.opened(chosen) as service:
        password = ask.secret(f"Password of {name}")
        code = ask.secret("The 6-digit code that the app shows now")
        signed_in = operations.authentication.sign_in(service, name, password, code)
    show.out(signed_in.token.text())
    show.talk(f"Signed in until {show.time(signed_in.expires_at)} at the latest.")


def sign_out(context: typer.Context) -> None:
    """End the session in SECVAULT_TOKEN."""
    if not os.environ.get("SECVAULT_TOKEN"):
        raise InvalidInput.at("SECVAULT_TOKEN", "is not set, so there is no session to end")
    with opening.vault(context) as (service, caller):
        operations.authentication.sign_out(service, caller)
    show.talk("Signed out.")
