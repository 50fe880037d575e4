"""Somebody has secvault's own credentials and tries to make the backups go away.

All that may destroy is tried on a probe of our own, a few bytes beside the repository; what is
there in earnest is only asked how long it is locked for. What could hurt a whole bucket (its
versioning, its lock, its rules, the bucket itself) is never tried, and that is said. A plan
survives when one of its repositories does, with that of its data keys; from that one a file is
brought back then.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from secvault.backup import bucket
from secvault.backup.bucket_locks import LASTING, Hidden, bring_back
from secvault.backup.drills.exercise import ExerciseStep
from secvault.backup.drills.result import FaultCode
from secvault.backup.drills.scenarios import single_file
from secvault.backup.drills.scenarios.script import Broken, Saying, Script
from secvault.backup.drills.scenarios.single_file import Drawing
from secvault.backup.repository import KEYS, LocalFolder, Repository, S3Location
from secvault.backup.repository_faults import RepositoryUnreachable
from secvault.crypto.aead import Random

PROBES = "secvault-probe"
"""Below a repository's prefix: restic looks at nothing of that name."""
LOOKED_AT = 200
"""Objects of a repository that are asked for their locks, drawn evenly over all."""
NOT_PROTECTED: FaultCode = "repository-not-protected"

_BUCKET_WIDE = (
    "what would hurt a whole bucket (its versioning, its lock, its rules, the bucket itself) was "
    "not tried; in COMPLIANCE mode none of it takes away what is locked"
)
# Of a repository in a folder, where what it is made of lies.
_DEEPER = "data"
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_Attempt = Callable[[], object]


@dataclass(frozen=True)
class _Role:
    """Credentials that secvault holds. name: in words."""

    name: str
    client: Any


@dataclass(frozen=True)
class _Target:
    """A bucket under attack. probe: the object that is the attack's. lock: days, 0 for none."""

    script: Script
    name: str
    place: S3Location
    probe: str
    content: bytes
    locked: bool


def play(script: Script, draw: Drawing, random: Random) -> None:
    """Attack every repository of the plan, then bring a file back from one that survived.

    Raises Broken after what it found, and what keeps it from being done at all.
    """
    survivors = [
        name
        for name in (script.plan.repository, *script.plan.copies)
        if _survives(script, name, random)
    ]
    script.leave_open("whether the alarm of a strange backup run is heard was not tried")
    if not survivors:
        raise Broken
    # One that stands is enough: the others are told of, and are no failure.
    _pardon(script, survivors)
    single_file.bring_back_one(script, survivors[0], draw)
    script.came_back()


def _survives(script: Script, name: str, random: Random) -> bool:
    names = (name, f"{name}{KEYS}") if script.plan.vault else (name,)
    before = len(script.faults)
    for each in names:
        script.repository = name
        try:
            _attack(script, each, random)
        except Broken:
            return False
    return len(script.faults) == before


def _pardon(script: Script, survivors: list[str]) -> None:
    """Where one repository stands, that another fell is left open, and not the plan's fault."""
    for fault in script.faults:
        script.leave_open(f"{fault.where}: {fault.words}")
    script.faults.clear()
    # The steps keep their verdicts of then as words: a step that failed would fail the whole.
    script.steps[:] = [
        step if step.verdict != "failed" else _told(step, survivors) for step in script.steps
    ]


def _told(step: ExerciseStep, survivors: list[str]) -> ExerciseStep:
    words = f"{step.words} (the plan stands by its repository {survivors[0]})"
    return replace(step, verdict="not tested", words=words)


def _attack(script: Script, name: str, random: Random) -> None:
    with script.step("repository-looked-at", damage="repository-unreachable") as said:
        repository = script.engine.repository(name)
        said.words = f"{name}: {repository.location}"
    if isinstance(repository.place, LocalFolder):
        _attack_folder(script, name, repository.place.path, random)
        return
    _attack_bucket(script, name, repository, random)


def _attack_folder(script: Script, name: str, folder: Path, random: Random) -> None:
    """Whoever is this process on this machine may write there; so it may delete."""
    with script.step("deletion-attempted") as said:
        # Who may not write at the top may write further down all the same.
        places = [one for one in (folder, folder / _DEEPER) if one.is_dir()]
        if not places:
            raise RepositoryUnreachable(f"{folder} is not there; is its disk mounted?")
        refused = [_refusal(script, place, random) for place in places]
        if all(refused):
            said.words = f"{name}: the folder lets nothing be written or deleted: {refused[0]}"
            return
        said.fault(
            NOT_PROTECTED,
            name,
            f"{name}: a probe in the folder was overwritten and deleted, as everything there can "
            "be by whoever is secvault on this machine; have a copy in a bucket with Object Lock",
        )


def _refusal(script: Script, folder: Path, random: Random) -> str:
    """Why a probe in the folder can be neither overwritten nor deleted; empty where it can.

    Raises RepositoryUnreachable where it cannot be tried: a full disk, or one that fails, protects
    nothing.
    """
    probe = folder / f"{PROBES}-{random(8).hex()}"
    reason = ""
    try:
        probe.write_bytes(random(16))
        # Either destroys what was there.
        for act in (lambda: probe.write_bytes(random(16)), probe.unlink):
            try:
                act()
            except OSError as error:
                reason = _refused(error, folder)
            else:
                return ""
    except OSError as error:
        reason = _refused(error, folder)
    finally:
        try:
            probe.unlink(missing_ok=True)
        except OSError:
            if probe.exists():
                script.leave_open(f"the probe {probe} stays: it cannot be deleted")
    return reason


def _refused(error: OSError, folder: Path) -> str:
    reason = error.strerror or type(error).__name__
    if error.errno not in _REFUSED:
        raise RepositoryUnreachable(f"nothing can be tried in {folder}: {reason}") from None
    return reason


def _attack_bucket(script: Script, name: str, repository: Repository, random: Random) -> None:
    place = repository.place
    assert isinstance(place, S3Location)  # noqa: S101 - the other kind went elsewhere
    roles = [_Role("the credentials that save", bucket.s3_client(repository))]
    if repository.pruning is not None:
        pruner = bucket.s3_client(repository.pruner())
        roles.append(_Role("the credentials that prune", pruner))
    with script.step("repository-looked-at", damage="repository-unreachable") as said:
        report = bucket.inspect_bucket(roles[-1].client, place.bucket)
        found = bucket.judge(report, days=1).findings
        for one in found:
            said.fault(NOT_PROTECTED, name, f"{name}: {one.fault}; {one.mend}")
        lock = report.object_lock
        said.words = f"{name}: versions {report.versioning}, " + (
            f"locked for {lock.days} days in {lock.mode} mode" if lock else "no Object Lock"
        )
    below = f"{place.prefix}/" if place.prefix else ""
    target = _Target(
        script,
        name,
        place,
        f"{below}{PROBES}/{random(12).hex()}",
        random(32),
        report.object_lock is not None,
    )
    written: set[str] = set()
    try:
        for role in roles:
            _attack_probe(target, role, written)
    finally:
        _clear_away(target, roles, written)
    _look_at_locks(target, roles[-1].client)
    script.leave_open(_BUCKET_WIDE)


def _attack_probe(at: _Target, role: _Role, written: set[str]) -> None:
    script, client = at.script, role.client
    with script.step("deletion-attempted", damage="repository-unreachable") as said:
        with bucket.named_faults(at.place.bucket):
            made = client.put_object(Bucket=at.place.bucket, Key=at.probe, Body=at.content)
        version = str(made.get("VersionId") or "")
        written.add(version)
        if not version:
            said.fault(NOT_PROTECTED, at.name, f"{at.name}: what is overwritten there is gone")
            return
        one = {"Bucket": at.place.bucket, "Key": at.probe, "VersionId": version}
        together = {"Objects": [{"Key": at.probe, "VersionId": version}]}
        _require_refused(
            at,
            said,
            role,
            {
                "a version was deleted": lambda: client.delete_object(**one),
                "a version was deleted past governance": lambda: client.delete_object(
                    **one, BypassGovernanceRetention=True
                ),
                "versions were deleted together": lambda: _deleted_together(
                    client, at.place.bucket, together
                ),
            },
        )
        said.words = said.words or f"{at.name}: {role.name} cannot delete a version, in three ways"
    if said.faults:
        return
    with script.step("lock-shortening-attempted", damage="repository-unreachable") as said:
        # Not so soon that a server whose clock is ahead refuses it for that.
        soon = script.engine.clock.now() + timedelta(hours=1)
        _require_refused(
            at,
            said,
            role,
            {
                f"a lock was shortened in {mode} mode": _shortening(client, one, mode, soon)
                for mode in ("COMPLIANCE", "GOVERNANCE")
            },
        )
        said.words = said.words or f"{at.name}: {role.name} cannot shorten a lock"
    _hide_and_bring_back(at, role, version, written)


def _hide_and_bring_back(at: _Target, role: _Role, version: str, written: set[str]) -> None:
    """Overwriting and plain deletion always succeed, and hide what is there; it is undone."""
    client, name = role.client, {"Bucket": at.place.bucket, "Key": at.probe}
    with at.script.step("overwriting-attempted", damage="repository-unreachable") as said:
        with bucket.named_faults(at.place.bucket):
            for act in (lambda: client.put_object(**name, Body=b"encrypted by somebody else"),
                        lambda: client.delete_object(**name)):  # fmt: skip
                if _is_refused(act, written):
                    continue
            kept = client.get_object(**name, VersionId=version)["Body"].read()
        if kept != at.content:
            said.fault(NOT_PROTECTED, at.name, f"{at.name}: a version came back changed")
        said.words = f"{at.name}: overwritten and deleted, the version of before is there still"
    with at.script.step("version-brought-back", damage="repository-unreachable") as said:
        bring_back(client, at.place, Hidden(at.probe, version, len(at.content)))
        with bucket.named_faults(at.place.bucket):
            back = client.get_object(**name)
        written.add(str(back.get("VersionId") or ""))
        if back["Body"].read() != at.content:
            said.fault(NOT_PROTECTED, at.name, f"{at.name}: what was hidden did not come back")
        said.words = f"{at.name}: what was hidden was made the newest version again"


def _look_at_locks(at: _Target, client: Any) -> None:
    """How long what the repository is made of is locked for; asked, and nothing else."""
    if not at.locked:
        return
    with at.script.step("old-versions-locked", damage="repository-unreachable") as said:
        now = at.script.engine.clock.now()
        with bucket.named_faults(at.place.bucket):
            keys = list(_objects(client, at.place))
            asked = keys[:: max(1, len(keys) // LOOKED_AT)]
            ends = {key: _locked_until(client, at.place.bucket, key) for key in asked}
        open_ones = [key for key, end in ends.items() if end is None or end <= now]
        if open_ones:
            said.fault(
                NOT_PROTECTED,
                at.name,
                f"{at.name}: {len(open_ones)} of {len(asked)} objects are not locked any more, "
                f"first {open_ones[0]}",
            )
        soonest = min((end for end in ends.values() if end is not None), default=None)
        until = f", the first until {soonest:%Y-%m-%d}" if soonest else ""
        said.words = f"{at.name}: {len(asked)} of {len(keys)} objects are locked{until}"
        if len(asked) < len(keys):
            at.script.leave_open(f"{at.name}: {len(keys) - len(asked)} objects were not asked")


def _objects(client: Any, place: S3Location) -> Iterator[str]:
    before = f"{place.prefix}/" if place.prefix else ""
    listing = client.get_paginator("list_objects_v2")
    for lasting in LASTING:
        for page in listing.paginate(Bucket=place.bucket, Prefix=f"{before}{lasting}"):
            for one in page.get("Contents", ()):
                yield one["Key"]


def _locked_until(client: Any, name: str, key: str) -> datetime | None:
    found: list[Mapping[str, Any]] = []
    code = bucket.code_of(
        lambda: found.append(client.get_object_retention(Bucket=name, Key=key)),
        frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}),
    )
    retention = found[0].get("Retention", {}) if found and code is None else {}
    if retention.get("Mode") != "COMPLIANCE":
        return None
    end: datetime | None = retention.get("RetainUntilDate")
    return end


def _require_refused(
    at: _Target, said: Saying, role: _Role, attempts: Mapping[str, _Attempt]
) -> None:
    for words, attempt in attempts.items():
        with bucket.named_faults(at.place.bucket):
            refused = _is_refused(attempt, set())
        if not refused:
            said.fault(NOT_PROTECTED, at.name, f"{at.name}: by {role.name} {words}")
            # It is gone, or open: what follows would say nothing more.
            return


def _is_refused(attempt: _Attempt, written: set[str]) -> bool:
    """Whether the server refuses it. written: gets the version that it made, if it made one."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - most drills meet no bucket

    try:
        done = attempt()
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if int(status) >= 500:
            raise
        return True
    if isinstance(done, Mapping) and done.get("VersionId"):
        written.add(str(done["VersionId"]))
    return False


def _deleted_together(client: Any, name: str, what: Mapping[str, Any]) -> object:
    """Refusals stand in the answer here."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see `_is_refused`

    answer = client.delete_objects(Bucket=name, Delete=what)
    for one in answer.get("Errors", ()):
        raise ClientError({"Error": {"Code": str(one.get("Code", ""))}}, "DeleteObjects")
    return answer


def _shortening(client: Any, one: Mapping[str, str], mode: str, until: datetime) -> _Attempt:
    retention = {"Mode": mode, "RetainUntilDate": until}
    return lambda: client.put_object_retention(
        **one, Retention=retention, BypassGovernanceRetention=True
    )


def _clear_away(at: _Target, roles: list[_Role], written: set[str]) -> None:
    """Remove the probe as far as that can be done; locked versions go when their time is over."""
    client, name = roles[-1].client, {"Bucket": at.place.bucket, "Key": at.probe}
    left = 0
    for version in sorted(written):
        which = {**name, "VersionId": version} if version else name
        left += _is_refused(lambda which=which: client.delete_object(**which), set())  # type: ignore[misc]
    # Hidden from whoever lists the bucket.
    if left:
        _is_refused(lambda: client.delete_object(**name), set())
        at.script.leave_open(
            f"{at.name}: {left} versions of the probe {at.probe} stay until their lock ends"
        )
