"""`secvault backup repository`: where backups lie, what protects them there, their passwords."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, progress, show, whole_file
from secvault.cli.moment import micros_of
from secvault.clock import moment
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.access_check import AccessReport
    from secvault.service.repositories import RepositoryView

app = typer.Typer(
    no_args_is_help=True,
    help="Where backups lie: list, add, check what protects them, change passwords.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The repository.")]
DataKeys = Annotated[
    bool, typer.Option("--data-keys", help="Of the repository where the data keys lie.")
]
Days = Annotated[int, typer.Option(help="How long backups should be safe, 1 to 36500.")]


@app.command("list", epilog="Example: secvault backup repository list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the repositories of config.toml and those that were added."""
    with opening.vault(context) as (service, caller):
        rows = [_row(one) for one in operations.repositories.list_repositories(service, caller)]
    columns = {
        "name": "Name",
        "kind": "Kind",
        "location": "Location",
        "plans": "Plans",
        "password_since": "Password since",
        "escrowed": "Escrowed",
    }
    show.listing("repositories", rows, columns, as_json=as_json, empty="There is no repository.")


@app.command("show", epilog="Example: secvault backup repository show offsite")
def show_(context: typer.Context, name: Name, as_json: show.AsJson = False) -> None:
    """Show a repository, without its secrets."""
    with opening.vault(context) as (service, caller):
        found = operations.repositories.show_repository(service, caller, name)
    if as_json:
        show.document(_row(found))
        return
    show.facts({key.replace("_", " "): value for key, value in _row(found).items()})
    if not found.escrowed and found.password_since is not None:
        show.talk("Its passwords are kept nowhere else: secvault backup repository escrow")


@app.command(
    epilog="Example: secvault backup repository add offsite s3:https://s3.example.com/backups "
    "--access-key-id AKIA"
)
def add(
    context: typer.Context,
    name: Name,
    location: Annotated[
        str,
        typer.Argument(
            metavar="LOCATION", help="s3:https://host/bucket/prefix, or a folder of this machine."
        ),
    ],
    keys_location: Annotated[
        str, typer.Option(help="Where the data keys go; beside it when left out.")
    ] = "",
    region: Annotated[str, typer.Option(help="The bucket's region.")] = "us-east-1",
    access_key_id: Annotated[
        str, typer.Option(help="Who saves; its secret is asked for, or read from stdin.")
    ] = "",
    prune_access_key_id: Annotated[
        str, typer.Option(help="Who forgets and prunes; its secret is asked for next.")
    ] = "",
    virtual_style: Annotated[
        bool, typer.Option("--virtual-style", help="Address it as https://bucket.host.")
    ] = False,
    storage_class: Annotated[str, typer.Option(help="For instance STANDARD_IA.")] = "",
    existing: Annotated[
        bool,
        typer.Option("--existing", help="It is there already; its password is asked for last."),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Add a repository, which plans may then name. The first run makes it."""
    values: dict[str, Any] = {
        "location": location,
        "keys_location": keys_location,
        "region": region,
        "access_key_id": access_key_id,
        "prune_access_key_id": prune_access_key_id,
        "path_style": not virtual_style,
        "storage_class": storage_class,
    }
    if access_key_id:
        values["secret_access_key"] = ask.secret(f"Secret of {access_key_id}").text()
    if prune_access_key_id:
        values["prune_secret_access_key"] = ask.secret(f"Secret of {prune_access_key_id}").text()
    password = ask.secret(f"Password of {location}") if existing else None
    with opening.vault(context) as (service, caller):
        added = operations.repositories.add_repository(service, caller, name, values, password)
    if as_json:
        show.document(_row(added))
        return
    show.facts({"added": added.name, "location": added.location, "data keys": added.data_keys})
    show.talk(f"Next, see what protects it: secvault backup repository check-access {name}")


@app.command(epilog="Example: secvault backup repository remove offsite")
def remove(context: typer.Context, name: Name, as_json: show.AsJson = False) -> None:
    """Forget an added repository that no plan names. What was saved there stays."""
    with opening.vault(context) as (service, caller):
        operations.repositories.remove_repository(service, caller, name)
    if as_json:
        show.document({"removed": name})
    else:
        show.talk(f"{name} is forgotten. What was saved there stays, and its password here.")


@app.command("check-access", epilog="Example: secvault backup repository check-access offsite")
def check_access(
    context: typer.Context, name: Name, days: Days = 30, as_json: show.AsJson = False
) -> None:
    """Try what the repository's credentials may do, and say what is missing to protect backups.

    Nothing that was saved is touched. Exit code 1 when something is wrong.
    """
    with opening.vault(context) as (service, caller):
        found = operations.repository_access.check_access(service, caller, name, days)
    show_reports(found, as_json=as_json)
    if any(one.findings for one in found):
        raise typer.Exit(1)


@app.command("rotate-password", epilog="Example: secvault backup repository rotate-password local")
def rotate_password(context: typer.Context, name: Name, as_json: show.AsJson = False) -> None:
    """Give the repository, and that of its data keys, new passwords.

    A process that dies in between leaves one in force that opens; do the same again then. While a
    run that began before is at work, the old one opens too.
    """
    with opening.vault(context) as (service, caller):
        show.talk("The new passwords are made and tried; this takes some seconds.")
        done = operations.repository_passwords.rotate_password(service, caller, name)
    rows = [
        {
            "repository": one.repository,
            "old_opens": one.old_opens,
            "waiting_for": list(one.waiting_for),
            "refused": one.refused,
        }
        for one in done
    ]
    columns = {
        "repository": "Repository",
        "old_opens": "Old one opens",
        "waiting_for": "Waiting for",
        "refused": "Storage keeps it",
    }
    show.listing("passwords", rows, columns, as_json=as_json, empty="Nothing was changed.")
    if any(one.waiting_for for one in done):
        show.talk("When the runs have ended, do the same again: the old password goes then.")
    show.talk("What was escrowed opens no more: secvault backup repository escrow")


@app.command("set-password", epilog="Example: secvault backup repository set-password local")
def set_password(context: typer.Context, name: Name, data_keys: DataKeys = False) -> None:
    """Keep another password for a repository, which must open it. It is asked for.

    For a vault that was restored from a copy of before its password was changed.
    """
    given = ask.secret(f"Password of {name}")
    with opening.vault(context) as (service, caller):
        operations.repository_passwords.set_password(
            service, caller, name, given, data_keys=data_keys
        )
    show.talk(f"{name} is opened by it from now on.")


@app.command(epilog="Example: secvault backup repository escrow --out /media/usb/passwords.json")
def escrow(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="A new file, for its owner alone.")],
    force: Annotated[bool, typer.Option("--force", help="In place of what is there.")] = False,
) -> None:
    """Take out the passwords of all repositories, to be kept where no machine is. It is audited.

    They open every backup; what is encrypted in it opens with the seal key and the data keys.
    """
    # The file first: what cannot be written is not taken out.
    with whole_file.whole(out, "--out", force=force) as file:
        with opening.vault(context) as (service, caller):
            given = operations.repository_passwords.escrow(service, caller)
        document = {
            "repositories": [
                {
                    "name": one.name,
                    "data_keys": one.data_keys,
                    "location": one.location,
                    "region": one.region,
                    "path_style": one.path_style,
                    "access_key_id": one.access_key_id,
                    "password": one.password.text(),
                    "password_since": show.time(one.password_since),
                }
                for one in given
            ]
        }
        file.write(json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n")
    show.talk(f"{len(given)} passwords are in {out}. Keep it apart from machine and backups.")


@app.command(
    "bring-back",
    epilog="Example: secvault backup repository bring-back offsite --as-of 2026-11-03T10:00+07:00",
)
def bring_back(
    context: typer.Context,
    name: Name,
    as_of: Annotated[str, typer.Option(help="When the bucket was as it should be.")],
    data_keys: DataKeys = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would come.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Make the bucket show again what it showed then, by the versions that it keeps.

    For when somebody deleted or overwrote backups. Nothing is deleted by it.
    """
    micros = micros_of(as_of, "--as-of")
    if micros is None:
        raise InvalidInput.at("--as-of", "say when the bucket was as it should be")
    with opening.vault(context) as (service, caller), progress.cancellable() as cancel:
        done = operations.repository_access.bring_back(
            service,
            caller,
            name,
            moment(micros),
            cancel,
            data_keys=data_keys,
            dry_run=dry_run,
        )
    values = {"repository": done.repository, "objects": done.objects, "bytes": done.bytes}
    if as_json:
        show.document({**values, "done": done.done})
        return
    show.facts(
        {
            "hidden since" if dry_run else "brought back": f"{done.objects} objects, "
            f"{show.size(done.bytes)}"
        }
    )


def show_reports(reports: tuple[AccessReport, ...], *, as_json: bool) -> None:
    """Print what was seen of repositories, with what is wrong and the mend of each."""
    if as_json:
        show.document({"repositories": [_report(one) for one in reports]})
        return
    for number, one in enumerate(reports):
        if number:
            show.out("")
        facts = _report(one)
        shown = {
            key.replace("_", " "): value
            for key, value in facts.items()
            if key not in ("findings", "notes") and value is not None
        }
        show.facts(shown)
        for finding in one.findings:
            show.out(f"wrong: {finding.fault}\n  mend: {finding.mend}")
        for hint in one.hints:
            show.out(f"note: {hint.fault}\n  mend: {hint.mend}")


def _report(report: AccessReport) -> dict[str, Any]:
    bucket, may = report.bucket, report.may
    lock = bucket.object_lock if bucket else None
    return {
        "repository": report.name,
        "location": report.location,
        "made": report.made,
        "bucket": bucket.name if bucket else None,
        "exists": bucket.exists if bucket else None,
        "versioning": bucket.versioning if bucket else None,
        "object_lock": (f"{lock.mode}, {lock.days} days" if lock else "none") if bucket else None,
        "public": report.public,
        "saving_may_delete": may.hide if may else None,
        "saving_may_delete_versions": may.destroy if may else None,
        "saving_may_remove_locks": may.unlock if may else None,
        "immutable": report.immutable,
        "findings": [{"fault": one.fault, "mend": one.mend} for one in report.findings],
        "notes": [{"fault": one.fault, "mend": one.mend} for one in report.hints],
    }


def _row(view: RepositoryView) -> dict[str, Any]:
    return {
        "name": view.name,
        "kind": view.kind,
        "location": view.location,
        "data_keys": view.data_keys,
        "region": view.region,
        "path_style": view.path_style,
        "storage_class": view.storage_class,
        "access_key_id": view.access_key_id,
        "prune_access_key_id": view.prune_access_key_id,
        "own_authorities": view.own_authorities,
        "plans": list(view.plans),
        "password_since": show.time(view.password_since),
        "escrowed": view.escrowed,
        "changing": view.changing,
    }
