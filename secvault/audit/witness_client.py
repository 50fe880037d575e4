"""Asking witnesses over HTTP (c2sp.org/tlog-witness): all at once, each within its own time.

A witness is somebody else's machine: whatever it answers, and however slowly, nothing here waits
longer than it was given, reads more than an answer can be, or raises.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from secvault.crypto.cosignature import WitnessVerifier
from secvault.crypto.witness_request import SIZE_TYPE, AddCheckpoint, parse_size

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 64 * 1024

UNREACHABLE, LATE, MALFORMED, TRUST = "unreachable", "too-late", "malformed", "ca-file"
UNKNOWN_LOG, UNKNOWN_KEY, CONTRADICTED, FAILED = (
    "unknown-log",
    "unknown-key",
    "contradicted",
    "failed",
)
_REFUSALS = {403: UNKNOWN_KEY, 404: UNKNOWN_LOG, 409: CONTRADICTED, 422: CONTRADICTED}


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness to ask. url: its submission prefix. seconds: how long it may take."""

    name: str
    url: str
    verifier: WitnessVerifier
    seconds: float = 5.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one.

    lines: the body of a cosigning answer, not verified. size: of a witness that has cosigned
    another size than was assumed. reason: why there is neither, as a code.
    """

    lines: bytes = b""
    size: int | None = None
    reason: str = ""


Ask = Callable[[Mapping[Witness, AddCheckpoint]], Mapping[Witness, Answer]]
"""How witnesses are asked; `ask` below."""


def ask(requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
    """Ask every witness its own, all at the same time. Takes as long as the slowest may."""
    return asyncio.run(_ask_all(requests))


async def _ask_all(requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
    answers = await asyncio.gather(*(_ask(*each) for each in requests.items()))
    return dict(zip(requests, answers, strict=True))


async def _ask(witness: Witness, request: AddCheckpoint) -> Answer:
    # Loaded only where there are witnesses.
    import httpx2  # noqa: PLC0415

    try:
        trust = ssl.create_default_context(cafile=witness.ca_file)
    except (OSError, ssl.SSLError):
        return Answer(reason=TRUST)
    try:
        async with (
            asyncio.timeout(witness.seconds),
            httpx2.AsyncClient(verify=trust, timeout=None, follow_redirects=False) as client,
            client.stream(
                "POST", f"{witness.url}/add-checkpoint", content=request.format()
            ) as answer,
        ):
            return await _read(answer)
    except TimeoutError:
        return Answer(reason=LATE)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
        return Answer(reason=UNREACHABLE)


async def _read(answer: httpx2.Response) -> Answer:
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            return Answer(reason=MALFORMED)
    if answer.status_code == 200:
        return Answer(lines=body)
    if answer.status_code == 409 and answer.headers.get("content-type") == SIZE_TYPE:
        size = parse_size(body)
        return Answer(reason=MALFORMED) if size is None else Answer(size=size)
    return Answer(reason=_REFUSALS.get(answer.status_code, FAILED))
