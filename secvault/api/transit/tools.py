"""`sys/tools`: hashes and random bytes without a mount, asked for in the department `it`."""

from __future__ import annotations

from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import Authenticated, Body, Word, transit_router
from secvault.api.transit.signatures import (
    SOURCES,
    HashBody,
    RandomBody,
    answer_hash,
    answer_random,
)
from secvault.api.vault import writes

router = transit_router()

_HASH, _RANDOM = "/sys/tools/hash", "/sys/tools/random"


@writes(router, _HASH, HashBody)
@operation("it/tools", "data.hash")
def tools_hash(at: Authenticated, body: Body) -> Response:
    """The hash of one input."""
    return answer_hash(at, None, body, "")


@writes(router, f"{_HASH}/{{algorithm}}", HashBody)
@operation("it/tools", "data.hash")
def tools_hash_by(at: Authenticated, algorithm: Word, body: Body) -> Response:
    """The same with the hash function in the path."""
    return answer_hash(at, None, body, algorithm)


@writes(router, _RANDOM, RandomBody)
@operation("it/tools", "data.random")
def tools_random(at: Authenticated, body: Body) -> Response:
    """Fresh random bytes."""
    return answer_random(at, None, body)


@writes(router, f"{_RANDOM}/{{count_or_source}}", RandomBody)
@operation("it/tools", "data.random")
def tools_random_of(at: Authenticated, count_or_source: Word, body: Body) -> Response:
    """The same with the number of bytes, or the source, in the path."""
    if count_or_source in SOURCES:
        return answer_random(at, None, body, source=count_or_source)
    return answer_random(at, None, body, count=count_or_source)


@writes(router, f"{_RANDOM}/{{source}}/{{count}}", RandomBody)
@operation("it/tools", "data.random")
def tools_random_from(at: Authenticated, source: Word, count: Word, body: Body) -> Response:
    """The same with both in the path."""
    return answer_random(at, None, body, count=count, source=source)
