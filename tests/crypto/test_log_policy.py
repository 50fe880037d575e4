from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.log_policy import LogPolicy
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.note import NoteSigner, take_apart
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

LOG = NoteSigner("vault.example.com/audit", Secret(bytes(32)))
OTHER = NoteSigner("other.example.com/audit", Secret(bytes([1]) * 32))
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
WITNESSES = {
    name: WitnessSigner(f"{name.lower()}.example.com", Secret(bytes([at]) * 32))
    for at, name in enumerate(NAMES, 10)
}
NOTE = sign_checkpoint(Checkpoint(LOG.name, 1, leaf_hash(b"one")), LOG)

# The example of c2sp.org/tlog-policy, with keys.
EXAMPLE = "\n".join(
    [
        f"log {LOG.verifier().vkey}",
        "",
        *(f"witness {name} {WITNESSES[name].verifier().vkey}" for name in NAMES[:3]),
        "group X-witnesses 2 X1 X2 X3",
        "\t # those of another organisation",
        *(f"  witness {name}\t{WITNESSES[name].verifier().vkey} https://y" for name in NAMES[3:]),
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    ]
)


def cosigned(*names: str) -> bytes:
    text, _ = take_apart(NOTE)
    lines = [WITNESSES[name].cosign(text, 1_790_000_000).format() for name in names]
    return NOTE + "".join(lines).encode()


def test_the_quorum_of_the_example_is_met_by_two_of_x_and_one_of_y() -> None:
    policy = LogPolicy.parse(EXAMPLE.encode())
    for count in range(len(NAMES) + 1):
        for some in combinations(NAMES, count):
            met = sum(name[0] == "X" for name in some) >= 2 and any(name[0] == "Y" for name in some)
            if met:
                judged = policy.check(cosigned(*some))
                assert judged.checkpoint.size == 1
                assert sorted(judged.cosigned) == sorted(some)
            else:
                with pytest.raises(Damaged, match="too few"):
                    policy.check(cosigned(*some))


def test_a_policy_without_a_quorum_needs_the_log_alone() -> None:
    policy = LogPolicy.parse(f"log {LOG.verifier().vkey}\nquorum none".encode())
    assert policy.check(NOTE).cosigned == {}
    with pytest.raises(Damaged, match="does not list"):
        policy.check(sign_checkpoint(Checkpoint(OTHER.name, 1, leaf_hash(b"one")), OTHER))


def test_a_wrong_cosignature_spoils_the_note_and_one_line_twice_counts_once() -> None:
    policy = LogPolicy.parse(EXAMPLE.encode())
    with pytest.raises(Damaged, match="too few"):
        policy.check(cosigned("X1", "X1", "Y1"))
    text, _ = take_apart(NOTE)
    wrong = WITNESSES["Y2"].cosign(text + "more\n", 1).format().encode()
    with pytest.raises(Damaged, match="wrong"):
        policy.check(cosigned("X1", "X2", "Y1") + wrong)


VKEY = WITNESSES["X1"].verifier().vkey


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("", "no quorum"),
        ("quorum w", "no line before"),
        (f"quorum w\nwitness w {VKEY}", "no line before"),
        ("quorum none\nquorum none", "second"),
        ("QUORUM none", "no line of a policy"),
        ("quorum none none", "no line of a policy"),
        (f"witness w {VKEY}\nwitness w {VKEY}\nquorum w", "taken"),
        (f"witness w {VKEY}\nwitness v {VKEY}\nquorum w", "again"),
        (f"witness none {VKEY}\nquorum none", "taken"),
        (f"witness w {LOG.verifier().vkey}\nquorum w", "key of a witness"),
        (f"witness w {VKEY}x\nquorum w", "key"),
        (f"log {VKEY}\nquorum none", "Ed25519"),
        (f"log {LOG.verifier().vkey}\nlog {LOG.verifier().vkey}\nquorum none", "again"),
        (f"witness w {VKEY}\ngroup g 0 w\nquorum g", "1 to 1"),
        (f"witness w {VKEY}\ngroup g 2 w\nquorum g", "1 to 1"),
        (f"witness w {VKEY}\ngroup g 01 w\nquorum g", "1 to 1"),
        (f"witness w {VKEY}\ngroup g some w\nquorum g", "1 to 1"),
        (f"witness w {VKEY}\ngroup g any\nquorum g", "no line of a policy"),
        (f"witness w {VKEY}\ngroup g any none\nquorum g", "no line before"),
        (f"witness w {VKEY}\ngroup g any g\nquorum g", "no line before"),
        (f"witness w {VKEY}\ngroup g any w w\nquorum g", "in a group"),
        (f"witness w {VKEY}\ngroup g any w\ngroup h any w\nquorum h", "in a group"),
        ("quorum none\r\n", "control"),
        ("quorum none\x00", "control"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_and_says_where(policy: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        LogPolicy.parse(policy.encode())


def test_names_are_bytes_and_may_be_of_any_alphabet() -> None:
    policy = LogPolicy.parse(f"witness Hồ-Chí-Minh {VKEY}\nquorum Hồ-Chí-Minh".encode())
    assert policy.quorum in policy.witnesses
    with pytest.raises(InvalidInput, match="no line before"):
        # A Kelvin sign is no K.
        LogPolicy.parse(f"witness K {VKEY}\nquorum \u212a".encode())


@given(st.lists(st.sampled_from([*EXAMPLE.split("\n"), "quorum none", "group", "# x"]), max_size=9))
def test_any_lines_are_a_policy_or_invalid(lines: list[str]) -> None:
    try:
        LogPolicy.parse("\n".join(lines).encode())
    except InvalidInput:
        return
