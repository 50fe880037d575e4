"""Named keys: how old each is against its rule, who uses it, rotation, and re-wrapping."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Literal

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.key_usage import Mount, Name
from secvault.api.rewraps import RunId
from secvault.api.routing import Routes
from secvault.console.figures import figures
from secvault.console.language import language_of
from secvault.console.lives import lives
from secvault.console.page import elsewhere, page
from secvault.console.record_words import titled
from secvault.console.visitor import Visiting, Visitor
from secvault.keyring.key_usage import KeySummary
from secvault.service import key_limits, key_usage, rewrap_runs, transit
from secvault.service.rewrapping import operation_on_key

router = Routes(include_in_schema=False)

_RUNS = 20
_DAY = 86_400
_MICROS = 1_000_000
_BARS = 100

Standing = Literal["due", "full", "by-hand", "good"]


@dataclass(frozen=True)
class Age:
    """How old a version is against its rule.

    standing: due (past its time), full (it has sealed much), by-hand (there is no rule), good.
    days: of its life, None for no rule. share: of that life, in hundredths, at most 100.
    """

    standing: Standing
    made_at: int
    days: int | None
    share: int


@dataclass(frozen=True)
class Listed:
    """One key in the list."""

    key: KeySummary
    age: Age


@router.get("/keys")
@operation("{department}/{mount}", "key.list", "key.rewrap", "key.rotate")
def keys(request: Request, at: Visiting) -> Response:
    """The keys of every mount whose keys the visitor may list; re-wrapping that is under way."""
    now = at.service.clock.micros()
    found = key_usage.list_usage(at.service, at.caller, None, None)
    listed = [Listed(key, age_of(at, key, now)) for key in found]
    language = language_of(request)
    collections = [
        (one.name, titled(one.title, language))
        for one in at.service.collections.values()
        if at.may(operation_on_key(at.service, "key.rewrap", one.name))
    ]
    return page(
        request,
        "keys/keys.html",
        visitor=at,
        mounts=_by_mount(listed),
        due=[one for one in listed if one.age.standing in ("due", "full")],
        runs=rewrap_runs.list_runs(at.service, at.caller, _RUNS),
        titles={name: titled(one.title, language) for name, one in at.service.collections.items()},
        collections=collections,
        collection_days=at.service.settings.keys.collection_days,
        now=now,
        **figures(request),
    )


@router.post("/keys/rewraps")
@operation("{department}/records/{collection}", "key.rewrap", "key.rotate")
def rewrap(
    at: Visiting,
    collection: Annotated[str, Form(max_length=63)] = "",
    rotate: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Ask the worker to put a collection's data keys under the latest version of its key."""
    rewrap_runs.request_rewrapping(at.service, at.caller, (collection,), rotate=bool(rotate))
    return elsewhere("/keys#rewraps")


@router.post("/keys/rewraps/{run}/stop")
@operation("{department}/records/{collection}", "key.rewrap")
def stop(at: Visiting, run: RunId) -> Response:
    """Ask that a run stop; what is re-wrapped stays so."""
    rewrap_runs.stop_run(at.service, at.caller, run)
    return elsewhere("/keys#rewraps")


@router.get("/keys/{mount:path}/{name}")
@operation("{department}/{mount}/{name}", "key.read", "key.rotate")
def key(request: Request, at: Visiting, mount: Mount, name: Name) -> Response:
    """One key: its versions, how old they are, and who used which for what."""
    now = at.service.clock.micros()
    found = key_usage.read_usage(at.service, at.caller, mount, name)
    known = found.key
    made_at = known.created[known.latest_version]
    sealed = known.messages.get(known.latest_version, 0)
    return page(
        request,
        "keys/key.html",
        visitor=at,
        key=known,
        age=_age(at, made_at, known.auto_rotate_seconds, sealed, now),
        versions=sorted(known.created.items(), reverse=True),
        uses=found.uses,
        lives=lives(known.created, found.uses, now),
        names=found.names,
        may_rotate=known.allow_rotation
        and not known.soft_deleted
        and at.may(transit.operation_on(at.service, "key.rotate", mount, name)),
        now=now,
        **figures(request),
    )


@router.post("/keys/{mount:path}/{name}/rotate")
@operation("{department}/{mount}/{name}", "key.rotate")
def rotate(at: Visiting, mount: Mount, name: Name) -> Response:
    """Add a version, which new encryptions use; what is encrypted already stays readable."""
    made = transit.rotate_key(at.service, at.caller, mount, name)
    return elsewhere(f"/keys/{made.mount}/{made.name}")


def _by_mount(listed: list[Listed]) -> list[tuple[str, list[Listed]]]:
    return [(mount, list(ones)) for mount, ones in groupby(listed, key=lambda one: one.key.mount)]


def age_of(at: Visitor, key: KeySummary, now: int) -> Age:
    """How old the latest version of a key is against its rule."""
    return _age(at, key.rotated_at, key.auto_rotate_seconds, key.messages, now)


def _age(at: Visitor, made_at: int, seconds: int, messages: int, now: int) -> Age:
    lived = max(0, now - made_at) // _MICROS
    share = min(_BARS, lived * _BARS // seconds) if seconds else 0
    days = -(-seconds // _DAY) if seconds else None
    if messages >= key_limits.lifetime_of(at.service.settings).warn_messages:
        return Age("full", made_at, days, share)
    if not seconds:
        return Age("by-hand", made_at, days, share)
    return Age("due" if lived >= seconds else "good", made_at, days, share)
