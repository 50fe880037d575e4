"""The one gate from a command to the vault: settings, the open service, and who is asking."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from secvault.cli import operations, show
from secvault.clock import system_clock
from secvault.errors import InvalidInput, Sealed, Unavailable
from secvault.process import leave_no_core

if TYPE_CHECKING:
    from secvault.audit.event import Personal
    from secvault.config import Settings
    from secvault.service.sealing.access import RootAccess
    from secvault.service.service import Service
    from secvault.service.spine import Caller


SEALED_MEANWHILE = "The vault is sealed: it was sealed while this command was at work"


class NoVault(Unavailable):
    """The settings point at a place where no vault was made."""

    code = "no-vault"
    title = "There is no vault"


@dataclass(frozen=True)
class Asked:
    """What was said before the command's name. reason, ticket: see `spine.Caller`."""

    config: Path | None
    reason: str = ""
    ticket: str = ""


def config_file(context: typer.Context) -> Path | None:
    """The configuration file: of `--config`, else of SECVAULT_CONFIG, else none."""
    asked = context.find_object(Asked)
    return operations.config.config_file(asked.config if asked else None, os.environ)


def settings(context: typer.Context, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this call. Raises ConfigurationError."""
    return operations.config.load(config_file(context), environment or os.environ)


def require_vault(chosen: Settings) -> None:
    """Return when there is a vault. Raises NoVault, saying how to make one; Unavailable."""
    if not operations.opening.vault_exists(chosen):
        raise NoVault(
            f"nothing is in {chosen.data_folder} yet; run `secvault init` first, or name the right "
            "folder with SECVAULT_DATA or --config"
        )


@contextmanager
def opened(
    chosen: Settings,
    access: RootAccess | None = None,
    *,
    drop_keys: bool = False,
    apart: bool = False,
) -> Iterator[Service]:
    """The open service, in this process.

    access: the way to the root, of a vault that was made here. drop_keys: when the vault is sealed
    meanwhile, drop the keys and go on; else the command ends then, with exit code 4. apart: also a
    restored copy whose data keys are not back yet.
    """
    leave_no_core()
    # What a command prints belongs to whoever called it.
    operations.log.configure_logging(sys.stderr)
    require_vault(chosen)
    inside: list[Service] = []

    def sealed() -> None:
        if not drop_keys:
            show.talk(f"secvault: {SEALED_MEANWHILE}")
            os._exit(Sealed.exit_code)
        for service in inside:
            service.keyring.roots.close()

    with (
        operations.visit.visiting(chosen.data_folder, sealed) as root,
        operations.opening.opened(
            chosen,
            system_clock(),
            program="cli",
            access=access,
            root=root,
            mend=True,
            apart=apart,
        ) as service,
    ):
        inside.append(service)
        with service.store.read() as connection:
            why = service.policy.in_force(connection).rescue
        if why:
            show.talk(f"secvault: {why}")
        yield service


@contextmanager
def vault(
    context: typer.Context, *, drop_keys: bool = False, apart: bool = False
) -> Iterator[tuple[Service, Caller]]:
    """The open service and the caller: of SECVAULT_TOKEN, else the operator of this machine.

    The operator, whoever can read the seal key, may administer but sees no record.
    Raises NotAuthenticated for a credential that is wrong, expired or revoked.
    """
    with opened(settings(context), drop_keys=drop_keys, apart=apart) as service:
        credential = os.environ.get("SECVAULT_TOKEN", "").strip()
        authentication = operations.authentication
        principal = (
            authentication.authenticate(service, credential)
            if credential
            else authentication.local_operator(service)
        )
        asked = context.find_object(Asked) or Asked(None)
        ticket = service.spine.ticket(asked.ticket, "--ticket")
        here = at_this_machine(os.environ)
        yield (
            service,
            operations.spine.Caller(principal, reason=asked.reason, ticket=ticket, here=here),
        )


def at_this_machine(environment: Mapping[str, str]) -> Personal:
    """Who runs the command, as far as the machine knows: the account, and where they come from.

    It is what somebody who owns the machine can make it say; the log keeps it as no more than that.
    """
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = f"uid {os.getuid()}"
    # By `sudo` it is root's command, and somebody else's hand.
    name = environment.get("SUDO_USER") or account
    address = environment.get("SSH_CONNECTION", "").partition(" ")[0]
    return operations.event.Personal(address, f"secvault command line of {account}", name)


def the_plan(service: Service, named: str | None) -> str:
    """The named backup plan, or the only one there is, whether declared or stored.

    Raises InvalidInput, Damaged.
    """
    if named is not None:
        return named
    plans = sorted(service.backups.plans())
    if len(plans) != 1:
        known = ", ".join(plans) or "none"
        raise InvalidInput.at("plan", f"name the plan; there are: {known}")
    return plans[0]
