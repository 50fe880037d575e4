"""Holds the root as a worker does, and heeds nothing. Arguments: data folder; `quiet` or `deaf`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from secvault.keyring.root import Root
from secvault.service.sealing.follower import Follower


def main() -> None:
    """Say "open" and "sealed"; a deaf one never returns from being sealed."""
    deaf = sys.argv[2] == "deaf"

    def opened(_: Root) -> None:
        print("open", flush=True)

    def sealed() -> None:
        print("sealed", flush=True)
        if deaf:
            time.sleep(600)

    follower = Follower(
        Path(sys.argv[1]),
        "test",
        opened=opened,
        renewed=lambda _: print("renewed", flush=True),
        sealed=sealed,
        log=lambda *_, **__: None,
    )
    follower.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
