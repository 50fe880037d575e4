"""What a record is, once it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.crypto.canonical import JsonValue
from secvault.crypto.field import FieldAddress, open_field
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound

RECORD_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Record:
    """A record as read, its tag verified. Times in micros. Sensitive values are still sealed.

    subject: whose data key seals it. schema_version: of the collection, when it was written; a
    hint, not under the tag; 0 for records from before schemas had versions.
    """

    collection: str
    id: str
    subject: str
    version: int
    plain: Mapping[str, JsonValue]
    sealed: Mapping[str, bytes]
    data_key: Secret
    created_at: int
    updated_at: int
    schema_version: int = field(default=0, compare=False)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that have a value, in order."""
        return tuple(sorted([*self.plain, *self.sealed]))

    def value(self, field: str) -> JsonValue:
        """The value of one field in clear, wherever the schema of its time put it.

        Raises NotFound (no value) or Damaged.
        """
        if field in self.plain:
            return self.plain[field]
        envelope = self.sealed.get(field)
        if envelope is None:
            raise NotFound(f"{self.collection}/{self.id} has no value for {field}")
        return open_field(envelope, self.data_key, FieldAddress(self.collection, self.id, field))


def check_id(record_id: str) -> str:
    """Return an id that may name a record. Raises InvalidInput."""
    if not RECORD_ID.fullmatch(record_id):
        raise InvalidInput.at(
            "id", "use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        )
    return record_id
