"""Rotates the root again and again until it is killed. Arguments: store URL, seal key file."""

from __future__ import annotations

import sys
from pathlib import Path

from secvault.clock import system_clock
from secvault.keyring import FileSeal
from secvault.keyring.root import Root, unseal
from secvault.keyring.rotation import rotate_root
from secvault.keyring.seals.seal import Wrapped, wrapped_by
from secvault.store import open_store


def main() -> None:
    """Say each generation after its commit."""
    store, seal = open_store(sys.argv[1]), FileSeal(Path(sys.argv[2]))

    def wrap(root: Root) -> Wrapped:
        return wrapped_by(seal, root.key, root.vault_id)

    print("begin", flush=True)
    while True:
        with store.read() as connection:
            old = unseal(connection, seal)
        with store.write() as connection:
            new = rotate_root(connection, old, wrap, system_clock())
        print(new.generation, flush=True)


if __name__ == "__main__":
    main()
