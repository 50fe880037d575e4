"""argon2id: as the reference implementation makes it, and its text read by nobody more freely."""

from __future__ import annotations

import subprocess
import sys

import argon2
import pytest
from argon2.low_level import Type, hash_secret, hash_secret_raw
from hypothesis import example, given
from hypothesis import strategies as st

from secvault.crypto.argon2id import Argon2Cost, Hashed, argon2id, begin, read
from secvault.errors import Damaged

costs = st.builds(Argon2Cost, memory=st.integers(8, 256), passes=st.integers(1, 4))
salts = st.binary(min_size=16, max_size=16)
WRITTEN = (
    "$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$svkSEzGchDPJMwUtVKpFfzZVfcHJhMMkg2OLqlig15Q"
)


@given(st.binary(max_size=200), salts, costs)
def test_it_is_what_the_reference_implementation_makes(
    secret: bytes, salt: bytes, cost: Argon2Cost
) -> None:
    theirs = hash_secret_raw(secret, salt, cost.passes, cost.memory, 1, 32, Type.ID)
    assert argon2id(secret, salt, cost) == theirs


def test_at_the_cost_of_passwords_it_is_the_same_too() -> None:
    salt = bytes(range(16))
    theirs = hash_secret_raw(b"secret", salt, 2, 46 * 1024, 1, 32, Type.ID)
    assert argon2id(b"secret", salt, Argon2Cost(46 * 1024, 2)) == theirs


@given(st.binary(max_size=64), salts, costs)
def test_its_text_is_that_of_the_reference_implementation(
    secret: bytes, salt: bytes, cost: Argon2Cost
) -> None:
    made = Hashed(cost, salt, argon2id(secret, salt, cost))
    theirs = hash_secret(secret, salt, cost.passes, cost.memory, 1, 32, Type.ID).decode()
    assert made.text() == theirs
    assert read(theirs) == made
    assert theirs.startswith(begin(cost))


@given(
    st.integers(0, len(WRITTEN) - 1),
    st.characters(max_codepoint=0x2FF) | st.sampled_from("$=,0189AZaz+/-_"),
)
@example(len(WRITTEN) - 1, "R")
@example(59, "x")
def test_a_text_with_another_character_is_another_hash_or_none(place: int, other: str) -> None:
    changed = WRITTEN[:place] + other + WRITTEN[place + 1 :]
    try:
        found = read(changed)
    except Damaged:
        return
    assert found.text() == changed
    assert argon2.extract_parameters(changed).memory_cost == found.cost.memory


@given(st.text(max_size=120) | st.integers(0, len(WRITTEN) - 1).map(lambda n: WRITTEN[:n]))
@example(WRITTEN + "\n")
@example(WRITTEN.replace("m=8", "m=08"))
@example(WRITTEN.replace("m=8", "m=٨"))
@example(WRITTEN.replace("m=8", "m=4194305"))
@example(WRITTEN.replace("t=1", "t=21"))
@example(WRITTEN.replace("v=19", "v=16"))
@example(WRITTEN.replace("p=1", "p=2"))
def test_what_nobody_wrote_is_damage(text: str) -> None:
    with pytest.raises(Damaged):
        read(text)


WITHOUT_MEMORY = """
import resource
from secvault.crypto.argon2id import Argon2Cost, argon2id
from secvault.errors import Unavailable

resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
try:
    argon2id(b"secret", bytes(16), Argon2Cost(1 << 20, 1))
except Unavailable as error:
    print(error.detail)
"""


def test_want_of_memory_is_said_and_is_no_other_hash() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MEMORY], capture_output=True, text=True, check=True
    )
    assert "1024 MiB" in done.stdout
