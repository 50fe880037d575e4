"""`secvault sign-in` and `secvault sign-out`: a person's session for the commands that follow."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from secvault.cli import ask, opening, operations, provider_sign_in, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.crypto import Secret
    from secvault.identity.sign_in import SignedIn
    from secvault.service.service import Service


def sign_in(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The name to sign in with.")] = None,
    recovery: Annotated[
        bool,
        typer.Option(
            "--recovery",
            help="By a recovery code, or the code of a reset, to enrol a new factor.",
            show_default=False,
        ),
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="By this identity provider of the settings, in a browser.")
    ] = None,
) -> None:
    """Sign in with password and code, and print the session's token on stdout."""
    if (name is None) == (provider is None):
        raise InvalidInput("say who signs in: a NAME, or --provider and its name in the settings")
    chosen = opening.settings(context)
    with opening.opened(chosen) as service:
        if name is None:
            _welcome(provider_sign_in.sign_in(service, provider or ""))
            return
        password = ask.secret(f"Password of {name}")
        if recovery:
            _recover(service, name, password)
            return
        code = ask.secret("The code that the app or token shows now")
        signed_in = operations.authentication.sign_in(service, name, password, code)
    _welcome(signed_in)


def _welcome(signed_in: SignedIn) -> None:
    show.out(signed_in.token.text())
    show.talk(f"Signed in until {show.time(signed_in.expires_at)} at the latest.")


def step_up(context: typer.Context) -> None:
    """Show a fresh code: print a new token for the session in SECVAULT_TOKEN, whose token ends."""
    if not os.environ.get("SECVAULT_TOKEN"):
        raise InvalidInput.at("SECVAULT_TOKEN", "is not set, so there is no session to go on with")
    with opening.vault(context) as (service, caller):
        code = ask.secret("The code that the app or token shows now")
        renewed = operations.sessions.step_up_by_code(service, caller, code)
    show.out(renewed.token.text())
    show.talk("The second factor is fresh; the session's earlier token no longer works.")


def _recover(service: Service, name: str, password: Secret) -> None:
    code = ask.secret("A recovery code, or all parts of the code of a reset")
    recovered = operations.passkey_sign_in.recover(service, name, password, code)
    show.out(recovered.signed_in.token.text())
    show.talk(
        f"Signed in for half an hour, to enrol a new factor. Recovery codes left: {recovered.left}"
    )


def sign_out(context: typer.Context) -> None:
    """End the session in SECVAULT_TOKEN."""
    if not os.environ.get("SECVAULT_TOKEN"):
        raise InvalidInput.at("SECVAULT_TOKEN", "is not set, so there is no session to end")
    with opening.vault(context) as (service, caller):
        operations.authentication.sign_out(service, caller)
    show.talk("Signed out.")
