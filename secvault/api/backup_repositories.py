"""Repositories over HTTP: listed, added, removed, looked at; their passwords, changed, kept."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.secret_text import SecretText, secret_of
from secvault.backup.access_check import AccessReport
from secvault.backup.rotation import Rotated
from secvault.clock import timestamp
from secvault.service import (
    Service,
    backup_copies,
    repositories,
    repository_access,
    repository_passwords,
)
from secvault.service.repositories import RepositoryView
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/backups", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RepositoryName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["offsite"])]
PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$", examples=["daily"])]
Days = Annotated[
    int,
    Query(ge=1, le=repository_access.MOST_DAYS, description="How long backups should be safe."),
]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewRepository(_Given):
    """A repository to add. password: of one that is there already; else one is drawn."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    location: str = Field(max_length=1024, examples=["s3:https://s3.example.com/backups"])
    keys_location: str = Field("", max_length=1024)
    region: str = Field("us-east-1", max_length=64)
    access_key_id: str = Field("", max_length=128)
    secret_access_key: SecretText | None = Field(None, max_length=256)
    prune_access_key_id: str = Field("", max_length=128)
    prune_secret_access_key: SecretText | None = Field(None, max_length=256)
    path_style: bool = True
    storage_class: str = Field("", max_length=32)
    password: SecretText | None = Field(None, max_length=1024)


class GivenPassword(_Given):
    """A password that opens the repository. data_keys: that of the data keys."""

    password: SecretText = Field(max_length=1024)
    data_keys: bool = False


class Moment(_Given):
    """When the bucket was as it should be. dry_run: only look."""

    as_of: AwareDatetime
    data_keys: bool = False
    dry_run: bool = False


class RepositoryAnswer(BaseModel):
    """A repository; its secrets are never shown."""

    name: str
    kind: Literal["declared", "added"]
    location: str
    data_keys: str
    region: str
    path_style: bool
    storage_class: str
    access_key_id: str
    prune_access_key_id: str
    own_authorities: bool
    plans: list[str]
    password_since: str | None
    escrowed: bool
    changing: bool


class RepositoryList(BaseModel):
    """All repositories, by name."""

    repositories: list[RepositoryAnswer]


class FindingAnswer(BaseModel):
    """What is not as it should be, and the mend."""

    fault: str
    mend: str


class AccessAnswer(BaseModel):
    """A repository where it lies. What was not tried or does not apply is null."""

    name: str
    location: str
    made: bool | None
    bucket: str | None
    bucket_exists: bool | None
    versioning: Literal["enabled", "suspended", "off"] | None
    lock_mode: Literal["COMPLIANCE", "GOVERNANCE"] | None
    lock_days: int | None
    public: Literal["yes", "no", "unknown"] | None
    may_hide: bool | None
    may_destroy: bool | None
    may_unlock: bool | None
    immutable: bool
    findings: list[FindingAnswer]
    notes: list[FindingAnswer]


class AccessList(BaseModel):
    """Repositories and those of their data keys."""

    repositories: list[AccessAnswer]


class RotatedAnswer(BaseModel):
    """The new password is in force. waiting_for: what must end before the old one can go."""

    repository: str
    old_opens: bool
    waiting_for: list[str]
    refused: bool


class RotatedList(BaseModel):
    """What was changed."""

    passwords: list[RotatedAnswer]


class CopyAnswer(BaseModel):
    """A run's copy in a further repository. way: copied from the first, or saved a second time."""

    run: str
    repository: str
    way: Literal["copy", "run"]
    state: Literal["running", "done", "failed"]
    snapshot: str | None
    started_at: str
    finished_at: str | None
    error: str | None


class CopyList(BaseModel):
    """The newest copies, newest first."""

    copies: list[CopyAnswer]


class BroughtBackAnswer(BaseModel):
    """What was hidden since then; done: whether it was brought back."""

    repository: str
    objects: int
    bytes: int
    done: bool


class EscrowedAnswer(BaseModel):
    """What opens a repository without this machine."""

    name: str
    data_keys: bool
    location: str
    region: str
    path_style: bool
    access_key_id: str
    password: str
    password_since: str


class EscrowedList(BaseModel):
    """The passwords of all repositories: keep them where no machine is."""

    repositories: list[EscrowedAnswer]


@router.get("/repositories")
@operation("it/backups/repositories", "repository.read")
def repository_list(at: Authenticated) -> RepositoryList:
    """All repositories, declared and added, without their secrets."""
    service, who = at
    found = repositories.list_repositories(service, who)
    return RepositoryList(repositories=[_repository(one) for one in found])


@router.post("/repositories", status_code=201)
@operation("it/backups/repositories/{repository}", "repository.add", "backup.restore")
def repository_add(at: Authenticated, given: Annotated[NewRepository, Body()]) -> RepositoryAnswer:
    """Add a repository, which plans may then name."""
    service, who = at
    secrets = {
        name: value.get_secret_value()
        for name in ("secret_access_key", "prune_secret_access_key")
        if (value := getattr(given, name)) is not None
    }
    plain: dict[str, Any] = given.model_dump(
        exclude={"name", "password", "secret_access_key", "prune_secret_access_key"}
    )
    password = None if given.password is None else secret_of(given.password)
    added = repositories.add_repository(service, who, given.name, {**plain, **secrets}, password)
    return _repository(added)


@router.get("/repositories/{repository}")
@operation("it/backups/repositories/{repository}", "repository.read")
def repository_show(at: Authenticated, repository: RepositoryName) -> RepositoryAnswer:
    """One repository."""
    service, who = at
    return _repository(repositories.show_repository(service, who, repository))


@router.delete("/repositories/{repository}", status_code=204)
@operation("it/backups/repositories/{repository}", "repository.remove")
def repository_remove(at: Authenticated, repository: RepositoryName) -> Response:
    """Forget an added repository that no plan names; what was saved there stays."""
    service, who = at
    repositories.remove_repository(service, who, repository)
    return Response(status_code=204)


@router.post("/repositories/{repository}/access-check")
@operation("it/backups/repositories/{repository}", "repository.check")
def repository_check(at: Authenticated, repository: RepositoryName, days: Days = 30) -> AccessList:
    """Try what the repository's credentials may do, and say what is missing to protect backups."""
    service, who = at
    found = repository_access.check_access(service, who, repository, days)
    return AccessList(repositories=[_access(one) for one in found])


@router.get("/plans/{plan}/buckets")
@operation("it/backups/{plan}", "backup.read")
def plan_buckets(at: Authenticated, plan: PlanName, days: Days = 30) -> AccessList:
    """The plan's repositories: versions, Object Lock, public access, and what is missing."""
    service, who = at
    found = repository_access.buckets_of_plan(service, who, plan, days)
    return AccessList(repositories=[_access(one) for one in found])


@router.get("/plans/{plan}/copies")
@operation("it/backups/{plan}", "backup.read")
def plan_copies(
    at: Authenticated, plan: PlanName, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> CopyList:
    """The newest copies of the plan's runs in its further repositories."""
    service, who = at
    return CopyList(
        copies=[
            CopyAnswer(
                run=one.run,
                repository=one.repository,
                way=one.way,
                state=one.state,
                snapshot=one.snapshot,
                started_at=timestamp(one.started_at),
                finished_at=None if one.finished_at is None else timestamp(one.finished_at),
                error=one.error,
            )
            for one in backup_copies.list_copies(service, who, plan, limit)
        ]
    )


@router.post("/repositories/{repository}/password-rotation")
@operation("it/backups/repositories/{repository}", "repository.rotate")
def repository_rotate(at: Authenticated, repository: RepositoryName) -> RotatedList:
    """Give the repository and that of its data keys new passwords, or end a change of them."""
    service, who = at
    done = repository_passwords.rotate_password(service, who, repository)
    return RotatedList(passwords=[_rotated(one) for one in done])


@router.put("/repositories/{repository}/password", status_code=204)
@operation("it/backups/repositories/{repository}", "repository.rotate", "backup.restore")
def repository_password(
    at: Authenticated, repository: RepositoryName, given: Annotated[GivenPassword, Body()]
) -> Response:
    """Keep another password for the repository, which must open it."""
    service, who = at
    repository_passwords.set_password(
        service, who, repository, secret_of(given.password), data_keys=given.data_keys
    )
    return Response(status_code=204)


@router.post("/repositories/{repository}/bring-back")
@operation("it/backups/repositories/{repository}", "repository.bring_back")
def repository_bring_back(
    at: Authenticated, repository: RepositoryName, given: Annotated[Moment, Body()]
) -> BroughtBackAnswer:
    """Make the bucket show again what it showed at a moment, by the versions that it keeps."""
    service, who = at
    as_of: datetime = given.as_of
    done = repository_access.bring_back(
        service,
        who,
        repository,
        as_of,
        threading.Event(),
        data_keys=given.data_keys,
        dry_run=given.dry_run,
    )
    return BroughtBackAnswer(
        repository=done.repository, objects=done.objects, bytes=done.bytes, done=done.done
    )


@router.post("/escrow")
@operation("it/backups/passwords", "backup.restore")
def repository_escrow(at: Authenticated) -> EscrowedList:
    """Take out the passwords of all repositories, to be kept apart from machine and backups."""
    service, who = at
    return EscrowedList(
        repositories=[
            EscrowedAnswer(
                name=one.name,
                data_keys=one.data_keys,
                location=one.location,
                region=one.region,
                path_style=one.path_style,
                access_key_id=one.access_key_id,
                password=one.password.text(),
                password_since=timestamp(one.password_since),
            )
            for one in repository_passwords.escrow(service, who)
        ]
    )


def _repository(view: RepositoryView) -> RepositoryAnswer:
    since = view.password_since
    return RepositoryAnswer(
        name=view.name,
        kind=view.kind,
        location=view.location,
        data_keys=view.data_keys,
        region=view.region,
        path_style=view.path_style,
        storage_class=view.storage_class,
        access_key_id=view.access_key_id,
        prune_access_key_id=view.prune_access_key_id,
        own_authorities=view.own_authorities,
        plans=list(view.plans),
        password_since=None if since is None else timestamp(since),
        escrowed=view.escrowed,
        changing=view.changing,
    )


def _rotated(one: Rotated) -> RotatedAnswer:
    return RotatedAnswer(
        repository=one.repository,
        old_opens=one.old_opens,
        waiting_for=list(one.waiting_for),
        refused=one.refused,
    )


def _access(report: AccessReport) -> AccessAnswer:
    bucket, may = report.bucket, report.may
    lock = bucket.object_lock if bucket else None
    return AccessAnswer(
        name=report.name,
        location=report.location,
        made=report.made,
        bucket=bucket.name if bucket else None,
        bucket_exists=bucket.exists if bucket else None,
        versioning=bucket.versioning if bucket else None,
        lock_mode=lock.mode if lock else None,
        lock_days=lock.days if lock else None,
        public=report.public,
        may_hide=may.hide if may else None,
        may_destroy=may.destroy if may else None,
        may_unlock=may.unlock if may else None,
        immutable=report.immutable,
        findings=[FindingAnswer(fault=one.fault, mend=one.mend) for one in report.findings],
        notes=[FindingAnswer(fault=one.fault, mend=one.mend) for one in report.hints],
    )
