"""Loading the sample back office into a vault, for demonstrations and the self-check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby, islice

from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict
from secvault.identity.directory import Wanted
from secvault.identity.people import ACTIVE
from secvault.sample import SampleRecord, back_office
from secvault.service import authentication, grants, people, records, systems
from secvault.service.service import Service
from secvault.service.spine import Caller

BATCH = 200


def load_sample(service: Service, caller: Caller, on_progress: Callable[[int, int], None]) -> int:
    """Store the sample records of all departments; return how many.

    Makes a service account for it, which has the head's role in one department after the other,
    and disables it afterwards. on_progress: told (stored so far, of how many). Raises Conflict
    when the sample is there already, or too late to be loaded by one person; Refused when the
    caller may not make service accounts.
    """
    _require_one_person_enough(service)
    sample = sorted(back_office(), key=lambda one: (one.department, one.collection))
    loader = _make_loader(service, caller)
    stored = 0
    try:
        for department, of_department in groupby(sample, key=lambda one: one.department):
            with _as_head(service, caller, loader, department):
                for collection, found in groupby(of_department, key=lambda one: one.collection):
                    for batch in _batches(found):
                        records.create_records(service, loader, collection, batch)
                        stored += len(batch)
                        on_progress(stored, len(sample))
    finally:
        systems.disable_account(service, caller, loader.principal.id)
    return stored


def _require_one_person_enough(service: Service) -> None:
    if not service.approvers.obligations.needed("grant.add"):
        return
    with service.store.read() as connection:
        if service.approvers.latched(connection):
            raise Conflict(
                "the sample is for vaults with one administrator: its loader gets the roles of all "
                "heads, each of which takes an approval here; load it into a vault of its own, "
                "with `secvault init --demo` or before a second administrator signs in"
            )


@contextmanager
def _as_head(service: Service, caller: Caller, loader: Caller, department: str) -> Iterator[None]:
    """The loader is head of this department, and of no other: that would be kept apart."""
    grant = grants.add_grant(
        service,
        caller,
        subject=loader.principal.subject,
        role=f"role:{department}.head",
        department=department,
        days=1,
    )
    try:
        yield
    finally:
        grants.revoke_grant(service, caller, grant.id)


def _make_loader(service: Service, caller: Caller) -> Caller:
    active = people.list_people(service, caller, limit=1, wanted=Wanted(status=ACTIVE)).people
    if not active:
        raise Conflict("nobody can answer for the loader yet; activate the administrator first")
    owner = active[0].person
    account = systems.create_account(
        service,
        caller,
        name=f"sample-loader-{service.random(4).hex()}",
        department="it",
        owner=owner.id,
        roles=(),
    )
    issued = systems.issue_token(
        service, caller, account=account.id, display_name="the sample", days=1
    )
    return Caller(authentication.authenticate(service, issued.text.text()))


def _batches(sample: Iterable[SampleRecord]) -> Iterable[Mapping[str, Mapping[str, JsonValue]]]:
    rest = iter(sample)
    while batch := {one.id: one.values for one in islice(rest, BATCH)}:
        yield batch
