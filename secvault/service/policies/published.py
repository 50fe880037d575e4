"""Published policies, parsed: the source that a service decides by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection

from secvault.access.authzen import OWN_NAMES, Names, parse_names
from secvault.access.bundle import (
    COLLECTIONS,
    MODEL,
    NAMES,
    OBLIGATIONS,
    ROLES,
    SEPARATION,
    Bundle,
    read_folder,
)
from secvault.access.in_force import InForce
from secvault.access.obligations import parse_obligations
from secvault.access.publication import latest_version, read_bundle, version_at
from secvault.access.rules import Rules, assemble, check_model, parse_rules
from secvault.access.separation import NOTHING_APART, Separation, parse_separation
from secvault.config import shipped_policies
from secvault.errors import ConfigurationError, FieldError, NotFound, Unavailable
from secvault.records.collection import Collection
from secvault.records.collection_files import parse_collections

KEPT = 8
"""How many parsed policies a process keeps; the oldest goes first."""

# What can be done by the program's own policy while the published one cannot be read: replacing it,
# with the approvals that this needs.
_MENDING = ("policy.", "approval.", "session.", "auth.")

_T = TypeVar("_T")


def parse_bundle(bundle: Bundle, number: int = 0) -> InForce:
    """The policy of a bundle, every file read strictly. number: under which it is published.

    Raises ConfigurationError with the faults of all files.
    """
    # Which never change once they are read: one that was read before is not read again.
    return replace(_parsed(tuple(bundle.files.items())), number=number)


@lru_cache(maxsize=KEPT)
def _parsed(files: tuple[tuple[str, str], ...]) -> InForce:
    bundle, faults = Bundle(dict(files)), list[FieldError]()
    texts = bundle.files
    collections = _tried(lambda: parse_collections(bundle.inside(COLLECTIONS)), faults)
    obligations = _tried(lambda: parse_obligations(texts[OBLIGATIONS]), faults)
    rules: Rules | None = None
    if collections is None:
        # Which fields there are is not known, so of the rules only the model can be looked at.
        _tried(lambda: check_model(texts[MODEL]), faults)
    else:
        rules = _tried(lambda: rules_of(bundle, collections), faults)
    separation: Separation | None = NOTHING_APART
    names: Names | None = OWN_NAMES
    if rules is not None:
        known = rules
        if SEPARATION in texts:
            separation = _tried(lambda: parse_separation(texts[SEPARATION], known), faults)
        if NAMES in texts:
            names = _tried(lambda: parse_names(texts[NAMES], known.collections), faults)
    if None in (collections, obligations, rules, separation, names):
        listed = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults[:10])
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise ConfigurationError(listed + more, fields=tuple(faults))
    assert collections is not None and obligations is not None and rules is not None  # noqa: S101, PT018 - narrows
    assert separation is not None and names is not None  # noqa: S101, PT018 - narrows
    return InForce(0, bundle.digest, rules, obligations, separation, names, collections)


def rules_of(bundle: Bundle, collections: Mapping[str, Collection]) -> Rules:
    """The rules of a bundle over these collections. Raises ConfigurationError."""
    return parse_rules(
        bundle.files[MODEL],
        bundle.files[ROLES],
        {
            name: {field.name: str(field.sensitivity) for field in one.fields.values()}
            for name, one in collections.items()
        },
        {name: one.department for name, one in collections.items()},
    )


def _tried(parse: Callable[[], _T], faults: list[FieldError]) -> _T | None:
    try:
        return parse()
    except ConfigurationError as error:
        faults += error.fields or (FieldError(*_split(error.detail)),)
        return None


def _split(detail: str) -> tuple[str, str]:
    where, colon, mend = detail.partition(": ")
    return (where, mend) if colon else ("policy", detail)


class Published:
    """The policies in the store. Safe to use from many threads.

    rescue: what stands in for a published policy that this program cannot read, from why it cannot;
    without it nothing is decided then.
    """

    def __init__(self, rescue: Callable[[str], InForce] | None = None) -> None:
        self._rescue = rescue
        self._parsed: dict[int, InForce] = {}
        self._lock = Lock()

    def numbered(self, connection: Connection, number: int) -> InForce:
        """See `access.in_force.Source`."""
        if number == 0:
            raise Unavailable("no policy is published yet; run `secvault serve` or `secvault init`")
        known = self._parsed.get(number)
        if known is not None:
            return known
        bundle = read_bundle(connection, number)
        try:
            made = self._like_a_known(bundle, number) or parse_bundle(bundle, number)
        except ConfigurationError as error:
            if self._rescue is None:
                raise Unavailable(unreadable(number, error)) from error
            made = replace(
                self._rescue(unreadable(number, error)), number=number, digest=bundle.digest
            )
        with self._lock:
            self._parsed[number] = made
            while len(self._parsed) > KEPT:
                self._parsed.pop(next(iter(self._parsed)))
        return made

    def at(
        self, connection: Connection, at: int, *, epoch: int | None = None
    ) -> tuple[InForce, int]:
        """See `access.in_force.Source`."""
        version = version_at(connection, at, epoch=epoch)
        if version is None:
            raise NotFound("no policy was published at that moment; the history begins later")
        return self.numbered(connection, version.number), version.epoch

    def present(self, connection: Connection) -> InForce:
        """What is in force. Raises Unavailable."""
        latest = latest_version(connection)
        return self.numbered(connection, latest.number if latest else 0)

    def _like_a_known(self, bundle: Bundle, number: int) -> InForce | None:
        # A policy that was rolled back to is parsed once.
        known = [one for one in list(self._parsed.values()) if one.digest == bundle.digest]
        return replace(known[0], number=number) if known and not known[0].rescue else None


def unreadable(number: int, error: ConfigurationError) -> str:
    """What to do when a published policy cannot be read by this program."""
    return (
        f"the policy in force, number {number}, cannot be read by this program ({error.detail}); "
        "mend its files and run `secvault policy apply` on this machine, or go back to the program "
        "that published it"
    )


def mending(why: str) -> InForce:
    """The program's own policy, as far as it lets people replace one that cannot be read."""
    own = parse_bundle(read_folder(shipped_policies()))
    rules = own.rules
    left = tuple(rule for rule in rules.rules if rule.act.startswith(_MENDING))
    mends = assemble(rules.model, left, rules.links, rules.fields, rules.collections)
    return replace(own, rules=mends, rescue=why)
