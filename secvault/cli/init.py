"""`secvault init`: a new vault and its first administrator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, enrolment, invitations, opening, operations, sample, seal, show
from secvault.clock import system_clock
from secvault.crypto import Secret
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.config import Settings
    from secvault.identity.invitations import Issued
    from secvault.identity.people import Person
    from secvault.service.seals import NewSeal
    from secvault.service.service import Service

_SEALED_BY = {
    "file": "seal key  {key}\n"
    "\n"
    "Keep a copy of the seal key apart from the data and its backups, on paper or in a safe:\n"
    "without it nothing can be decrypted, and with it and the data everything can.\n",
    "passphrase": "seal      passphrase\n"
    "\n"
    "Nobody can tell you the passphrase again: keep it apart from the data and its backups.\n"
    "The service starts sealed; open it with `secvault unseal`.\n",
    "shares": "seal      shares\n\nThe service starts sealed; open it with `secvault unseal`.\n",
}

NAME, PASSWORD, SEED = (
    "SECVAULT_ADMIN_NAME",
    "SECVAULT_ADMIN_PASSWORD",
    "SECVAULT_ADMIN_TOTP_SEED",
)


@dataclass(frozen=True)
class First:
    """How the first administrator gets in.

    person: who can sign in now; None when `code` is for somebody who activates later. uri: of a
    device, to show once; None when the seed was given to us or was shown already.
    """

    person: Person | None
    uri: Secret | None = None
    code: Issued | None = None


def init(
    context: typer.Context,
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also load sample records of a made-up company.")
    ] = False,
    bootstrap: Annotated[
        bool,
        typer.Option(
            "--bootstrap", help="Ask nobody; print a code for the first administrator, once."
        ),
    ] = False,
    kind: Annotated[
        str | None,
        typer.Option("--seal", metavar="KIND", help="What wraps the root key; else seal.kind."),
    ] = None,
    shares: seal.Shares = 5,
    threshold: seal.Threshold = 3,
    passphrase_file: seal.PassphraseFile = None,
    as_json: show.AsJson = False,
) -> None:
    """Make a vault and its first administrator. A vault that is there already is left as it is.

    At a terminal it asks for a name and a password, and shows a QR code. With --bootstrap, or where
    nobody can be asked, it prints a one-time code (`secvault people activate`); run it again for a
    new code, until there is an administrator. Unattended, set SECVAULT_ADMIN_NAME,
    SECVAULT_ADMIN_PASSWORD and, if the second factor is known already, its seed as
    SECVAULT_ADMIN_TOTP_SEED (base32); else a seed is made and printed once.
    """
    chosen = opening.settings(context)
    created = not operations.opening.vault_exists(chosen)
    access, new = None, None
    _require_answers(bootstrap=bootstrap)
    if created:
        wanted = kind or chosen.seal.kind
        words = seal.passphrase_of(wanted, chosen, passphrase_file, None)
        new = operations.seals.make_seal(chosen, wanted, os.urandom, shares, threshold, words)
        # Before there is a vault: none must exist whose shares nobody has seen.
        seal.show_shares(new, as_json=as_json, confirm=False)
        access = operations.opening.create_vault(chosen, system_clock(), seal=new.seal).access
        if not as_json:
            show.talk(f"A new vault is in {chosen.data_folder}.")
    with opening.opened(chosen, access) as service:
        vault_id = service.keyring.vault_id
        made, stored = None, None
        if operations.bootstrap.no_administrator_yet(service):
            made = _first(service, ask_nobody=bootstrap or as_json)
            # The sample needs somebody who answers for its loading.
            stored = _load_sample(service) if demo and made.person is not None else None
    if as_json:
        show.document(_report(chosen, vault_id, made, created=created, stored=stored, new=new))
    elif made is None:
        show.out(f"There is a vault in {chosen.data_folder} already; it is left as it is.")
        show.talk("Next: secvault serve")
    else:
        if demo and stored is None:
            show.talk("When the administrator is there: secvault records load-sample")
        _explain(chosen, made, stored, new.seal.kind if new else "file")


def _require_answers(*, bootstrap: bool) -> None:
    """Return when the variables fit together; before anything is made."""
    if PASSWORD in os.environ and not os.environ.get(NAME):
        raise InvalidInput.at(NAME, f"is needed together with {PASSWORD}")
    if PASSWORD in os.environ and bootstrap:
        raise InvalidInput.at("--bootstrap", f"prints a code for who is to come; unset {PASSWORD}")


def _first(service: Service, *, ask_nobody: bool) -> First:
    if PASSWORD in os.environ:
        return _unattended(service)
    issued = operations.bootstrap.issue_first(service)
    if ask_nobody or not ask.at_terminal():
        return First(None, code=issued)
    done = invitations.activate_with(service, issued.code, device="first device")
    return First(done.person)


def _unattended(service: Service) -> First:
    given = os.environ.get(SEED, "")
    totp = operations.totp
    seed = Secret.of(given) if given else totp.base32(totp.new_seed(service.random))
    person = operations.bootstrap.first_administrator(
        service,
        name=os.environ[NAME],
        display_name=os.environ[NAME],
        password=Secret.of(os.environ[PASSWORD]),
        seed=seed,
    )
    if given:
        return First(person)
    uri = totp.provisioning_uri(
        totp.parse_seed(seed), totp.COMMON, person.name, service.settings.organisation
    )
    return First(person, uri)


def _load_sample(service: Service) -> int:
    operator = operations.authentication.local_operator(service)
    return sample.load(service, operations.spine.Caller(operator))


def _report(
    chosen: Settings,
    vault_id: str,
    made: First | None,
    *,
    created: bool,
    stored: int | None,
    new: NewSeal | None,
) -> dict[str, Any]:
    shares = {"shares": [share.text() for share in new.shares]} if new and new.shares else {}
    return {
        **({"seal": new.seal.kind} if new else {}),
        **shares,
        "created": created,
        "vault": vault_id,
        "data": str(chosen.data_folder),
        "seal_key": str(chosen.seal_key_file),
        "administrator": None
        if made is None or made.person is None
        else {
            "id": made.person.id,
            "name": made.person.name,
            "otpauth": None if made.uri is None else made.uri.text(),
        },
        **_code(made),
        "sample_records": stored,
    }


def _code(made: First | None) -> dict[str, Any]:
    if made is None or made.code is None:
        return {}
    return {
        "bootstrap": {
            "code": made.code.code.text(),
            "expires_at": show.time(made.code.expires_at),
        }
    }


def _origin(chosen: Settings) -> str:
    """Where a browser on this machine finds the console, unless the settings name the place."""
    server = chosen.server
    scheme = "https" if server.tls_certificate else "http"
    return server.public_origin or f"{scheme}://localhost:{server.port}"


def _explain(chosen: Settings, made: First, stored: int | None, kind: str) -> None:
    if made.uri is not None:
        enrolment.show_device(made.uri, with_code=False)
    if stored is not None:
        show.out(f"{stored} sample records are stored.")
    if made.person is not None:
        show.out(f"The administrator {made.person.name} can sign in.\n")
    show.out(
        f"data      {chosen.data_folder}\n"
        f"{_SEALED_BY.get(kind, '').format(key=chosen.seal_key_file)}"
    )
    if made.code is not None:
        until = show.time(made.code.expires_at)
        show.talk(
            f"The first administrator activates by this code until {until}: in a browser at "
            f"{_origin(chosen)}/join once the service runs, or with `secvault people activate`. "
            "It is shown once:"
        )
        show.out(made.code.code.text())
    show.talk("Next: secvault serve")
