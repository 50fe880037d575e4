"""The controls of a vault, and whether one was weakened: in the settings, or by the policy.

Each control has a strength; nothing is known of how somebody came to lower it. What is gone counts
as weakened as what is lower.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select

from secvault.access.in_force import InForce
from secvault.audit.detection.rules import Alert
from secvault.audit.event import Actor, Event
from secvault.config import Settings
from secvault.config.detection import RuleName
from secvault.service.audit_streams import declared
from secvault.service.detecting import raise_alert
from secvault.service.service import Service
from secvault.store.tables import audit_control

_RULE: RuleName = "weakened_control"


def watch_controls(service: Service) -> int:
    """Compare the controls with what they were, put on record each that is weaker, and raise an
    alert for it; how many are. The first look only notes them.

    It looks also while detection is off, which is a control itself. Raises Unavailable.
    """
    with service.store.read() as connection:
        before = _known(connection)
        now = controls_of(service, connection)
    if now == before:
        return 0
    with service.store.write() as connection:
        before = _known(connection)
        weaker = sorted(name for name, strength in before.items() if now.get(name, -1) < strength)
        for name in weaker:
            state = "weakened" if name in now else "removed"
            service.audit.enqueue(connection, _noted(name, state))
            raise_alert(service, connection, Alert(_RULE, name, service.clock.micros()))
        connection.execute(delete(audit_control))
        rows = [{"name": name, "strength": strength} for name, strength in sorted(now.items())]
        connection.execute(audit_control.insert(), rows)
    service.audit.kick()
    return len(weaker)


def controls_of(service: Service, connection: Connection) -> Mapping[str, int]:
    """Every control, with how strong it is."""
    streams = {f"stream:{name}": 1 for name in declared(service)}
    in_force = service.policy.in_force(connection)
    if in_force.rescue:
        # Nothing is in force then but what lets it be mended.
        return {**_of_settings(service.settings), **streams}
    return {**_of_settings(service.settings), **streams, **_of_policy(in_force)}


def _of_settings(settings: Settings) -> dict[str, int]:
    told, detection = settings.notifications, settings.audit.detection
    found = {
        "detection": int(detection.enabled),
        "detection:rules": -len(detection.off),
        "audit:checkpoints": -settings.audit.checkpoint_seconds,
        "audit:heartbeats": -settings.audit.heartbeat_seconds,
        "audit:retention": settings.audit.retention.months,
        "notices:kept": told.keep_days,
        "mail": int(told.mail.given),
    }
    found |= {f"channel:{name}": 1 for name, each in told.channels.items() if each.given}
    published = settings.audit.published
    found |= {f"publication:{name}": one.days for name, one in published.items()}
    found |= {f"witness:{name}": 1 for name in settings.audit.witnesses}
    return found | {f"plan:{name}": 1 for name in settings.backup.plans}


def _of_policy(in_force: InForce) -> dict[str, int]:
    obligations = in_force.obligations
    found = {
        f"approval:{action}": sum(slot.people for slot in slots)
        for action, slots in obligations.slots.items()
    }
    found |= {f"deny:{rule.id}": 1 for rule in in_force.rules.rules if rule.eft == "deny"}
    found |= {f"separation:{rule.id}": 1 for rule in in_force.separation.rules}
    for name, collection in in_force.collections.items():
        retention = collection.retention
        if retention is not None:
            found[f"retention:{name}"] = retention.years * 12 + retention.months
    return found


def _known(connection: Connection) -> dict[str, int]:
    found = connection.execute(select(audit_control))
    return {row.name: row.strength for row in found}


def _noted(name: str, state: str) -> Event:
    return Event(
        kind="audit.control",
        outcome="ok",
        actor=Actor("system", "secvault"),
        resource="it/audit/controls",
        department="it",
        detail={"target": name[:128], "state": state},
    )
