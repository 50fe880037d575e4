"""What is asked of one drill, where that is not just what its plan's settings say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec
from sqlalchemy import Connection, select

from secvault.config import PlanSettings
from secvault.config.drills import LevelName
from secvault.errors import Damaged, InvalidInput
from secvault.store.engine import insert_unless_there
from secvault.store.tables import drill_order

LEVELS: tuple[LevelName, ...] = get_args(LevelName)
"""Every level, each on top of the one before it."""
LATEST = "latest"
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")


class DrillOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. What is empty is as the plan's settings say.

    snapshot: `latest`, or the beginning of an id, 8 to 64 hexadecimal characters. repository: one
    of the plan's.
    """

    snapshot: str = ""
    repository: str = ""
    extent: Literal["", "whole", "sample"] = ""
    levels: tuple[LevelName, ...] = ()


AS_SET = DrillOrder()
"""What a schedule asks for."""


@dataclass(frozen=True)
class Wanted:
    """An order together with the plan's settings. levels: in their order.

    complete: whether it is all that the settings ask for, so that it counts as the plan's drill.
    """

    plan: str
    snapshot: str
    repository: str
    extent: Literal["whole", "sample"]
    levels: tuple[LevelName, ...]
    complete: bool


def require_sound(order: DrillOrder, plan: PlanSettings) -> None:
    """Refuse what cannot be meant. Raises InvalidInput naming the field."""
    if order.snapshot and order.snapshot != LATEST and not _SNAPSHOT.fullmatch(order.snapshot):
        raise InvalidInput.at("snapshot", "write `latest`, or 8 to 64 hexadecimal characters")
    if order.repository and order.repository not in (plan.repository, *plan.copies):
        raise InvalidInput.at("repository", "is none that the plan saves into")
    if len({*order.levels}) != len(order.levels):
        raise InvalidInput.at("levels", "one is named twice")


def wanted(name: str, plan: PlanSettings, order: DrillOrder) -> Wanted:
    """The order for the plan of this name. Raises InvalidInput."""
    require_sound(order, plan)
    settings = plan.drill
    asked = {*(order.levels or settings.levels)}
    extent = order.extent or settings.extent
    newest = order.snapshot == LATEST and settings.snapshot == "newest"
    return Wanted(
        name,
        order.snapshot,
        order.repository,
        extent,
        tuple(level for level in LEVELS if level in asked),
        complete=asked >= {*settings.levels}
        and (extent == "whole" or settings.extent == "sample")
        and (not order.snapshot or newest),
    )


def keep(connection: Connection, drill_id: str, plan: str, order: DrillOrder, now: int) -> None:
    """Keep what is asked for until the worker does it, in the caller's transaction."""
    text = msgspec.json.encode(order).decode()
    row = {"id": drill_id, "plan": plan, "wanted": text, "asked_at": now}
    insert_unless_there(connection, drill_order, row)


def kept(connection: Connection, drill_id: str) -> DrillOrder:
    """What was asked of this drill; a schedule asks for nothing of its own. Raises Damaged."""
    asked = select(drill_order.c.wanted).where(drill_order.c.id == drill_id)
    text = connection.execute(asked).scalar_one_or_none()
    if text is None:
        return AS_SET
    try:
        return msgspec.json.decode(text, type=DrillOrder)
    except (msgspec.DecodeError, RecursionError):
        raise Damaged(f"what was asked of the drill {drill_id} is not what was written") from None
