"""What a record says of an attachment; the content itself lies beside the database.

Start at `Attached`; what is kept of contents as rows is in `attachment_rows`, where they lie in
`attachment_storage`, and how they are sealed in `attachment_content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from secvault.crypto.canonical import JsonValue
from secvault.crypto.content_key import ContentAddress


@dataclass(frozen=True)
class Attached:
    """An attachment as its record has it: its id, the file's name, its size in bytes, its media
    type and the SHA-256 of its content in hexadecimal.
    """

    id: str
    name: str
    size: int
    type: str
    sha256: str

    @classmethod
    def of(cls, value: JsonValue) -> Attached:
        """From the value of a field, in the form that `value.parse_value` gives it."""
        said = cast("Mapping[str, Any]", value)
        return cls(said["attachment"], said["name"], said["size"], said["type"], said["sha256"])

    def value(self) -> JsonValue:
        """The value of the field."""
        return {
            "attachment": self.id,
            "name": self.name,
            "size": self.size,
            "type": self.type,
            "sha256": self.sha256,
        }

    def address(self, collection: str, record: str, field: str) -> ContentAddress:
        """Where alone its content opens."""
        return ContentAddress(collection, record, field, self.id)
