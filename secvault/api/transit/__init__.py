"""The encryption API on the paths and in the shapes of the transit engine of Vault and OpenBao."""

from fastapi import APIRouter

from secvault.api.transit import data, exchange, keys, mounts, signatures


def routers() -> tuple[APIRouter, ...]:
    """The routers of all parts, in the order in which their paths are to be tried."""
    parts = (mounts, keys, exchange, data, signatures)
    return tuple(part.router for part in parts)
