"""What a policy must not do to the schemas of collections, and what it leaves to be done.

A version of a schema stands for one schema for ever: it tells how a record was stored. So a changed
schema needs a new number, and an older policy may be published again as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from sqlalchemy import Connection

from secvault.access.advice import Finding
from secvault.access.bundle import COLLECTIONS
from secvault.records.collection import Collection
from secvault.records.schema_description import (
    Description,
    closed_by,
    described,
    differences,
    kept_alike,
)
from secvault.records.schema_versions import known_schemas
from secvault.service.policies.in_use import has_records

_SHOWN = 3
"""How many differences a refusal names."""


def blocked_by_schemas(
    connection: Connection, old: Mapping[str, Collection], new: Mapping[str, Collection]
) -> Iterator[str]:
    """Schemas whose version stands for another one. old: those in force, as far as they are known.

    Raises Damaged.
    """
    for name, collection in new.items():
        known = dict(known_schemas(connection, name))
        if name in old:
            known.setdefault(old[name].version, described(old[name]))
        same = known.get(collection.version)
        here = described(collection)
        if not known or same == here:
            continue
        latest = max(known)
        mend = f"write version = {latest + 1}"
        if same is not None and name in old and old[name].version == collection.version:
            yield (
                f"the schema of {name} has changed ({_some(same, here)}), but its version is "
                f"still {collection.version}; {mend}"
            )
        elif same is not None:
            yield (
                f"version {collection.version} of {name} stood for another schema before "
                f"({_some(same, here)}); {mend}"
            )
        elif collection.version < latest:
            yield (
                f"version {collection.version} of {name} is older than version {latest}, and was "
                f"never published; {mend}"
            )


def kept_otherwise(
    connection: Connection, old: Mapping[str, Collection], new: Mapping[str, Collection]
) -> Iterator[Finding]:
    """Collections whose records stay as the schema in force keeps them until they are moved."""
    for name in sorted(old.keys() & new.keys()):
        was, will = described(old[name]), described(new[name])
        if kept_alike(was, will) or not has_records(connection, name):
            continue
        closed = closed_by(was, will)
        text = f"records stay as version {old[name].version} keeps them, with its indexes,"
        if closed:
            text = f"what records hold in {', '.join(closed)} stays unencrypted"
        yield Finding(
            "warning",
            f"{COLLECTIONS}/{new[name].department}.toml",
            0,
            "migrate",
            f"{name}: {text} until each is written again; once the policy is in force, run "
            f"`secvault records migrate {name}`",
        )


def _some(old: Description, new: Description) -> str:
    every = differences(old, new)
    named = [f"{field} {text}" if field else text for field, text in islice(every, _SHOWN)]
    more = sum(1 for _ in every)
    return "; ".join(named) + (f"; and {more} more" if more else "")
