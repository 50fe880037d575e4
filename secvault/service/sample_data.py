"""Loading the sample back office into a vault, for demonstrations and the self-check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby, islice

from secvault.crypto.canonical import JsonValue
from secvault.sample import SampleRecord, back_office
from secvault.service import records
from secvault.service.service import Service
from secvault.service.spine import Caller

BATCH = 200


def load_sample(service: Service, caller: Caller, on_progress: Callable[[int, int], None]) -> int:
    """Store the sample records of all departments; return how many.

    caller: holds the head's role in every department, or the load is refused. on_progress: told
    (stored so far, of how many). Raises Conflict when they are there already.
    """
    sample = tuple(back_office())
    stored = 0
    for collection, of_collection in groupby(
        sorted(sample, key=lambda one: one.collection), key=lambda one: one.collection
    ):
        for batch in _batches(of_collection):
            records.create_records(service, caller, collection, batch)
            stored += len(batch)
            on_progress(stored, len(sample))
    return stored


def _batches(sample: Iterable[SampleRecord]) -> Iterable[Mapping[str, Mapping[str, JsonValue]]]:
    rest = iter(sample)
    while batch := {one.id: one.values for one in islice(rest, BATCH)}:
        yield batch
