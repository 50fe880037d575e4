"""What a plan of the store may do, and what a change of one takes away.

Whoever may write a plan must not get more by it than by their role: secvault works with rights of
its own. So no plan of the store names a program, a file with a secret, or a folder that the
settings do not open; and none of its sources is reached by what secvault itself is trusted with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secvault.backup.plan_secrets import Secrets
from secvault.config import PlanSettings
from secvault.config.backup_sources import (
    BucketSource,
    CommandSource,
    FoldersSource,
    Login,
    MariadbSource,
    PostgresqlSource,
    SourceSettings,
    SqliteSource,
)
from secvault.config.drills import DrillSettings
from secvault.errors import FieldError, InvalidInput

_IN_THE_FILE = "only a plan of the settings' file can have it"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
# libpq takes a database's name with one of these for a whole connection string.
_CONNECTION = re.compile(r"=|://")
_GREW = frozenset(
    {
        *("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"),
        *("folders", "copies", "keep_tags"),
    }
)
_HARMLESS = frozenset(
    {
        *("schedule", "check_schedule", "time_zone", "missed", "windows"),
        *("jitter_minutes", "priority", "upload_kib", "download_kib", "tags"),
    }
)


@dataclass(frozen=True)
class Openings:
    """What plans of the store may save of this machine.

    folders: what lies below them. closed: never these, what is in them, or what holds them, as for
    every plan. secret: nor these, which a plan of the settings may have among others.
    """

    folders: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    secret: tuple[Path, ...] = ()

    def admit(self, path: Path) -> bool:
        """Whether the path may be saved, by where it really is."""
        if not path.is_absolute() or ".." in path.parts:
            return False
        real = path.resolve()
        for one in (*self.closed, *self.secret):
            closed = one.resolve()
            if real.is_relative_to(closed) or closed.is_relative_to(real):
                return False
        return any(real.is_relative_to(folder.resolve()) for folder in self.folders)


NOTHING_OPEN = Openings()


def require_storable(plan: PlanSettings, secrets: Secrets, openings: Openings) -> None:
    """Return when a plan of the store may be so. secrets: those it has, by their places.

    Raises InvalidInput naming every field at fault; never a value of one.
    """
    faults = [*_faults(plan, secrets, openings)]
    if faults:
        raise InvalidInput(
            "; ".join(f"{fault.field}: {fault.detail}" for fault in faults), fields=tuple(faults)
        )


def weakened(before: PlanSettings, after: PlanSettings) -> tuple[str, ...]:
    """The fields by whose change less is saved, or kept for less long, or missed without a word; or
    a database is asked something new, whose answers tell what is in it.

    When runs are due is not among them: the plan's RPO tells of a run that does not come. When
    drills are is, unless it is said how long a proof holds: else that follows from the schedule.
    """
    return tuple(
        name
        for name in PlanSettings.model_fields
        if name not in _HARMLESS
        and not (name == "drill_schedule" and after.drill.overdue_days)
        and getattr(before, name) != getattr(after, name)
        and not _more(name, getattr(before, name), getattr(after, name))
    )


def _more(name: str, before: Any, after: Any) -> bool:
    if name in _GREW:
        return bool(set(after) >= set(before) if isinstance(after, tuple) else after > before)
    more = not before
    match name:
        case "rpo_hours":
            more = after < before
        case "check_days":
            more = before == 0 or 0 < after < before
        case "drill":
            more = _proves_more(before, after)
        case "excludes":
            more = set(after) <= set(before)
        case "sources":
            more = all(after.get(source) == settings for source, settings in before.items())
    return bool(more)


def _proves_more(before: DrillSettings, after: DrillSettings) -> bool:
    """Whether drills by the later settings prove no less than by the earlier ones."""
    return (
        {*before.levels} <= {*after.levels}
        and (after.extent == "whole" or before.extent == "sample")
        and (after.extent == "whole" or after.rate <= before.rate)
        and (after.extent == "whole" or after.confidence >= before.confidence)
        and after.tolerance <= before.tolerance
        and after.rto_minutes <= before.rto_minutes
        and (before.repository == "first" or after.repository == "turn")
        and (after.overdue_days <= before.overdue_days or not before.overdue_days)
        and bool(after.overdue_days or not before.overdue_days)
        and all(after.assertions.get(name) == one for name, one in before.assertions.items())
        # Whether it holds tells a little of the data, to whoever reads of drills; and the login by
        # which the data was saved may be another's.
        and all(before.assertions.get(name) == one for name, one in after.assertions.items())
    )


def _faults(plan: PlanSettings, secrets: Secrets, openings: Openings) -> Iterator[FieldError]:
    if plan.hooks:
        yield FieldError("hooks", f"run programs; {_IN_THE_FILE}")
    yield from _paths("folders", plan.folders, openings)
    yield from _patterns("excludes", plan.excludes)
    if plan.ping_url or "ping_url" in secrets:
        url = secrets.get("ping_url", plan.ping_url)
        if not url.startswith("https://"):
            yield FieldError("ping_url", "must begin with https://")
    for name, asked in plan.drill.assertions.items():
        if asked.command:
            place = f"drill.assertions.{name}.command"
            yield FieldError(place, f"runs a program; {_IN_THE_FILE}")
    for name, source in plan.sources.items():
        place = f"sources.{name}"
        yield from _source(place, source, secrets, openings)


def _source(
    place: str, source: SourceSettings, secrets: Secrets, openings: Openings
) -> Iterator[FieldError]:
    # Whatever they are for: programs, passwords, sockets, authorities to trust.
    for key in type(source).model_fields:
        if isinstance(getattr(source, key), Path):
            yield FieldError(f"{place}.{key}", f"is a place of this machine; {_IN_THE_FILE}")
    match source:
        case CommandSource():
            yield FieldError(f"{place}.kind", f"runs a program; {_IN_THE_FILE}")
        case FoldersSource():
            yield from _paths(f"{place}.paths", source.paths, openings)
            yield from _patterns(f"{place}.excludes", source.excludes)
        case SqliteSource():
            yield from _paths(f"{place}.files", source.files, openings)
        case PostgresqlSource() | MariadbSource():
            yield from _login(place, source, secrets)
        case BucketSource():
            yield from _bucket(place, source, secrets)


def _bucket(place: str, source: BucketSource, secrets: Secrets) -> Iterator[FieldError]:
    # Else it would be read by what secvault's own environment may read.
    if not source.access_key_id:
        yield FieldError(f"{place}.access_key_id", "is needed, a key of the plan's own")
    if f"{place}.secret_access_key" not in secrets:
        yield FieldError(f"{place}.secret_access_key", "is needed, a key of the plan's own")
    if not source.location.startswith("s3:"):
        yield FieldError(f"{place}.location", "write s3:https://host/bucket[/prefix]")


def _login(place: str, source: Login, secrets: Secrets) -> Iterator[FieldError]:
    # A local socket, or no password, would let it in as whoever secvault runs as.
    if not _HOST.fullmatch(source.host):
        yield FieldError(f"{place}.host", "is needed: the name or address of one server")
    if not source.user:
        yield FieldError(f"{place}.user", "is needed, a user of the plan's own")
    if f"{place}.password" not in secrets:
        yield FieldError(f"{place}.password", "is needed, the user's own")
    tables = source.exclude_tables if isinstance(source, PostgresqlSource) else ()
    for key, names in (
        ("user", (source.user,)),
        ("databases", source.databases),
        ("exclude_tables", tables),
    ):
        if any(_CONNECTION.search(name) or name.startswith("-") for name in names):
            yield FieldError(f"{place}.{key}", "holds = or ://, or begins with -")
        yield from _patterns(f"{place}.{key}", names)


def _paths(field: str, paths: Iterable[Path], openings: Openings) -> Iterator[FieldError]:
    for number, path in enumerate(paths):
        if not openings.admit(path):
            yield FieldError(
                f"{field}.{number}",
                "lies below none of backup.open_folders of the settings, or is secvault's own",
            )


def _patterns(field: str, texts: Iterable[str]) -> Iterator[FieldError]:
    if not all(text.isprintable() for text in texts):
        yield FieldError(field, "holds a line break or another control character")
