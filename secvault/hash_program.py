"""A program that hashes passwords for the service: one JSON line in, one out, until the input ends.

A hash takes a core for a tenth of a second. In a process of its own, at a lower priority, it takes
what nobody else wants: in a thread of the service it would hold Python's lock now and then, and
whoever waits for that lock would wait at the lower priority, too.

A line asks for a hash (`secret` and `salt` in base64; `memory` in KiB, `passes`, `lanes`) or for a
comparison (`secret`, and `stored`, argon2's own text). Secrets are peppered already, and are the
only ones that this process ever has. It keeps nothing.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
from typing import Any

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from secvault.process import give_way, leave_no_core

LOWER_PRIORITY = 10
"""On a machine that is busy with other work, about a tenth of a core is left for hashes."""

HASH_BYTES = 32


def main() -> None:
    """Answer line by line."""
    leave_no_core()
    give_way(LOWER_PRIORITY)
    # It ends with its input, that is, with the service; not before, when all are told to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        said = json.dumps(answer(json.loads(line)))
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """`hash`, or `right`; `damaged` when what is stored is no hash."""
    secret = base64.b64decode(asked["secret"])
    if "stored" in asked:
        try:
            return {"right": PasswordHasher().verify(asked["stored"], secret)}
        except VerifyMismatchError:
            return {"right": False}
        except (InvalidHashError, VerificationError):
            return {"damaged": True}
    hasher = PasswordHasher(
        time_cost=asked["passes"],
        memory_cost=asked["memory"],
        parallelism=asked["lanes"],
        hash_len=HASH_BYTES,
        type=Type.ID,
    )
    return {"hash": hasher.hash(secret, salt=base64.b64decode(asked["salt"]))}


if __name__ == "__main__":
    main()
