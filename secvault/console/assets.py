"""What pages load: the stylesheet, and a script for passkeys. From this host, and nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from secvault.api.declared import open_to_all
from secvault.errors import NotFound

router = APIRouter(include_in_schema=False)

PLACE = "/assets/"
_FOLDER = Path(__file__).with_name("assets")
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@router.get(f"{PLACE}{{name}}")
@open_to_all("the look of the pages, the same for everybody")
def asset(name: str) -> Response:
    """One file of the pages' look. Raises NotFound."""
    found = _assets().get(name)
    if found is None:
        raise NotFound("there is nothing at this path")
    return Response(found, media_type=_KINDS[Path(name).suffix])


@cache
def _assets() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in _FOLDER.iterdir() if file.suffix in _KINDS}
