"""`secvault keys`: the named keys that systems encrypt with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.keyring.named_key import NamedKey

app = typer.Typer(
    no_args_is_help=True, help="Named keys of the encryption API: create, rotate, limit, export."
)

Name = Annotated[str, typer.Argument(help="The key's name.")]
Mount = Annotated[str, typer.Option(help="The mount that the key is in.")]


@app.command("list", epilog="Example: secvault keys list")
def list_(context: typer.Context, mount: Mount = "transit", as_json: show.AsJson = False) -> None:
    """List the keys of a mount."""
    with opening.vault(context) as (service, caller):
        keys = operations.key_usage.list_usage(service, caller, mount, None)
        warned = [
            operations.key_limits.in_words(
                service, f"{key.mount}/{key.name}", key.latest_version, key.messages
            )
            for key in keys
            if key.messages >= service.settings.keys.warn_messages
        ]
    if as_json:
        show.document({"mount": mount, "keys": [key.name for key in keys]})
    else:
        rows = [{**vars(key), "last_at": show.time(key.last_at)} for key in keys]
        columns = {
            "name": "Key",
            "kind": "Type",
            "latest_version": "Version",
            "last_at": "Last used",
        }
        show.table(rows, columns, f"The mount {show.cell(mount)} has no keys yet.")
    for words in warned:
        show.talk(words)


@app.command(epilog="Example: secvault keys read payments --json")
def read(
    context: typer.Context, name: Name, mount: Mount = "transit", as_json: show.AsJson = False
) -> None:
    """Show a key's versions and limits; never the key itself."""
    with opening.vault(context) as (service, caller):
        key = operations.transit.read_key(service, caller, mount, name)
        near = operations.key_limits.near_limit(service, key)
        words = near and operations.key_limits.in_words(
            service, near.resource, near.version, near.messages
        )
    _print(key, as_json=as_json, near_limit=near is not None)
    if words:
        show.talk(words)


@app.command(epilog="Example: secvault keys create payments")
def create(
    context: typer.Context,
    name: Name,
    *,
    kind: Annotated[str, typer.Option("--type", help="What kind of key.")] = "aes256-gcm96",
    exportable: Annotated[
        bool,
        typer.Option("--exportable", help="Its bytes may be exported later. Cannot be changed."),
    ] = False,
    derived: Annotated[
        bool, typer.Option("--derived", help="Every use names a context, which has its own key.")
    ] = False,
    mount: Mount = "transit",
    as_json: show.AsJson = False,
) -> None:
    """Make a key. A key that is there already is left as it is."""
    with opening.vault(context) as (service, caller):
        options = operations.transit.KeyOptions(kind=kind, exportable=exportable, derived=derived)
        key = operations.transit.create_key(service, caller, mount, name, options)
    _print(key, as_json=as_json)


@app.command(epilog="Example: secvault keys rotate payments")
def rotate(
    context: typer.Context, name: Name, mount: Mount = "transit", as_json: show.AsJson = False
) -> None:
    """Add a version, which new encryptions use. What is encrypted already stays readable."""
    with opening.vault(context) as (service, caller):
        key = operations.transit.rotate_key(service, caller, mount, name)
    if as_json:
        _print(key, as_json=True)
    else:
        show.out(f"{key.resource} has version {key.latest_version} now")


@app.command(epilog="Example: secvault keys configure payments --rotate-days 90")
def configure(
    context: typer.Context,
    name: Name,
    *,
    min_decryption: Annotated[
        int | None, typer.Option(help="Oldest version that still decrypts.", min=1)
    ] = None,
    min_encryption: Annotated[
        int | None, typer.Option(help="Oldest version that may encrypt; 0: the latest.", min=0)
    ] = None,
    rotate_days: Annotated[
        int | None, typer.Option(help="Rotate it after so many days; 0: by hand only.", min=0)
    ] = None,
    deletable: Annotated[
        bool | None,
        typer.Option("--deletable/--not-deletable", help="Whether it may be deleted."),
    ] = None,
    mount: Mount = "transit",
    as_json: show.AsJson = False,
) -> None:
    """Change the limits on a key's use. What is not named stays as it is."""
    changes = operations.transit.KeyChanges(
        min_decryption_version=min_decryption,
        min_encryption_version=min_encryption,
        deletion_allowed=deletable,
        auto_rotate_seconds=None if rotate_days is None else rotate_days * 86_400,
    )
    with opening.vault(context) as (service, caller):
        key = operations.transit.configure_key(service, caller, mount, name, changes)
    _print(key, as_json=as_json)


@app.command(epilog="Example: secvault keys delete payments --yes")
def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", help="Yes, what it encrypted is lost for ever.")
    ] = False,
    mount: Mount = "transit",
) -> None:
    """Delete a key that was marked deletable. What it encrypted cannot be read any more."""
    if not yes:
        raise InvalidInput.at(
            "--yes", "what the key encrypted is lost for ever; say --yes when you mean it"
        )
    with opening.vault(context) as (service, caller):
        operations.transit.delete_key(service, caller, mount, name)
    show.out(f"{mount}/{name} is deleted")


@app.command(
    epilog="Example: SECVAULT_TOKEN=... secvault keys export payments --yes > payments.json"
)
def export(
    context: typer.Context,
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", help="Yes, print the key in clear on stdout.")
    ] = False,
    what: Annotated[
        str,
        typer.Option(help="encryption-key, signing-key, hmac-key or public-key."),
    ] = "encryption-key",
    mount: Mount = "transit",
) -> None:
    """Print every version of an exportable key as JSON: base64, or PEM where it is RSA or ECDSA.

    Needs a token whose owner holds role:it.key_custodian. Whoever reads the output can decrypt
    everything under this key.
    """
    if not yes:
        raise InvalidInput.at("--yes", "this prints the key in clear; say --yes when you mean it")
    with opening.vault(context) as (service, caller):
        _, texts = operations.transit.export_key(service, caller, mount, name, what, None)
    shown = {str(number): text.expose().decode() for number, text in texts.items()}
    show.document({"mount": mount, "name": name, "keys": shown})


def _print(key: NamedKey, *, as_json: bool, near_limit: bool | None = None) -> None:
    values: dict[str, Any] = {
        "mount": key.mount,
        "name": key.name,
        "type": key.kind,
        "department": key.department,
        "latest_version": key.latest_version,
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": key.min_encryption_version,
        "exportable": key.exportable,
        "imported": key.imported,
        "derived": key.derived,
        "deletable": key.deletion_allowed,
        "rotate_days": key.auto_rotate_seconds / 86_400,
    }
    if as_json:
        created = {str(number): show.time(at) for number, at in key.created.items()}
        messages = {str(number): count for number, count in key.messages.items()}
        shown = {**values, "created": created, "messages": messages}
        show.document(shown if near_limit is None else {**shown, "near_limit": near_limit})
    else:
        show.facts(
            values | {f"version {number}": show.time(at) for number, at in key.created.items()}
        )
