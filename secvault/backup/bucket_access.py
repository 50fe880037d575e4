"""Who can reach a bucket, and what the credentials for saving could destroy in it.

Whether they may delete is tried, with the name of an object that there never was: the server looks
at the right before it looks for the object. In a bucket with versions that leaves a delete marker
of that name, which is removed again where that is allowed.
"""

from __future__ import annotations

import json
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
GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
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
        # Not the server's own status of it: some call each policy public that allows anything.
        ask("policy", lambda: client.get_bucket_policy(Bucket=bucket), _NO_POLICY)
        ask("acl", lambda: client.get_bucket_acl(Bucket=bucket), frozenset())
    block = answers.get("block", {}).get("PublicAccessBlockConfiguration", {})
    by_policy = _opens_to_all(answers.get("policy", {}).get("Policy", ""))
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
    name = draw(_NAME_BYTES, random).hex()
    hide, destroy = _may_delete(client, place, f"data/{name[:2]}/{name}")
    unlock, _ = _may_delete(client, place, f"locks/{name}")
    return Deletion(hide, destroy, unlock)


def may_delete_keys(client: S3Client, place: S3Location, random: Random) -> bool:
    """Whether restic's keys could be deleted, which restic itself tries for a minute."""
    return _may_delete(client, place, f"keys/{draw(_NAME_BYTES, random).hex()}")[0]


def judge_public(public: Public) -> tuple[Finding, ...]:
    """What is wrong with who can reach it."""
    if public == "yes":
        return (Finding("anybody can reach the bucket", "block public access to it, now"),)
    if public == "unknown":
        mend = "let the credentials read its policy status, ACL and public access block, or look"
        return (Finding("whether anybody can reach the bucket is not known", mend),)
    return ()


def judge_deletion(may: Deletion, *, versions: bool, locked: bool) -> tuple[Finding, ...]:
    """What is wrong with what the credentials for saving may do.

    versions: whether the bucket keeps them. locked: whether its objects are locked in COMPLIANCE
    mode.
    """
    findings: list[Finding] = []
    less = (
        "give them no right to delete but below locks/, and name another role that forgets and "
        "prunes by prune_access_key_id"
    )
    if not locked and (may.destroy or (may.hide and not versions)):
        findings.append(Finding("the credentials for saving can delete backups for good", less))
    elif may.hide or may.destroy:
        findings.append(
            Finding(
                "the credentials for saving can hide backups, whose versions the lock keeps",
                f"{less}; what was hidden comes back by `secvault backup repository bring-back`",
            )
        )
    if not may.unlock:
        findings.append(
            Finding(
                "the credentials for saving cannot remove restic's own locks",
                "let them delete below locks/, or each run leaves a lock that retention waits for",
            )
        )
    return tuple(findings)


def _may_delete(client: S3Client, place: S3Location, name: str) -> tuple[bool, bool]:
    """Whether an object of this name could be deleted, and a version of it."""
    key = f"{place.prefix}/{name}" if place.prefix else name
    marker: dict[str, Any] = {}

    def hide() -> None:
        marker.update(client.delete_object(Bucket=place.bucket, Key=key))

    with named_faults(place.bucket):
        refused = code_of(hide, DENIED | GONE) in DENIED
        version = marker.get("VersionId", "null")
        kept = code_of(
            lambda: client.delete_object(Bucket=place.bucket, Key=key, VersionId=version),
            DENIED | GONE | {"InvalidArgument"},
        )
    return not refused, kept not in DENIED


def _opens_to_all(policy: str) -> bool:
    """Whether a bucket's policy allows anything to everybody, without a condition."""
    try:
        statements = json.loads(policy or "{}").get("Statement", [])
    except (ValueError, AttributeError):
        return True
    for one in [statements] if isinstance(statements, dict) else statements:
        principal = one.get("Principal", "")
        whom = principal.get("AWS", "") if isinstance(principal, dict) else principal
        if (
            one.get("Effect") == "Allow"
            and "*" in ([whom] if isinstance(whom, str) else whom)
            and not one.get("Condition")
        ):
            return True
    return False
