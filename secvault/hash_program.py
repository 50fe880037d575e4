"""A program that hashes passwords for the service: one JSON line in, one out, until the input ends.

A hash takes a core for a twentieth of a second. In a process of its own, at a lower priority, it
takes what nobody else wants: in a thread of the service it would hold Python's lock now and then,
and whoever waits for that lock would wait at the lower priority, too.

A line has `secret` and `salt` in base64, `memory` in KiB, and `passes`; the answer is the hash, in
base64. Secrets are peppered already, and are the only ones that this process ever has. It keeps
nothing.
"""

from __future__ import annotations

import base64
import json
import signal
import sys

from secvault.crypto.argon2id import Argon2Cost, argon2id
from secvault.process import give_way, leave_no_core

LOWER_PRIORITY = 10
"""On a machine that is busy with other work, about a tenth of a core is left for hashes."""


def main() -> None:
    """Answer line by line."""
    leave_no_core()
    give_way(LOWER_PRIORITY)
    # It ends with its input, that is, with the service; not before, when all are told to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        secret, salt = (base64.b64decode(asked[name]) for name in ("secret", "salt"))
        made = argon2id(secret, salt, Argon2Cost(asked["memory"], asked["passes"]))
        sys.stdout.write(f"{base64.b64encode(made).decode()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
