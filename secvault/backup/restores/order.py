"""What is to be restored, from which snapshot, to where: as it is asked for, approved and kept."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

import msgspec

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput

Existing = Literal["refuse", "keep", "overwrite"]
"""What becomes of files that are there already: nothing is restored at all; they stay and the rest
is restored; or they are replaced."""

MOST_NAMES = 1000
LONGEST_PATH = 4096


class Original(msgspec.Struct, frozen=True, tag="original"):
    """Where it came from: production."""


class Folder(msgspec.Struct, frozen=True, tag="folder"):
    """A folder of this machine, under the full paths of then. path: absolute, without `..`."""

    path: str


class Into(msgspec.Struct, frozen=True, tag="into"):
    """A declared server, file or bucket (`backup.restore_into`)."""

    name: str


Place = Original | Folder | Into


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be restored.

    snapshot: 64 hexadecimal characters. repository: which of the plan's. sources: by the names that
    they had. paths: absolute, as they were when they were saved; files or whole folders. Neither:
    everything, which goes into a folder only. names, accounts, owners: of databases that are
    loaded, as `sources.loading.Wish` has them.
    """

    plan: str
    snapshot: str
    repository: str
    place: Place
    sources: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    existing: Existing = "refuse"
    names: dict[str, str] = {}
    accounts: bool = False
    owners: bool = True

    @property
    def production(self) -> bool:
        """Whether it goes to where it came from."""
        return isinstance(self.place, Original)

    def terms(self) -> dict[str, JsonValue]:
        """What a second person approves: all of it."""
        return {
            "snapshot": self.snapshot,
            "repository": self.repository,
            "sources": list(self.sources),
            "paths": list(self.paths),
            "target": place_words(self.place),
            "existing": self.existing,
            "names": dict(self.names),
            "accounts": self.accounts,
            "owners": self.owners,
        }


def place_words(place: Place) -> str:
    """The place in a word or two."""
    match place:
        case Original():
            return "original"
        case Folder(path):
            return path
        case Into(name):
            return f"into {name}"


def require_sound(order: Order) -> None:
    """Refuse what cannot be meant. Raises InvalidInput naming the field."""
    for path in order.paths:
        _require_path("paths", path)
    if isinstance(order.place, Folder):
        _require_path("target", order.place.path)
    if len(order.paths) + len(order.sources) > MOST_NAMES:
        raise InvalidInput.at("paths", f"name at most {MOST_NAMES} paths and sources")
    if len({*order.paths}) != len(order.paths) or len({*order.sources}) != len(order.sources):
        raise InvalidInput.at("paths", "a path or a source is named twice")
    if isinstance(order.place, Into) and (order.paths or not order.sources):
        raise InvalidInput.at("sources", "name the source to restore there, and no paths")
    if order.names and len(order.sources) != 1:
        raise InvalidInput.at("names", "name one source, whose databases get these names")
    if order.existing == "keep" and isinstance(order.place, Into):
        raise InvalidInput.at("existing", "databases are replaced or refused as a whole")
    if order.production and not (order.paths or order.sources):
        raise InvalidInput.at(
            "paths", "name the files, folders or sources to restore over the original ones"
        )


def _require_path(field: str, path: str) -> None:
    usable = (
        path.startswith("/")
        and len(path) <= LONGEST_PATH
        and ".." not in PurePosixPath(path).parts
        and str(PurePosixPath(path)) == path
        and path != "/"
        and "\0" not in path
    )
    if not usable:
        raise InvalidInput.at(
            field, "must be an absolute path below /, without `..`, `//` and a slash at its end"
        )
