"""Sealing and opening one value in this process: our formats, Fernet, and the bare cipher."""

from __future__ import annotations

import argparse
import os
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.result import Compared, compare, show, write
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.crypto.transit import named_cipher, parse_named

PLAIN = b"1234567890123456"
TIMES = 5_000


def main() -> int:
    """Measure, print and write; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench field", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    rows = list(_rows(arguments.rounds))
    show("Sealing 16 bytes in one process", rows, ("Medians of alternating rounds, us each.",))
    if arguments.json:
        write(arguments.json, rows, {"rounds": arguments.rounds})
    return 0


def _rows(rounds: int) -> list[Compared]:
    key, nonce = os.urandom(32), os.urandom(12)
    bare, fernet = AESGCM(key), Fernet(Fernet.generate_key())
    place = aead.bind("payroll", "pay-1", "net_salary")
    cipher = named_cipher(Secret(key), 1)
    field = aead.seal(PLAIN, Secret(key), place)
    text, token, sealed = cipher.seal(PLAIN), fernet.encrypt(PLAIN), bare.encrypt(nonce, PLAIN, b"")
    sealing: dict[str, Callable[[], object]] = {
        "record field": lambda: aead.seal(PLAIN, Secret(key), place),
        "named key": lambda: cipher.seal(PLAIN),
        "Fernet": lambda: fernet.encrypt(PLAIN),
        "bare AES-GCM": lambda: bare.encrypt(os.urandom(12), PLAIN, b""),
    }
    opening: dict[str, Callable[[], object]] = {
        "record field": lambda: aead.open_sealed(field, Secret(key), place),
        "named key": lambda: cipher.open(parse_named(text)),
        "Fernet": lambda: fernet.decrypt(token),
        "bare AES-GCM": lambda: bare.decrypt(nonce, sealed, b""),
    }
    rows = []
    for verb, ways in (("seal", sealing), ("open", opening)):
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, do in ways.items():
                taken[name].append(timeit.timeit(do, number=TIMES) / TIMES * 1e6)
        rows += [
            compare(
                f"{verb}, {mine}", "us", taken[mine], taken[peer], peer=peer, less_is_better=True
            )
            for mine in ("record field", "named key")
            for peer in ("Fernet", "bare AES-GCM")
        ]
    return rows


if __name__ == "__main__":
    sys.exit(main())
