"""Changes the password of a small vault's repository, over and over, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from secvault.backup import rotation
from tests.backup.small_vault import small_vault
from tests.quick_repository import made_quickly

with made_quickly(), small_vault(Path(sys.argv[1])) as vault:
    print("ready", flush=True)
    while True:
        vault.hands.seconds += 1
        rotation.rotate(vault.engine, "local")
