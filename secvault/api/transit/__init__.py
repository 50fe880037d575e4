"""The encryption API on the paths and in the shapes of the transit engine of Vault and OpenBao."""

from fastapi import APIRouter

from secvault.api.transit import (
    data,
    exchange,
    keys,
    mounts,
    outside,
    settings,
    signatures,
    tools,
)


def routers() -> tuple[APIRouter, ...]:
    """The routers of all parts, in the order in which their paths are to be tried."""
    parts = (mounts, tools, settings, keys, exchange, outside, data, signatures)
    return tuple(part.router for part in parts)
