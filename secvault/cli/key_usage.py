"""`secvault keys usage`: which keys are dead, and who still uses which version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.keyring.key_usage import KeySummary, KeyUse


def usage(
    context: typer.Context,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="One key; without it, all of them.")
    ] = None,
    mount: Annotated[
        str | None, typer.Option(help="The mount; of one key, transit unless said otherwise.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Of one key: only the use of this version.", min=1)
    ] = None,
    unused_days: Annotated[
        int | None, typer.Option(help="Of all keys: those not used for so many days.", min=0)
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show who uses keys, with which version, and when last. Counts may lag by some seconds.

    Ask with --version before `keys configure --min-decryption` shuts an old version off.
    """
    if name is None and version is not None:
        raise InvalidInput.at("--version", "name the key whose version it is")
    if name is not None and unused_days is not None:
        raise InvalidInput.at("--unused-days", "is about all keys; name none")
    with opening.vault(context) as (service, caller):
        if name is None:
            rows = [
                _summary(each)
                for each in operations.key_usage.list_usage(service, caller, mount, unused_days)
            ]
            _show_all(rows, as_json=as_json, narrowed=unused_days is not None)
        else:
            found = operations.key_usage.read_usage(service, caller, mount or "transit", name)
            _show_one(found, version, as_json=as_json)


def _show_all(rows: list[dict[str, Any]], *, as_json: bool, narrowed: bool) -> None:
    columns = {
        "mount": "Mount",
        "name": "Key",
        "latest_version": "Version",
        "operations": "Operations",
        "items": "Items",
        "last_at": "Last used",
        "created_at": "Made",
    }
    empty = "Every key was used since." if narrowed else "There are no keys yet."
    show.listing("keys", rows, columns, as_json=as_json, empty=empty)


def _show_one(found: KeyUse, version: int | None, *, as_json: bool) -> None:
    uses = [
        {**vars(use), "first_at": show.time(use.first_at), "last_at": show.time(use.last_at)}
        for use in found.uses
        if version in (None, use.version)
    ]
    key = found.key
    if as_json:
        messages = {str(number): count for number, count in key.messages.items()}
        shown = {"mount": key.mount, "name": key.name, "latest_version": key.latest_version}
        show.document({**shown, "messages": messages, "uses": uses})
        return
    columns = {
        "version": "Version",
        "operation": "Operation",
        "subject": "By",
        "operations": "Operations",
        "items": "Items",
        "first_at": "First",
        "last_at": "Last",
    }
    which = "It" if version is None else f"Version {version}"
    show.table(uses, columns, f"{which} was not used since its use is counted.")


def _summary(key: KeySummary) -> dict[str, Any]:
    named = ("created_at", "rotated_at", "first_at", "last_at")
    times = {name: show.time(getattr(key, name)) for name in named}
    return {**vars(key), **times}
