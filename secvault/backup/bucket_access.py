"""Who can reach a bucket, and what the credentials for saving could destroy in it.

Whether they may delete is tried, with the name of an object that there never was: the server looks
at the right before it looks for the object. In a bucket with versions that leaves a delete marker
of that name, which is removed again where that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from secvault.backup.bucket import DENIED, Finding, S3Client, code_of, named_faults
from secvault.backup.repository import S3Location
from secvault.crypto.aead import Random, draw

Public = Literal["no", "yes", "unknown"]

_EVERYBODY = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_NO_POLICY = frozenset({"NoSuchBucketPolicy"})
_NO_BLOCK = frozenset({"NoSuchPublicAccessBlockConfiguration"})
_UNSUPPORTED = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented"})
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_NAME_BYTES = 32


@dataclass(frozen=True)
class Deletion:
    """What the credentials may do to what is saved, and to restic's locks, which they should.

    hide: delete an object, which hides it where versions are kept. destroy: delete a version; what
    Object Lock keeps they cannot.
    """

    hide: bool
    destroy: bool
    unlock: bool


def public_access(client: S3Client, bucket: str) -> Public:
    """Whether anybody can read or write the bucket; `unknown` where we may not ask.

    Raises RepositoryUnreachable, RepositoryMissing, BackupFailed.
    """
    answers: dict[str, Mapping[str, Any]] = {}

    def ask(name: str, request: Callable[[], Mapping[str, Any]], absent: frozenset[str]) -> None:
        code = code_of(lambda: answers.setdefault(name, request()), absent | DENIED | _UNSUPPORTED)
        if code in absent:
            answers[name] = {}

    with named_faults(bucket):
        ask("block", lambda: client.get_public_access_block(Bucket=bucket), _NO_BLOCK)
        ask("policy", lambda: client.get_bucket_policy_status(Bucket=bucket), _NO_POLICY)
        ask("acl", lambda: client.get_bucket_acl(Bucket=bucket), frozenset())
    block = answers.get("block", {}).get("PublicAccessBlockConfiguration", {})
    by_policy = answers.get("policy", {}).get("PolicyStatus", {}).get("IsPublic", False)
    by_acl = any(
        grant.get("Grantee", {}).get("URI") in _EVERYBODY
        for grant in answers.get("acl", {}).get("Grants", ())
    )
    if (by_policy and not block.get("RestrictPublicBuckets")) or (
        by_acl and not block.get("IgnorePublicAcls")
    ):
        return "yes"
    if block.get("RestrictPublicBuckets") and block.get("IgnorePublicAcls"):
        return "no"
    return "no" if {"policy", "acl"} <= answers.keys() else "unknown"


def deletion(client: S3Client, place: S3Location, random: Random) -> Deletion:
    """What the client's credentials could delete. Raises RepositoryUnreachable, BackupFailed."""
    before = f"{place.prefix}/" if place.prefix else ""
    name = draw(_NAME_BYTES, random).hex()
    with named_faults(place.bucket):
        hide, destroy = _may_delete(client, place.bucket, f"{before}data/{name[:2]}/{name}")
        unlock, _ = _may_delete(client, place.bucket, f"{before}locks/{name}")
    return Deletion(hide, destroy, unlock)


def judge_access(
    public: Public, may: Deletion | None, *, versions: bool, locked: bool
) -> tuple[Finding, ...]:
    """What is wrong with it. may: of the credentials for saving, where that was tried.

    versions: whether the bucket keeps them. locked: whether its objects are locked in COMPLIANCE
    mode.
    """
    findings: list[Finding] = []
    if public == "yes":
        findings.append(Finding("anybody can reach the bucket", "block public access to it, now"))
    if public == "unknown":
        findings.append(
            Finding(
                "whether anybody can reach the bucket is not known",
                "let the credentials read its policy status, its ACL and its public access block, "
                "or look yourself",
            )
        )
    if may is None:
        return tuple(findings)
    if not locked and (may.destroy or (may.hide and not versions)):
        findings.append(
            Finding(
                "the credentials for saving can delete backups for good",
                "give them no right to delete but below locks/, and set prune_access_key_id of "
                "another role that forgets and prunes",
            )
        )
    elif may.hide:
        findings.append(
            Finding(
                "the credentials for saving can hide backups, which their versions outlive",
                "give them no right to delete but below locks/, and set prune_access_key_id of "
                "another role that forgets and prunes; what was hidden comes back by `secvault "
                "backup repository bring-back`",
            )
        )
    if not may.unlock:
        findings.append(
            Finding(
                "the credentials for saving cannot remove restic's own locks",
                "let them delete below locks/, or each run leaves a lock that the next retention "
                "has to wait for",
            )
        )
    return tuple(findings)


def _may_delete(client: S3Client, bucket: str, key: str) -> tuple[bool, bool]:
    """Whether an object of this name could be deleted, and a version of it."""
    marker: dict[str, Any] = {}

    def hide() -> None:
        marker.update(client.delete_object(Bucket=bucket, Key=key))

    refused = code_of(hide, DENIED | _GONE) in DENIED
    version = marker.get("VersionId", "null")
    kept = code_of(
        lambda: client.delete_object(Bucket=bucket, Key=key, VersionId=version),
        DENIED | _GONE | {"InvalidArgument"},
    )
    return not refused, kept not in DENIED
