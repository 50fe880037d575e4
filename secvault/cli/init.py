"""`secvault init`: a new vault and its first administrator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, enrolment, opening, operations, sample, seal, show
from secvault.clock import system_clock
from secvault.crypto import Secret
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.config import Settings
    from secvault.identity.enrolment import Enrolment
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
class Administrator:
    """The first administrator. uri: to show once; None when the seed was given to us."""

    person: Person
    uri: Secret | None


def init(
    context: typer.Context,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also load sample records of a made-up company.")
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

    Asks for a name and a password, and shows a QR code for an authenticator app. Unattended, set
    SECVAULT_ADMIN_NAME, SECVAULT_ADMIN_PASSWORD and, if the second factor is known already, its
    seed as SECVAULT_ADMIN_TOTP_SEED (base32); else a seed is made and printed once.
    """
    chosen = opening.settings(context)
    created = not operations.opening.vault_exists(chosen)
    access, new = None, None
    if created:
        _require_answers(as_json=as_json)
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
        if operations.people.nobody_yet(service):
            _require_answers(as_json=as_json)
            made = _unattended(service) if PASSWORD in os.environ else _at_terminal(service)
        else:
            made = None
            demo = False
        stored = _load_sample(service) if demo else None
    if as_json:
        show.document(_report(chosen, vault_id, made, created=created, stored=stored, new=new))
    elif made is None:
        show.out(f"There is a vault in {chosen.data_folder} already; it is left as it is.")
        show.talk("Next: secvault serve")
    else:
        _explain(chosen, made, stored, new.seal.kind if new else "file")


def _require_answers(*, as_json: bool) -> None:
    """Return when the questions can be answered; before anything is made."""
    if PASSWORD in os.environ and not os.environ.get(NAME):
        raise InvalidInput.at(NAME, f"is needed together with {PASSWORD}")
    if PASSWORD in os.environ:
        return
    if as_json or not ask.at_terminal():
        raise InvalidInput.at(PASSWORD, f"nobody can be asked: set {NAME} and {PASSWORD}")


def _unattended(service: Service) -> Administrator:
    given = os.environ.get(SEED, "")
    totp = operations.totp
    seed = Secret.of(given) if given else totp.base32(totp.new_seed(service.random))
    person, _ = operations.people.first_administrator(
        service,
        name=os.environ[NAME],
        display_name=os.environ[NAME],
        password=Secret.of(os.environ[PASSWORD]),
        seed=seed,
    )
    if given:
        return Administrator(person, None)
    uri = totp.provisioning_uri(
        totp.parse_seed(seed), totp.COMMON, person.name, service.settings.organisation
    )
    return Administrator(person, uri)


def _at_terminal(service: Service) -> Administrator:
    person, begun = _ask_until_right(service)
    enrolment.show_device(begun.uri, with_code=True)
    caller = operations.spine.Caller(operations.authentication.local_operator(service))
    enrolment.confirm(
        lambda first, second: operations.people.confirm_totp(
            service, caller, person.id, begun.device.id, first, second
        )
    )
    return Administrator(person, begun.uri)


def _ask_until_right(service: Service) -> tuple[Person, Enrolment]:
    show.talk("The first administrator adds everybody else.")
    name = ""
    while True:
        name = name or ask.line("Name to sign in with, such as lan.tran")
        try:
            person, begun = operations.people.first_administrator(
                service,
                name=name,
                display_name=name,
                password=ask.password_twice(name),
                seed=None,
            )
        except InvalidInput as error:
            show.talk(f"{error.detail}. Try again.")
            if not any(fault.field == "password" for fault in error.fields):
                name = ""
        else:
            if begun is None:
                raise AssertionError("without a seed an enrolment is begun")
            return person, begun


def _load_sample(service: Service) -> int:
    operator = operations.authentication.local_operator(service)
    return sample.load(service, operations.spine.Caller(operator))


def _report(
    chosen: Settings,
    vault_id: str,
    made: Administrator | None,
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
        if made is None
        else {
            "id": made.person.id,
            "name": made.person.name,
            "otpauth": None if made.uri is None else made.uri.text(),
        },
        "sample_records": stored,
    }


def _explain(chosen: Settings, made: Administrator, stored: int | None, kind: str) -> None:
    if made.uri is not None and PASSWORD in os.environ:
        enrolment.show_device(made.uri, with_code=False)
    if stored is not None:
        show.out(f"{stored} sample records are stored.")
    show.out(
        f"The administrator {made.person.name} can sign in.\n"
        "\n"
        f"data      {chosen.data_folder}\n"
        f"{_SEALED_BY.get(kind, '').format(key=chosen.seal_key_file)}"
        "\n"
        "Next: secvault serve"
    )
