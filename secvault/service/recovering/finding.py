"""Finding the newest whole snapshot of a plan in all repositories that open, and fetching it."""

from __future__ import annotations

from secvault.errors import SecvaultError, Unavailable
from secvault.recovery.kit import KitPlan
from secvault.service.recovering import database, fetching, storage
from secvault.service.recovering import place as places
from secvault.service.recovering.storage import Candidate, Elsewhere
from secvault.service.recovering.under_way import Work, day, unseen


def reach(work: Work) -> None:
    """Open every repository of the kit that can be reached. Raises Unavailable for none."""
    order, record, found = work.order, work.record, []
    # Better now than after hours of fetching.
    database.require_target(work.head.database, order.store_url)
    elsewhere = Elsewhere.parse(order.at, work.head)
    # One that no plan saves into has nothing to give.
    used = {name for plan in work.head.plans for name in plan.repositories}
    wanted = [
        one
        for one in work.head.repositories
        if one.name in used and order.repository in ("", one.name)
    ]
    with record.step("repositories-reached", "open", "Reaching the repositories") as seen:
        for one in wanted:
            try:
                settings = storage.settings_of(one, elsewhere, order.environment, work.place)
                found.append(
                    storage.reach(work.restic, one, settings, work.secrets, order.environment)
                )
            except SecvaultError as error:
                record.skip(f"the repository {one.name} ({one.location}): {error.detail}")
        if not found:
            raise Unavailable(
                "no repository of the kit can be reached; see above why, give its credentials by "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say with --at NAME=LOCATION where "
                "it lies now"
            )
        seen.words = f"{len(found)} of {len(wanted)} open: " + ", ".join(one.name for one in found)
    work.reached = tuple(found)


def find(work: Work) -> tuple[Candidate, ...]:
    """The snapshots that may be brought back, the one to begin with first. Raises NotFound."""
    found = _candidates(work, work.plan)
    wanted = work.order.snapshot
    if wanted:
        found = tuple(one for one in found if one.snapshot.id.startswith(wanted))
    return found


def fetch(work: Work, found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Fetch the first of these that is whole; those that are left after it. Raises NothingWhole."""
    record = work.record
    with record.step("snapshot-fetched", "fetch", "Fetching the newest snapshot") as seen:
        left = list(found)
        summary = left[0].snapshot.summary if left else None
        if summary is not None:
            # Restored, then copied; and the database grows by its migrations.
            places.require_room(work.place, 2 * (summary.total_bytes_processed or 0))
        if left and work.resumed:
            # What the process before had fetched, which was killed.
            work.fetched = fetching.again(work.plan.name, left[0], work.place.scratch / "snapshot")
        while work.fetched is None:
            try:
                work.fetched = fetching.fetch_newest(
                    work.restic,
                    work.plan.name,
                    tuple(left[:1]),
                    work.place.scratch / "snapshot",
                    lambda words: record.fault("snapshot-not-newest", work.plan.name, words),
                    unseen,
                    work.cancel,
                )
            except fetching.NothingWhole:
                left = left[1:]
                if not left:
                    raise
        work.fetched = fetching.with_newer_keys(
            work.restic,
            work.plan.name,
            work.here,
            [one for one in work.reached if one.name in work.plan.repositories],
            work.place.scratch / "snapshot",
            record.skip,
            work.cancel,
        )
        candidate = work.here.candidate
        seen.words = (
            f"snapshot {candidate.snapshot.id[:8]} of {day(work.here.head.data_at)} from "
            f"{candidate.reached.name}: {work.here.compared.checked} files, "
            f"{work.here.compared.bytes} bytes, all as they were"
        )
    return tuple(left[1:])


def bring_others(work: Work) -> None:
    """The files of the other plans, in the order of the kit, each whole or a fault."""
    for plan in work.head.plans:
        if not plan.vault:
            bring_service(work, plan)


def bring_service(work: Work, plan: KitPlan) -> bool:
    """Bring the files of one plan back below `services`, proven; whether that went well."""
    record, target = work.record, work.place.services / plan.name
    try:
        with record.step("plan-restored", "fetch", f"Restoring {plan.name}") as seen:
            found = _candidates(work, plan)
            done = fetching.fetch_newest(
                work.restic, plan.name, found, target, record.skip, unseen, work.cancel
            )
            seen.words = (
                f"{plan.name}: {done.compared.checked} files of {day(done.head.data_at)}, in "
                f"{target}"
            )
    except SecvaultError as error:
        record.fault("snapshot-missing", plan.name, error.detail)
        return False
    return True


def _candidates(work: Work, plan: KitPlan) -> tuple[Candidate, ...]:
    def damaged(words: str) -> None:
        work.record.fault("snapshot-missing", plan.name, words)

    return storage.candidates(
        work.restic, plan, work.reached, work.clock.micros(), work.record.skip, damaged
    )
