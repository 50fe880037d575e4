"""Single files of a repository, in its folder or its bucket, without restic.

Only for files that restic itself writes once and never changes; no lock is taken.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from tempfile import mkstemp

from secvault.backup import bucket
from secvault.backup.bucket import DENIED, code_of, named_faults
from secvault.backup.in_words import in_words
from secvault.backup.repository import LocalFolder, Repository
from secvault.errors import BackupFailed

_READ_ONLY = 0o400


def names(repository: Repository, folder: str) -> tuple[str, ...]:
    """The names of all files in a folder of the repository, in order; none where it is not there.

    Raises BackupFailed, RepositoryDenied and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            return tuple(sorted(file.name for file in (place.path / folder).iterdir()))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise BackupFailed(
                f"{folder} of {place.path} cannot be read: {in_words(error)}"
            ) from None
    prefix = _key(place.prefix, f"{folder}/")
    with named_faults(place.bucket):
        pages = bucket.s3_client(repository).get_paginator("list_objects_v2")
        found = [
            one["Key"].removeprefix(prefix)
            for page in pages.paginate(Bucket=place.bucket, Prefix=prefix)
            for one in page.get("Contents", ())
        ]
    return tuple(sorted(found))


def put(repository: Repository, name: str, content: bytes) -> None:
    """Write a file whole and durably, or not at all.

    name: below the repository, with `/`. Raises BackupFailed, RepositoryDenied and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            _into_folder(place.path / name, content)
        except OSError as error:
            raise BackupFailed(
                f"{name} cannot be written in {place.path}: {in_words(error)}"
            ) from None
        return
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    with named_faults(place.bucket):
        bucket.s3_client(repository).put_object(
            Bucket=place.bucket,
            Key=_key(place.prefix, name),
            Body=content,
            # Whatever locks objects asks for a checksum, and every server understands this one.
            ContentMD5=base64.b64encode(digest).decode(),
        )


def remove(repository: Repository, name: str) -> bool:
    """Remove a file, by the pruning role where there is one; False when the storage refuses.

    One that is gone already is no error. Raises RepositoryUnreachable and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            (place.path / name).unlink(missing_ok=True)
        except OSError:
            return False
        return True
    client = bucket.s3_client(repository.pruner())
    with named_faults(place.bucket):
        refused = code_of(
            lambda: client.delete_object(Bucket=place.bucket, Key=_key(place.prefix, name)), DENIED
        )
    return refused is None


def _key(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _into_folder(file: Path, content: bytes) -> None:
    # As restic names what it has not finished, which it passes over.
    handle, part = mkstemp(prefix=f"{file.name}-tmp-", dir=file.parent)
    made = Path(part)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), _READ_ONLY)
            os.fsync(out.fileno())
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
