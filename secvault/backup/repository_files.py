"""Single files of a repository, in its folder or its bucket, without restic.

Only for files that restic itself writes once and never changes; no lock is taken.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENOSYS, ENOTSUP, EPERM
from pathlib import Path
from tempfile import mkstemp

from secvault.backup import bucket
from secvault.backup.bucket import DENIED, code_of, named_faults
from secvault.backup.bucket_access import GONE
from secvault.backup.in_words import in_words
from secvault.backup.repository import LocalFolder, Repository
from secvault.errors import BackupFailed

_NAME = re.compile(r"[0-9a-f]{64}")
_READABLE = 0o440
# As restic itself passes over what disks of other systems, or of other machines, cannot do.
_UNSUPPORTED = frozenset({EPERM, EINVAL, ENOSYS, ENOTSUP})
# Kept in a class that takes hours to read, they would keep restic from opening the repository.
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_KEPT = frozenset({"MethodNotAllowed", "ObjectLocked", "AccessForbidden", "InvalidRequest"})


def is_file_name(name: str) -> bool:
    """Whether a key, index, snapshot or pack has such a name; others are no part of a repository.

    A process that was killed leaves what it had not finished under another name.
    """
    return _NAME.fullmatch(name) is not None


def names(repository: Repository, folder: str) -> tuple[str, ...]:
    """The names of restic's files in a folder of the repository, in order; none where it is absent.

    Raises BackupFailed, RepositoryDenied and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            found = [file.name for file in (place.path / folder).iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise BackupFailed(
                f"{folder} of {place.path} cannot be read: {in_words(error)}"
            ) from None
    else:
        prefix = _key(place.prefix, f"{folder}/")
        with named_faults(place.bucket):
            pages = bucket.s3_client(repository).get_paginator("list_objects_v2")
            found = [
                one["Key"].removeprefix(prefix)
                for page in pages.paginate(Bucket=place.bucket, Prefix=prefix)
                for one in page.get("Contents", ())
            ]
    return tuple(sorted(filter(is_file_name, found)))


def put(repository: Repository, name: str, content: bytes) -> None:
    """Write a file whole and durably. A kill in between may leave a part, which opens nothing.

    name: below the repository, with `/`. Raises BackupFailed, RepositoryDenied and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            _into_folder(place.path, name, content)
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
            **_storage_class(repository),
        )


def remove(repository: Repository, name: str) -> None:
    """Remove a file, by the pruning role where there is one.

    One that is gone already, or that the storage refuses to delete, is no error. Raises
    RepositoryUnreachable and others.
    """
    place = repository.place
    if isinstance(place, LocalFolder):
        try:
            (place.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise BackupFailed(
                f"{name} of {place.path} cannot be removed: {in_words(error)}"
            ) from None
        return
    client = bucket.s3_client(repository.pruner())
    with named_faults(place.bucket):
        code_of(
            lambda: client.delete_object(Bucket=place.bucket, Key=_key(place.prefix, name)),
            DENIED | GONE | _KEPT,
        )


def _key(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _storage_class(repository: Repository) -> dict[str, str]:
    chosen = repository.storage_class
    return {"StorageClass": chosen} if chosen and chosen not in _ARCHIVES else {}


def _into_folder(folder: Path, name: str, content: bytes) -> None:
    file = folder / name
    # Whoever may read the repository may read its keys: restic gives all files one mode.
    mode = (folder / "config").stat().st_mode & _READABLE
    handle, part = mkstemp(prefix=f"{file.name}-tmp-", dir=file.parent)
    made = Path(part)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            with _where_supported():
                os.fchmod(out.fileno(), mode)
            with _where_supported():
                os.fsync(out.fileno())
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
    with _where_supported():
        _sync(file.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _where_supported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
