"""Sealing and opening one value in one process: our formats, and what a user would take instead."""

from __future__ import annotations

import argparse
import os
import sys
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.field_peers import Way, peers
from benchmarks.result import Compared, compare, show, write
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.crypto.transit import named_cipher, parse_named

PLAIN = b"1234567890123456"
PLACE = {"collection": "payroll", "record": "pay-1", "field": "net_salary"}
ROUND_SECONDS = 0.05
NOTES = (
    "Medians of alternating rounds, us each. The bare cipher is the limit.",
    "The AWS Encryption SDK wraps with a raw AES-256 key in this process, in the suite with key",
    "commitment and without signature; caching saves it the data key, which costs little here.",
)


def main() -> int:
    """Measure, print and write; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench field", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    figures = _measured(arguments.rounds)
    rows = _rows(figures)
    show("Sealing 16 bytes in one process", rows, NOTES)
    if arguments.json:
        write(arguments.json, rows, {"rounds": arguments.rounds, "us": figures})
    return 0


def _ours() -> Mapping[str, Way]:
    key, bound = Secret(os.urandom(32)), aead.bind(*PLACE.values())
    cipher = named_cipher(key, 1)
    envelope, text = aead.seal(PLAIN, key, bound), cipher.seal(PLAIN, bound)
    return {
        "record field": Way(
            lambda: aead.seal(PLAIN, key, bound),
            lambda: aead.open_sealed(envelope, key, bound),
        ),
        "named key": Way(
            lambda: cipher.seal(PLAIN, bound),
            lambda: cipher.open(parse_named(text), bound),
        ),
    }


def _measured(rounds: int) -> Mapping[str, Mapping[str, list[float]]]:
    """Microseconds by verb and by who, one figure a round."""
    ways = {**_ours(), **peers(PLAIN, PLACE)}
    for name, way in ways.items():
        if way.open() != PLAIN:
            raise SystemExit(f"{name} does not open what it sealed")
    figures: dict[str, Mapping[str, list[float]]] = {}
    for verb in ("seal", "open"):
        acts = {name: way.seal if verb == "seal" else way.open for name, way in ways.items()}
        times = {name: _times(act) for name, act in acts.items()}
        taken: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(rounds):
            for name, act in acts.items():
                taken[name].append(timeit.timeit(act, number=times[name]) / times[name] * 1e6)
        figures[verb] = taken
    return figures


def _times(act: Callable[[], object]) -> int:
    """How often to do it so that one round takes about as long for everybody."""
    times = 1
    while timeit.timeit(act, number=times) < ROUND_SECONDS:
        times *= 2
    return times


def _rows(figures: Mapping[str, Mapping[str, list[float]]]) -> list[Compared]:
    ours = tuple(_ours())
    return [
        compare(f"{verb}, {mine}", "us", taken[mine], taken[peer], peer=peer, less_is_better=True)
        for verb, taken in figures.items()
        for mine in ours
        for peer in taken
        if peer not in ours
    ]


if __name__ == "__main__":
    sys.exit(main())
