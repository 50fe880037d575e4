"""What decisions are about: from a caller's resource and action to names of the policy's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from secvault.access import NO_FIELD, About
from secvault.access.authzen import PERSON, RECORD, ResourceType, actions_of
from secvault.access.vocabulary import COLLECTION, DEPARTMENTS, KEY, PLAN, is_object
from secvault.errors import InvalidInput, NotFound
from secvault.identity import names
from secvault.keyring import mount
from secvault.keyring.keyring import RESERVED_MOUNTS
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.service.authzen import subjects
from secvault.service.authzen.asked import Thing, Unknown, text_of
from secvault.service.authzen.subjects import Somebody
from secvault.service.service import Service

# No employee has such numbers: they stand for whether the caller says that it is the subject's.
SELF, OTHER = "\nself", "\nother"


@dataclass(frozen=True)
class Target:
    """What a rule would be about. about: whom and whose the thing is. owner: the person whose it is
    by the caller's word, SELF or OTHER when compared with a subject; None where it says nothing.
    gone: the record that is asked about is not there.
    """

    action: str
    department: str
    object: str
    field: str = NO_FIELD
    about: About | None = None
    owner: str | None = None
    record: str = ""
    gone: bool = False


class Things:
    """Finds things in one state of the store, each record once."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._about: dict[tuple[str, str], About | None] = {}

    def find(self, resource: Thing, action: str) -> Target:
        """What `action` on `resource` is here. Raises Unknown; InvalidInput for a bad property."""
        foreign = self._service.names.resources.get(resource.type)
        if foreign is not None:
            return self._foreign(foreign, resource, action)
        ours = self.own_action(resource.type, action)
        if resource.type == RECORD:
            name, _, record_id = resource.id.partition("/")
            field = _field(resource)
            return self._record(self.collection(name), record_id, ours, field, resource.properties)
        if resource.type == COLLECTION:
            found = self.collection(resource.id)
            return Target(ours, found.department, found.name, _field(resource))
        if resource.type == KEY:
            return Target(ours, self._department_of_key(resource.id), resource.id)
        if not is_object(ours, resource.id if resource.type == PLAN else resource.type, {}):
            raise Unknown("There is no such resource.")
        return self.fixed(resource, ours)

    def fixed(self, resource: Thing, action: str) -> Target:
        """A plan, or the one thing of a type such as `people`, in the department that is named."""
        department = resource.properties.get("department", "it")
        if department not in DEPARTMENTS:
            raise InvalidInput.at("resource.properties.department", "names no department")
        name = resource.id if resource.type == PLAN else resource.type
        return Target(action, str(department), name)

    def collection(self, name: str) -> Collection:
        """The collection of this name. Raises Unknown."""
        found = self._service.collections.get(name)
        if found is None:
            raise Unknown("There is no such collection.")
        return found

    def own_action(self, type_: str, action: str) -> str:
        """The action, if it is one on things of our own type. Raises Unknown."""
        known = actions_of(type_)
        if not known:
            raise Unknown("There is no such type of resource.")
        if action not in known:
            raise Unknown("There is no such action on resources of this type.")
        return action

    def action_of(self, foreign: ResourceType, action: str) -> str:
        """What the caller's action is here. Raises Unknown."""
        ours = foreign.actions.get(action)
        if ours is None:
            raise Unknown("There is no such action on resources of this type.")
        return ours

    def _foreign(self, foreign: ResourceType, resource: Thing, action: str) -> Target:
        ours = self.action_of(foreign, action)
        if foreign.object:
            return Target(ours, foreign.department, foreign.object)
        collection = self.collection(foreign.collection)
        if foreign.facts is None:
            return self._record(collection, resource.id, ours, NO_FIELD, resource.properties)
        said = {
            fact: text_of(resource.properties[name], f"resource.properties.{name}")
            for fact, name in foreign.facts.items()
            if resource.properties.get(name) is not None
        }
        person = said.get("employee")
        return Target(
            ours,
            collection.department,
            collection.name,
            about=About(
                names.compared(person) or None if person else None,
                names.compared(said["team"]) or None if "team" in said else None,
            ),
            owner=self._owner(said["owner"]) if "owner" in said else None,
        )

    def _owner(self, text: str) -> str:
        """The subject whose it is by the caller's word; OTHER for one who is not known here."""
        somebody = subjects.find(self._connection, self._service.names.subjects[PERSON], text)
        return somebody.subject if somebody else OTHER

    def _record(
        self,
        collection: Collection,
        record_id: str,
        action: str,
        field: str,
        properties: Mapping[str, Any],
    ) -> Target:
        if not action.startswith("record."):
            raise Unknown("There is no such action on resources of this type.")
        if field != NO_FIELD and field not in collection.fields:
            raise Unknown("There is no such field.")
        known = rows.RECORD_ID.fullmatch(record_id) is not None
        if action == "record.create":
            # What it will be about is for whoever makes it to say.
            values = {name: properties.get(name) for name in _facts_of(collection)}
            about: About | None = facts.about(collection, record_id, values)
        else:
            about = self._about_record(collection, record_id) if known else None
        return Target(
            action,
            collection.department,
            collection.name,
            field,
            about or About(),
            record=record_id if known else "",
            gone=about is None,
        )

    def _about_record(self, collection: Collection, record_id: str) -> About | None:
        key = (collection.name, record_id)
        if key not in self._about:
            found = rows.read_records(
                self._connection, self._service.keyring, collection, (record_id,)
            )
            self._about[key] = (
                facts.about(collection, found[0].id, found[0].plain) if found else None
            )
        return self._about[key]

    def _department_of_key(self, name: str) -> str:
        path, _, _ = name.rpartition("/")
        if not is_object("key.read", name, {}) or path in RESERVED_MOUNTS:
            raise Unknown("There is no such key.")
        try:
            return mount.read_mount(self._connection, path).department
        except NotFound:
            raise Unknown("There is no such key.") from None


def against(target: Target, somebody: Somebody) -> Target:
    """The target with its owner compared with this subject."""
    if target.owner is None or target.about is None:
        return target
    whose = SELF if target.owner == somebody.subject else OTHER
    return Target(
        target.action,
        target.department,
        target.object,
        target.field,
        About(whose, target.about.team),
        whose,
        target.record,
        target.gone,
    )


def _field(resource: Thing) -> str:
    named = resource.properties.get("field")
    return NO_FIELD if named is None else text_of(named, "resource.properties.field")


def _facts_of(collection: Collection) -> tuple[str, ...]:
    return tuple(name for name in (collection.person_field, collection.team_field) if name)
