"""`secvault seal`, `secvault unseal`, `secvault keys rotate-root`: the vault as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.clock import system_clock
from secvault.crypto import Secret
from secvault.errors import AuditUnavailable, Cancelled, InvalidInput, Unavailable

if TYPE_CHECKING:
    from secvault.config import Settings
    from secvault.service.sealing.client import SealerClient
    from secvault.service.sealing.messages import Status
    from secvault.service.seals import NewSeal

app = typer.Typer(
    no_args_is_help=True, help="What wraps the root key: its state, another seal, sealing now."
)

Shares = Annotated[int, typer.Option(help="How many shares are made.", min=1, max=16)]
Threshold = Annotated[int, typer.Option(help="How many of them open the vault.", min=1, max=16)]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="A file with the passphrase in its first line.")
]
PassphraseFd = Annotated[
    int | None, typer.Option(help="An open file descriptor to read it from.", min=3)
]


@app.command(epilog="Example: secvault seal status --json")
def status(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show the kind of seal, whether the vault is sealed, and how far an unsealing is."""
    chosen = opening.settings(context)
    opening.require_vault(chosen)
    client = _client(chosen)
    running = client.running
    kind = operations.opening.check(chosen).kind
    found = client.status() if running else None
    values: dict[str, Any] = {
        "kind": kind,
        "serving": running,
        # Without a service nobody holds the root.
        "sealed": found.sealed if found else True,
        "threshold": found.threshold if found else None,
        "shares": found.shares if found else None,
        "progress": found.progress if found else 0,
    }
    if as_json:
        show.document(values)
    else:
        show.facts(values)


@app.command(epilog="Example: secvault seal now")
def now(
    context: typer.Context,
    without_record: Annotated[
        bool,
        typer.Option(
            "--without-record",
            help="Also when the audit log cannot be written; the next unsealing puts it on record.",
        ),
    ] = False,
) -> None:
    """Seal the running service: no process of it holds a key when this returns.

    With --without-record the database is not asked for anything, so that it works also while a
    process that is stuck, or a full disk, holds it up. Only the account of the service can do so.
    """
    chosen = opening.settings(context)
    node = operations.seals.Node(chosen, system_clock(), _client(chosen))
    if without_record:
        operations.seals.seal_without_record(node)
    else:
        try:
            with opening.vault(context, drop_keys=True) as (service, caller):
                operations.seals.seal(service, caller, node)
        except Unavailable as error:
            if type(error) not in (Unavailable, AuditUnavailable) or not node.sealer.running:
                raise
            raise type(error)(
                f"{error.detail}; to seal all the same: secvault seal now --without-record"
            ) from error
    show.out("The vault is sealed. It opens again with: secvault unseal")


@app.command(epilog="Example: secvault seal change --to shares --shares 5 --threshold 3")
def change(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Option(metavar="KIND", help="file, passphrase, shares, vault, aws-kms or pkcs11."),
    ],
    shares: Shares = 5,
    threshold: Threshold = 3,
    passphrase_file: PassphraseFile = None,
    passphrase_fd: PassphraseFd = None,
    as_json: show.AsJson = False,
) -> None:
    """Put the root key under another seal, or under new shares or a new passphrase.

    What is encrypted is not touched. The old key, passphrase or shares open the vault no more, but
    still open backups from before: rotate the root too if they may be in wrong hands.
    """
    with opening.vault(context) as (service, caller):
        words = passphrase_of(to, service.settings, passphrase_file, passphrase_fd)
        new = operations.seals.new_seal(
            service, caller, to, count=shares, threshold=threshold, words=words
        )
        show_shares(new, as_json=as_json, confirm=True)
        operations.seals.change_seal(service, caller, new)
    if not as_json:
        show.out(f"The vault is under a seal of kind {to} now.")
    elif not new.shares:
        show.document({"kind": to})


def unseal(
    context: typer.Context,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the shares given so far.")] = False,
    passphrase_file: PassphraseFile = None,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Open the sealed service: asks for its shares, one at a time, or for its passphrase.

    Without a terminal they are read from stdin, one a line.
    """
    chosen = opening.settings(context)
    client = _client(chosen)
    found = client.status()
    if not found.sealed:
        show.out("The vault is open already.")
        return
    if reset:
        client.unseal(None, reset=True, remote=False)
        show.out("The shares given so far are forgotten.")
        return
    if found.kind == "shares":
        found = _give_shares(client, found)
    elif found.kind == "passphrase":
        given = passphrase_file or passphrase_fd
        words = _read(passphrase_file, passphrase_fd) if given else ask.secret("Passphrase")
        found = client.unseal(words, remote=False)
    else:
        found = client.unseal(None, remote=False)
    with opening.opened(chosen) as service:
        operations.seals.record_unsealing(service, client, found)
    show.out("The vault is open.")


def rotate_root(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Make a new root key and wrap every key anew under it, all at once or not at all.

    The running service goes on meanwhile. What is encrypted is not touched.
    """
    with opening.vault(context) as (service, caller):
        root = operations.seals.rotate_root(service, caller)
    if as_json:
        show.document({"generation": root.generation})
    else:
        show.out(f"The root key is of generation {root.generation} now.")


def passphrase_of(
    kind: str, chosen: Settings, file: Path | None, descriptor: int | None
) -> Secret | None:
    """The new passphrase: of the file or descriptor named, of the settings' file, or typed."""
    if kind != "passphrase":
        return None
    if file is None and descriptor is None and chosen.seal.passphrase_file is None:
        return ask.passphrase_twice()
    return _read(file or chosen.seal.passphrase_file, descriptor)


def show_shares(new: NewSeal, *, as_json: bool, confirm: bool) -> None:
    """Show new shares, before they are in force: what was not seen cannot be needed.

    Raises Cancelled when the person at the terminal does not have them.
    """
    if not new.shares:
        return
    words = [share.text() for share in new.shares]
    if as_json and confirm:
        show.document({"kind": "shares", "threshold": new.threshold, "shares": words})
        sys.stdout.flush()
        return
    show.talk(
        f"{len(words)} shares; any {new.threshold} of them open the vault. They are shown only now:"
        "\nwrite each on paper and give it to one person. Whoever has enough of them and the data "
        "has it all."
    )
    for number, text in enumerate(words, 1):
        (show.talk if as_json else show.out)(f"\nShare {number}:\n{text}")
    sys.stdout.flush()
    if ask.at_terminal() and ask.line('\nWhen all are written down, type "yes"') != "yes":
        raise Cancelled("the shares were not confirmed, so nothing was changed; they are void")


def _give_shares(client: SealerClient, found: Status) -> Status:
    while found.sealed:
        question = f"Share {found.progress + 1} of {found.threshold}"
        try:
            found = client.unseal(ask.secret(question), remote=False)
        except InvalidInput as error:
            if not ask.at_terminal():
                raise
            show.talk(f"{error.detail}.")
            found = client.status()
    return found


def _read(file: Path | None, descriptor: int | None) -> Secret:
    if file is not None:
        return operations.seal_files.passphrase_in(file)
    try:
        with open(descriptor or -1, "rb", closefd=True) as opened:  # noqa: PTH123
            content = opened.read(64 * 1024)
    except OSError as error:
        raise InvalidInput.at("--passphrase-fd", f"cannot be read: {error.strerror}") from None
    return Secret(content.partition(b"\n")[0].removesuffix(b"\r"))


def _client(chosen: Settings) -> SealerClient:
    return operations.sealing.SealerClient(chosen.data_folder)
