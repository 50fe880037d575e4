"""A witness of a log that is held in memory, and what the log would send it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.merkle import consistency_proof, leaf_hash, root_of
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.crypto.witness_request import AddCheckpoint
from secvault.witness.answering import Witness
from secvault.witness.state import WitnessFile

ORIGIN = "vault.example.com/audit"
STARTED = 1_790_000_000


@dataclass
class GrownLog:
    """A log whose entry number n is the text of n, after `word`."""

    word: str = "entry"
    signer: NoteSigner = field(default_factory=lambda: NoteSigner(ORIGIN, Secret(bytes(32))))

    def leaves(self, size: int) -> list[bytes]:
        return [leaf_hash(f"{self.word} {n}".encode()) for n in range(size)]

    def note(self, size: int) -> bytes:
        head = Checkpoint(self.signer.name, size, root_of(self.leaves(size)))
        return sign_checkpoint(head, self.signer)

    def request(self, old: int, size: int) -> AddCheckpoint:
        proof = consistency_proof(self.leaves(size), old) if 0 < old <= size else []
        return AddCheckpoint(old, tuple(proof), self.note(size))

    def body(self, old: int, size: int) -> bytes:
        return self.request(old, size).format()


@pytest.fixture
def grown() -> GrownLog:
    return GrownLog()


@pytest.fixture
def signer() -> WitnessSigner:
    return WitnessSigner("witness.example.com/w1", Secret(bytes(range(32))))


@pytest.fixture
def seconds() -> Clock:
    """A clock that is a second later each time it is looked at."""
    moments = count(STARTED)
    return Clock(
        wall=lambda: next(moments) * 1_000_000, monotonic=lambda: 0.0, sleep=lambda _: None
    )


@pytest.fixture
def make_witness(
    signer: WitnessSigner, grown: GrownLog, seconds: Clock, tmp_path: Path
) -> Callable[[], Witness]:
    """Opens the witness; again, when it is called again."""
    file = tmp_path / "witness.db"
    WitnessFile.make(file)
    logs = {ORIGIN: (grown.signer.verifier(),)}
    return lambda: Witness(signer, logs, WitnessFile(file), seconds)


@pytest.fixture
def witness(make_witness: Callable[[], Witness]) -> Witness:
    return make_witness()
