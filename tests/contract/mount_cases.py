"""Mounts: made, tuned, moved; and what the service does without one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.case import INPUT, Case, Step


def mounts() -> Iterator[Case]:
    path = "sys/mounts/m-{k}"
    department = {"options": {"department": "it"}}
    make: Step = ("POST", path, {"type": "transit", "description": "d", **department})
    read: Step = ("GET", path, None)
    tuned: Step = ("GET", f"{path}/tune", None)
    away: Step = ("DELETE", path, None)
    yield Case("mounts: listed", (("GET", "sys/mounts/transit", None),))
    for name, config in {
        "no lease": {},
        "leases": {"default_lease_ttl": "1h", "max_lease_ttl": "24h"},
        "leases in seconds": {"default_lease_ttl": 3600, "max_lease_ttl": 7200},
        "a lease in words": {"default_lease_ttl": "often"},
        "a default beyond the most": {"default_lease_ttl": "48h", "max_lease_ttl": "1h"},
        "a default beyond the system": {"default_lease_ttl": "99999h"},
    }.items():
        one: Step = ("POST", path, {"type": "transit", "config": config, **department})
        yield Case(f"a mount: {name}", (one, read, tuned, away))
    yield Case("a mount: of no type", (("POST", path, {}),))
    for name, body in {
        "nothing": {},
        "a default": {"default_lease_ttl": "2h"},
        "both": {"default_lease_ttl": "2h", "max_lease_ttl": "100h"},
        "a most in seconds": {"max_lease_ttl": 7200},
        "a lease in words": {"default_lease_ttl": "often"},
        "a default beyond the most": {"default_lease_ttl": "48h", "max_lease_ttl": "1h"},
        "the system's": {"default_lease_ttl": "system", "max_lease_ttl": "system"},
        "an empty lease": {"default_lease_ttl": ""},
        "a description": {"description": "neu"},
        "what is unknown": {"colour": "red"},
    }.items():
        yield Case(f"tune: {name}", (make, ("POST", f"{path}/tune", body), tuned, read, away))
    yield Case("tune: no mount", (("POST", f"{path}/tune", {"description": "x"}), tuned, read))
    to = "n-{k}"
    for name, body in {
        "nothing": {},
        "from nowhere": {"from": "none-{k}", "to": to},
        "to nowhere": {"from": "m-{k}"},
        "to itself": {"from": "m-{k}", "to": "m-{k}"},
        "to another": {"from": "m-{k}", "to": "transit"},
        "below another": {"from": "m-{k}", "to": "transit/x"},
        "to the system": {"from": "m-{k}", "to": "sys/x"},
    }.items():
        yield Case(f"move: {name}", (make, ("POST", "sys/remount", body), away))
    yield Case("move: an unknown one", (("GET", "sys/remount/status/none", None),))
    for path_, body in (
        ("random", {}),
        ("random/16", {"format": "hex"}),
        ("random/platform/8", {}),
        ("random/all", {}),
        ("random/moon/8", {}),
        ("random/x", {}),
        ("random", {"bytes": 0}),
        ("random", {"bytes": 999_999}),
        ("random", {"format": "octal"}),
        ("hash", {}),
        ("hash", INPUT),
        ("hash/sha2-512", {**INPUT, "format": "base64"}),
        ("hash/sha3-256", INPUT),
        ("hash/sha1", INPUT),
        ("hash/md5", INPUT),
        ("hash", {"input": "*"}),
        ("hash", {**INPUT, "format": "octal"}),
    ):
        yield Case(f"tools/{path_} {body}", (("POST", f"sys/tools/{path_}", body),))
