"""`secvault config`: what is set, where it comes from, and whether it can work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from secvault.cli import opening, operations, show
from secvault.clock import system_clock
from secvault.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from secvault.access import Rules
    from secvault.config import Settings

app = typer.Typer(no_args_is_help=True, help="The configuration: show it, check it.")


@app.command("show", epilog="Example: SECVAULT_SERVER__PORT=8300 secvault config show")
def show_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show every setting, its value and where it comes from. Secrets are shown as ***."""
    chosen = opening.settings(context)
    rows = [
        {"setting": key, "value": value, "origin": origin}
        for key, value, origin in operations.config.settings_with_origin(
            chosen, opening.config_file(context), os.environ
        )
    ]
    columns = {"setting": "Setting", "value": "Value", "origin": "From"}
    show.listing("settings", rows, columns, as_json=as_json, empty="")


@app.command(epilog="Example: secvault --config /etc/secvault/config.toml config check")
def check(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Check settings, policies, collections, repositories and schedules; opens no vault.

    Exit code 2, with the file and key at fault, when something is wrong.
    """
    chosen = opening.settings(context)
    engine = chosen.store_url.partition(":")[0]
    collections, rules = _policies(chosen)
    answering = operations.matcher.answering(rules.matcher, chosen.access.engine)
    values = {
        "file": str(opening.config_file(context) or "none, defaults and variables only"),
        "data": str(chosen.data_folder),
        "store": engine,
        "policies": str(chosen.policy_folder),
        "collections": collections,
        "roles": len(rules.roles),
        "access": answering,
        "policy in force": _in_force(chosen),
        **{f"plan {name}": _plan(chosen, name) for name in sorted(chosen.backup.plans)},
    }
    if as_json:
        show.document({"valid": True, **values})
    else:
        show.facts(values)
        if answering != chosen.access.engine:
            show.talk(
                "The matcher of model.conf is not the shipped one, which alone the table knows: "
                "Casbin answers, many times slower."
            )
        show.talk("The configuration is valid.")


def _policies(chosen: Settings) -> tuple[int, Rules]:
    bundle = operations.bundle.read_folder(chosen.policy_folder)
    policy = operations.published.parse_bundle(bundle)
    operations.circumstances.check_conditions(chosen, policy.rules)
    return len(policy.collections), policy.rules


def _in_force(chosen: Settings) -> str:
    if not operations.opening.vault_exists(chosen):
        return "none yet; these files will be, with the vault"
    found = operations.policy_offline.folder_state(chosen)
    if found is None or found.version is None:
        return "none yet; these files will be, at the next start"
    if found.same:
        return f"number {found.version.number}, which is these files"
    return f"number {found.version.number}; the files differ: see `secvault policy plan`"


def _plan(chosen: Settings, name: str) -> str:
    plan = chosen.backup.plans[name]
    location = chosen.repository(plan.repository).location
    try:
        place = operations.repository.parse_location(location)
    except InvalidInput as error:
        raise ConfigurationError(
            f"backup.repositories.{plan.repository}.{error.detail}", fields=error.fields
        ) from None
    said = [f"to {place}"]
    for what, key, cron in (
        ("backup", "schedule", plan.schedule),
        ("check", "check_schedule", plan.check_schedule),
        ("drill", "drill_schedule", plan.drill_schedule),
    ):
        if not cron:
            said.append(f"no {what} by itself")
            continue
        timing = operations.occurrences.Timing(cron, plan.time_zone, plan.windows)
        try:
            due = operations.occurrences.next_after(timing, system_clock().now())
        except InvalidInput as error:
            raise ConfigurationError(
                f"backup.plans.{name}.{key}: {error.detail}", fields=error.fields
            ) from None
        said.append(f"next {what} {due.isoformat()}")
    return ", ".join(said)
