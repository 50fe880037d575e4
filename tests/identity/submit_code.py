"""A worker process that submits one code many times; started by test_at_once.

Reads one line of JSON (secrets do not belong into argv), says "ready", waits for a line, submits
from as many threads as times, and prints how each ended.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.identity import (
    Argon2Cost,
    AttemptLimits,
    IdentityKeys,
    PasswordHasher,
    SignInRefused,
)
from secvault.identity.sign_in import Credentials, Entrance, sign_in
from secvault.store import open_store

said = json.loads(sys.stdin.readline())
keys = IdentityKeys(*map(Secret.of, said["keys"]))
entrance = Entrance(
    open_store(said["url"]),
    Clock(wall=lambda: said["at"] * 1_000_000, monotonic=lambda: 0.0, sleep=lambda _: None),
    keys,
    PasswordHasher(keys.password_pepper, nullcontext(), Argon2Cost(memory=8, passes=1)),
    AttemptLimits(free=1_000, lock_after=1_000),
)
given = Credentials("lan", Secret.of(said["password"]), Secret.of(said["code"]))


def submit(_: int) -> str:
    try:
        sign_in(entrance, given)
    except SignInRefused as refused:
        return str(refused.reason)
    return "in"


print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(said["times"]) as pool:
    print(json.dumps(Counter(pool.map(submit, range(said["times"])))))
entrance.store.close()
