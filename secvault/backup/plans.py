"""The plans of the store: the same settings as a declared plan has, as rows that people change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, func, select, update

from secvault.backup.plan_secrets import places
from secvault.config import PlanSettings
from secvault.config.keys import without_kind
from secvault.config.section import is_name
from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.errors import Conflict, Damaged, FieldError, InvalidInput, NotFound, VersionMismatch
from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_plan, backup_plan_secret

MOST = 1_000
LARGEST = 64 * 1024
"""Bytes of one plan's settings."""


@dataclass(frozen=True)
class StoredPlan:
    """A plan of the store. Times in microseconds since the epoch, UTC; subjects as of the log.

    settings: with every secret left out. secrets: the places where it has one. version: grows with
    every change. paused_at: since when nothing of it is due; None while it runs.
    """

    name: str
    settings: PlanSettings
    secrets: frozenset[str]
    version: int
    paused_at: int | None
    made_by: str
    made_at: int
    changed_by: str
    changed_at: int


def parse(values: Mapping[str, Any]) -> PlanSettings:
    """The settings of a plan from a table or JSON object, in the words of the settings' file.

    Raises InvalidInput naming every field at fault, and no value.
    """
    try:
        return PlanSettings.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    except RecursionError:
        raise InvalidInput.at("settings", "are nested too deep") from None
    faults = tuple(
        FieldError(
            _field(fault["loc"]),
            "no such setting"
            if fault["type"] == "extra_forbidden"
            else fault["msg"].removeprefix("Value error, "),
        )
        for fault in found
    )
    raise InvalidInput("; ".join(f"{one.field}: {one.detail}" for one in faults), fields=faults)


def plain(settings: PlanSettings) -> dict[str, Any]:
    """The settings as canonical JSON has them: numbers with fractions as texts."""
    values: dict[str, Any] = _without_floats(settings.model_dump(mode="json"))
    return values


def require_name(name: str) -> str:
    """The name, which a plan of the store may have. Raises InvalidInput."""
    # The policy's rows and the log name it, too, and none of their names ends with a hyphen.
    if not is_name(name) or name.endswith("-"):
        raise InvalidInput.at(
            "name",
            "name it with a-z, 0-9, '-' and '_', at most 63, a letter or digit first, no '-' last",
        )
    return name


def stored(connection: Connection, name: str) -> StoredPlan | None:
    """The plan of this name, if the store has one. Raises Damaged."""
    row = connection.execute(select(backup_plan).where(backup_plan.c.name == name)).one_or_none()
    return _plan(row, places(connection, name)) if row else None


def get(connection: Connection, name: str) -> StoredPlan:
    """The same; raises NotFound when the store has none."""
    found = stored(connection, name)
    if found is None:
        raise _not_stored(name)
    return found


def _not_stored(name: str) -> NotFound:
    return NotFound(
        f"the store has no backup plan {name[:64]!r}; plans of the settings' file are changed there"
    )


@dataclass(frozen=True)
class Written:
    """The row of a plan, whether it can be read or not. settings: their exact text."""

    version: int
    settings: str


def written(connection: Connection, name: str) -> Written:
    """The row of the plan of this name. Raises NotFound."""
    columns = select(backup_plan.c.version, backup_plan.c.settings)
    row = connection.execute(columns.where(backup_plan.c.name == name)).one_or_none()
    if row is None:
        raise _not_stored(name)
    return Written(row.version, row.settings)


def names(connection: Connection) -> tuple[str, ...]:
    """The names of all plans of the store, sorted."""
    return tuple(
        connection.execute(select(backup_plan.c.name).order_by(backup_plan.c.name)).scalars()
    )


def all_settings(connection: Connection, *, readable: bool = False) -> dict[str, PlanSettings]:
    """The settings of every plan of the store by its name, without secrets.

    readable: without those that cannot be read. Raises Damaged.
    """
    column = backup_plan.c
    rows = connection.execute(
        select(column.name, column.settings, column.version).order_by(column.name)
    )
    found = {}
    for name, text, version in rows:
        try:
            found[name] = _read(text, _told(name, version))
        except Damaged:
            if not readable:
                raise
    return found


def all_stored(connection: Connection) -> tuple[StoredPlan, ...]:
    """Every plan of the store, by name. Raises Damaged."""
    secrets: dict[str, set[str]] = {}
    table = backup_plan_secret
    for plan, place in connection.execute(select(table.c.plan, table.c.place)):
        secrets.setdefault(plan, set()).add(place)
    rows = connection.execute(select(backup_plan).order_by(backup_plan.c.name)).all()
    return tuple(_plan(row, frozenset(secrets.get(row.name, ()))) for row in rows)


def add(
    connection: Connection, name: str, settings: PlanSettings, *, by: str, now: int
) -> StoredPlan:
    """Write a new plan. settings: without secrets. Raises Conflict, InvalidInput."""
    if connection.execute(select(func.count()).select_from(backup_plan)).scalar_one() >= MOST:
        raise Conflict(f"there are {MOST} backup plans already; remove one first")
    row = {
        "name": name,
        "settings": _text(settings),
        "version": 1,
        "made_by": by,
        "made_at": now,
        "changed_by": by,
        "changed_at": now,
    }
    if not insert_unless_there(connection, backup_plan, row):
        raise Conflict(f"there is a backup plan {name} already; change it, or use another name")
    return StoredPlan(name, settings, frozenset(), 1, None, by, now, by, now)


def change(
    connection: Connection,
    plan: StoredPlan,
    version: int,
    *,
    by: str,
    now: int,
    settings: PlanSettings | None = None,
    paused_at: int | None,
) -> None:
    """Write the plan anew if nobody else did since `version`. Raises VersionMismatch."""
    changed = connection.execute(
        update(backup_plan)
        .where(backup_plan.c.name == plan.name, backup_plan.c.version == version)
        .values(
            settings=_text(settings or plan.settings),
            paused_at=paused_at,
            version=version + 1,
            changed_by=by,
            changed_at=now,
        )
    )
    _require_one(changed.rowcount, plan.name, plan.version, version)


def remove(connection: Connection, name: str, version: int) -> None:
    """Delete the plan and its secrets, also where its row is damaged; its snapshots stay.

    Raises NotFound, VersionMismatch.
    """
    present = written(connection, name)
    secret, plan = backup_plan_secret, backup_plan
    connection.execute(delete(secret).where(secret.c.plan == name))
    gone = connection.execute(delete(plan).where(plan.c.name == name, plan.c.version == version))
    _require_one(gone.rowcount, name, present.version, version)


def _require_one(rows: int, name: str, present: int, version: int) -> None:
    if rows != 1:
        raise VersionMismatch(
            f"the plan {name} has version {present}, not {version}: look at it again, then change "
            "that"
        )


def _text(settings: PlanSettings) -> str:
    text = canonical_json(_without_floats(settings.model_dump(mode="json")))
    if len(text) > LARGEST:
        raise InvalidInput.at("settings", f"are larger than {LARGEST} bytes; make two plans of it")
    return text.decode()


def _without_floats(value: Any) -> Any:
    """The same with texts for what canonical JSON has no form of; they are read back as numbers."""
    if isinstance(value, dict):
        return {name: _without_floats(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_floats(one) for one in value]
    return repr(value) if isinstance(value, float) else value


def _plan(row: Row[Any], secrets: frozenset[str]) -> StoredPlan:
    return StoredPlan(
        row.name,
        _read(row.settings, _told(row.name, row.version)),
        secrets,
        row.version,
        row.paused_at,
        row.made_by,
        row.made_at,
        row.changed_by,
        row.changed_at,
    )


def _told(name: str, version: int) -> str:
    return f"The backup plan {name} (version {version})"


@lru_cache(maxsize=4 * MOST)
def _read(settings: str, what: str) -> PlanSettings:
    """The settings as they were written. They cannot be changed, so all readers share them.

    Kept, because to check them takes milliseconds and some pages show hundreds of plans. Raises
    Damaged.
    """
    values = parse_canonical(settings.encode(), what)
    try:
        return PlanSettings.model_validate(values)
    except ValidationError:
        raise Damaged(f"{what} is not what was written; remove it and make it anew") from None


def _field(location: tuple[int | str, ...]) -> str:
    named = tuple(part for part in location if part != "[key]")
    parts = without_kind(("backup", "plans", "", *named))[3:]
    return ".".join(map(str, parts)) or "settings"
