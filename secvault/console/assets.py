"""What pages load, from this host and no other: the stylesheet, a sign, and few scripts.

Under the name that `place_of` gives, a file never changes, so browsers keep it. htmx is a package's
file, pinned in `requirements/htmx.txt`; where it is not installed, pages do without.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.errors import NotFound

router = Routes(include_in_schema=False)

PLACE = "/assets/"
_FOLDER = Path(__file__).with_name("assets")
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HTMX = {
    "htmx.js": "htmx-2.min.js",
    "htmx-events.js": "ext/hx-sse-2.min.js",
}


@dataclass(frozen=True)
class _Asset:
    """A file as it is, and packed (RFC 1952). lasting: under a name that says which version it is.

    It holds nothing that could be guessed by how well it packs, as pages do.
    """

    content: bytes
    packed: bytes
    kind: str
    lasting: bool


@router.get(f"{PLACE}{{name}}")
@open_to_all("the look of the pages, the same for everybody")
def asset(request: Request, name: str) -> Response:
    """One file of the pages' look. Raises NotFound."""
    found = _assets().get(name)
    if found is None:
        raise NotFound("there is nothing at this path")
    # Read where all answers get their headers: `api.answering`.
    request.state.lasting = found.lasting
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    return Response(
        found.packed if packed else found.content,
        media_type=found.kind,
        headers={"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {}),
    )


@cache
def place_of(name: str) -> str:
    """Where pages load a file from, with its version in its name."""
    return f"{PLACE}{_versioned(name, _files()[name])}"


@cache
def has_htmx() -> bool:
    """Whether there is htmx for pages to load."""
    return set(_HTMX) <= set(_files())


@cache
def _assets() -> dict[str, _Asset]:
    found = {}
    for name, content in _files().items():
        packed, kind = gzip.compress(content, mtime=0), _KINDS[Path(name).suffix]
        for given in (name, versioned := _versioned(name, content)):
            found[given] = _Asset(content, packed, kind, lasting=given == versioned)
    return found


@cache
def _files() -> dict[str, bytes]:
    own = {file.name: file for file in _FOLDER.iterdir() if file.suffix in _KINDS}
    files = {**own, **_htmx()}
    return {name: file.read_bytes() for name, file in files.items()}


def _htmx() -> dict[str, Path]:
    package = find_spec("django_htmx")
    if package is None or package.origin is None:
        return {}
    folder = Path(package.origin).parent / "static" / "django_htmx"
    return {name: folder / file for name, file in _HTMX.items() if (folder / file).is_file()}


def _versioned(name: str, content: bytes) -> str:
    file = Path(name)
    return f"{file.stem}.{hashlib.sha256(content).hexdigest()[:10]}{file.suffix}"
