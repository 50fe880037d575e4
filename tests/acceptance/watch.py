"""What must not be readable, and everything in which it might be."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Watch:
    """Everything seen while the vault was used, and what must not be in it."""

    secrets: dict[str, set[bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    staged: dict[str, bytes] = field(default_factory=dict)
    command_lines: set[bytes] = field(default_factory=set)
    environments: dict[str, set[bytes]] = field(default_factory=dict)

    def keep_text(self, name: str, text: str) -> None:
        """A text, as it stands, in JSON's escapes, and as its bytes in other clothes."""
        escaped = json.dumps(text)[1:-1].encode()
        self.secrets[name] = {escaped, *clothes(text.encode())}

    def keep_bytes(self, name: str, secret: bytes) -> None:
        """Key bytes, as they are and in the forms that programs print."""
        self.secrets[name] = clothes(secret)

    def keep_credential(self, name: str, credential: str) -> None:
        """A session, token or secret id. Its first two parts name it in logs and the audit log; the
        third is the secret.
        """
        self.keep_text(name, credential)
        self.keep_text(f"secret of {name}", credential.split("_")[2])

    def look(self, folder: Path) -> None:
        """Read every file below the folder as it is now."""
        self.files |= contents(folder)

    def found(self, haystacks: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """Which secret is readable where."""
        return [
            (name, place)
            for place, content in haystacks.items()
            for name, forms in self.secrets.items()
            if any(form in content for form in forms)
        ]


def clothes(secret: bytes) -> set[bytes]:
    """The bytes, in hex, in base64 and base32 as far as these do not depend on what follows."""
    standard = base64.b64encode(secret)[: len(secret) * 8 // 6]
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), standard}
    forms |= {standard.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms | {base64.b32encode(secret)[: len(secret) * 8 // 5]}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder; a file or folder that is taken away meanwhile is left out."""
    found = {}
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                if file.is_file():
                    found[str(file)] = file.read_bytes()
    return found
