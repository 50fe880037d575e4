"""Hooks: programs that an administrator has run before, after or at the failure of a plan's runs.

Each gets no shell, a short environment with what it is called for, and its time. What it prints is
not kept, but for the last lines of its stderr where it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from secvault.backup.restic_process import Cancel
from secvault.backup.sources import child
from secvault.backup.sources.command import named_values
from secvault.backup.sources.faults import HookFailed
from secvault.clock import Clock
from secvault.config import PlanSettings
from secvault.config.backup import HookSettings
from secvault.errors import BackupFailed, Cancelled, ConfigurationError

When = Literal["before", "after", "failed", "end"]
LONGEST_ERROR = 1000


@dataclass(frozen=True)
class Occasion:
    """What hooks are told, as variables of their environment, and what they work with.

    SECVAULT_PLAN, SECVAULT_RUN, SECVAULT_REPOSITORY; SECVAULT_SNAPSHOT once there is one;
    SECVAULT_ERROR where the run failed: why, as its row says. environment: secvault's own.
    """

    plan: str
    run: str
    repository: str
    clock: Clock
    cancel: Cancel
    environment: Mapping[str, str]
    snapshot: str = ""
    error: str = ""


def run(plan: PlanSettings, when: When, occasion: Occasion) -> tuple[str, ...]:
    """Run the plan's hooks of that moment, in the order of their declaration; return their names.

    Of those before a run the first that fails is the last that is run. Of the others each is run,
    whatever became of those before it. Raises HookFailed, Cancelled.
    """
    wanted = {name: hook for name, hook in plan.hooks.items() if hook.when == when}
    failures: dict[str, str] = {}
    for name, hook in wanted.items():
        try:
            _run(name, hook, occasion)
        except Cancelled:
            raise
        except (BackupFailed, ConfigurationError, OSError) as error:
            failures[name] = str(error)
            if when == "before":
                break
    if failures:
        raise HookFailed("; ".join(failures.values()), hooks=tuple(failures))
    return tuple(wanted)


def _run(name: str, hook: HookSettings, occasion: Occasion) -> None:
    environment = child.environment_of(occasion.environment, *hook.environment)
    child.run(
        child.Task(
            hook.command,
            {**environment, **_told(hook, occasion)},
            f"running the hook {name}",
            hook.seconds,
            secrets=named_values(environment, hook.environment),
        ),
        occasion.clock,
        occasion.cancel,
    )


def _told(hook: HookSettings, occasion: Occasion) -> dict[str, str]:
    told = {
        "SECVAULT_WHEN": hook.when,
        "SECVAULT_PLAN": occasion.plan,
        "SECVAULT_RUN": occasion.run,
        "SECVAULT_REPOSITORY": occasion.repository,
        "SECVAULT_SNAPSHOT": occasion.snapshot,
        # No variable holds a NUL.
        "SECVAULT_ERROR": occasion.error.replace("\0", " ")[:LONGEST_ERROR],
    }
    return {name: value for name, value in told.items() if value}
