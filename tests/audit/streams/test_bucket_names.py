"""What objects of a stream are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from secvault.audit.leaf import StoredEvent
from secvault.audit.streams.batch import Batch
from secvault.audit.streams.bucket import Bucket, name_of


class _Kept:
    """A bucket in memory, whose objects are only looked at by name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        self.objects[request["Key"]] = request["Body"]
        return {}


def _batch(*events: StoredEvent) -> Batch:
    return Batch("lake", events, "json")


def test_a_name_says_day_and_numbers_and_sorts_as_the_log_does(
    stored: Callable[[int], StoredEvent],
) -> None:
    names = [name_of(_batch(stored(n), stored(n + 1)), "log") for n in (2, 10, 100)]
    assert names[0].startswith("log/2026/09/21/000000000002-000000000003-")
    assert names == sorted(names)


def test_the_same_batch_has_the_same_name_however_often_it_is_sent(
    stored: Callable[[int], StoredEvent],
) -> None:
    batch = _batch(stored(5), stored(6))
    kept = _Kept()
    for _ in range(2):
        Bucket(lambda: kept, "lake").deliver(batch)
    assert [*kept.objects] == [name_of(batch, "")]


def test_another_history_of_the_log_overwrites_nothing(
    stored: Callable[[int], StoredEvent],
) -> None:
    kept, one = _Kept(), stored(7)
    other = replace(one, body=one.body.replace(b"d-7", b"d-8"))
    for history in (one, other):
        Bucket(lambda: kept, "lake").deliver(_batch(history))
    assert sorted(kept.objects.values()) == sorted([one.body + b"\n", other.body + b"\n"])
