"""Rewriting a record as the present schema keeps it, without changing what it says."""

from __future__ import annotations

import os
from dataclasses import replace

from sqlalchemy import Connection

from secvault.crypto.aead import Random
from secvault.keyring.keyring import Keyring
from secvault.records import release
from secvault.records.beside import move_beside
from secvault.records.collection import Collection
from secvault.records.record.changing import rewrite
from secvault.records.record.form import Record
from secvault.records.record.reading import read_to_change


def reseal_record(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    record_id: str,
    at: int,
    random: Random = os.urandom,
) -> Record:
    """Move each value to where the present schema keeps it, in clear or sealed, under the data key
    of the record's subject, and make its index anew.

    Values, version, times and makers stay, and so does an approval: nobody has changed the record.
    Its tag is made anew, after the old one was verified: damage is never sealed over. at: micros,
    the time of a data key that is made for it. Raises NotFound, Damaged.
    """
    before = read_to_change(connection, keyring, collection, record_id)
    approved = release.releases_of(connection, (before,)).get(record_id)
    # Of no schema, so that all of its index is made anew.
    stale = replace(before, schema_version=-1)
    after = rewrite(connection, keyring, collection, stale, {}, at, random)
    if approved is not None and after.data_key != before.data_key:
        release.rebind(connection, after, approved)
    move_beside(connection, before, after, random)
    return after
