"""From restic's exit status and its words on stderr to the error that says what happened.

0.17 and later have exit statuses of their own (10 missing, 11 locked, 12 wrong password); before,
everything is 1 and only the words tell. Both are read the same way: by the words, which both have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from secvault.backup.repository_faults import (
    LockHolder,
    ParentMissing,
    RepositoryDamaged,
    RepositoryDenied,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryUnreachable,
    StorageFull,
    WrongRepositoryPassword,
)
from secvault.backup.restic_messages import go_duration
from secvault.errors import BackupFailed, SecvaultError

DONE = 0
PARTLY_READ = 3
_MISSING, _LOCKED, _WRONG_PASSWORD = 10, 11, 12

# The bytes came, and are wrong.
_CHANGED = re.compile(
    r"ciphertext verification failed|nonce is invalid|invalid data returned|Pack ID does not match"
    r"|unexpected pack id|hash mismatch|invalid hash|is damaged: |unexpected file size"
    r"|pack [0-9a-f]{8,64}: does not exist|not found in (?:the )?(?:index|repository)"
    r"|Unexpected contents in|Invalid file size for|damaged pack|file is too short"
    r"|Load\(<data/.*(?:no such file|key does not exist)",
    re.IGNORECASE,
)
# Something was wrong; a storage that failed meanwhile explains it as well.
_FAULTY = re.compile(
    r"repository contains errors|LoadIndex returned errors|error loading index|contains \d+ errors"
    r"|could not load snapshot|failed to load snapshot|unexpected EOF|: EOF$|illegal base64"
    r"|Unmarshal: invalid character|repository is damaged",
    re.IGNORECASE | re.MULTILINE,
)
_NETWORK = re.compile(
    r"dial tcp|connection refused|connection reset|no such host|network is unreachable|timeout"
    r"|deadline exceeded|TLS handshake|certificate|no route to host|Service ?Unavailable|SlowDown"
    r"|reduce your request rate|\b50[0234]\b|InternalError|broken pipe",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|Access Key Id|signature we calculated"
    r"|ExpiredToken|token .* expired|AllAccessDisabled",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_ABSENT = re.compile(
    r"no such file or directory|key does not exist|bucket does not exist|NoSuchKey|NoSuchBucket"
    r"|repository does not exist|not a directory",
    re.IGNORECASE,
)
# It was listed, and is gone: somebody replaces the repository's key at this moment.
_KEY_GONE = re.compile(
    r"(?:keys/|<key/)[0-9a-f]{10,64}.*(?:no such file|key does not exist|NoSuchKey)", re.IGNORECASE
)
# Only a backup names one by all of its id: the one that it follows.
_NO_PARENT = re.compile(
    r"^Fatal: invalid id \"[0-9a-f]{64}\": no matching ID"
    r"|failed to load snapshot [0-9a-f]{8,64}: .*(?:no such file|key does not exist|not found)",
    re.IGNORECASE | re.MULTILINE,
)
_LOCK = re.compile(
    r"locked (?P<how>exclusively )?by PID (?P<pid>\d+) on (?P<host>\S+) by (?P<user>\S+)"
)
_AGE = re.compile(r"lock was created at .*\((?P<age>[0-9hmsµ.]+) ago\)")
_REFUSED = re.compile(
    r"(?:Remove\(<(?P<kind>\w+)/(?P<name>[0-9a-f]+)>\)|unable to remove (?P<kind2>\w+)/"
    r"(?P<name2>[0-9a-f]+) from)"
)
_NAMED = (
    re.compile(r"\b(?P<kind>pack|snapshot|index|key) (?P<name>[0-9a-f]{8,64})\b"),
    re.compile(r"(?<!blob )<(?P<kind>data|snapshot|index|key)/(?P<name>[0-9a-f]{8,64})>"),
    re.compile(r"Pack ID does not match, want (?P<name>[0-9a-f]{64})"),
    re.compile(r"> from (?P<name>[0-9a-f]{8,64}) failed"),
)
_AS_PACK = {"data": "pack"}


def failure(
    status: int, complaints: Sequence[str], work: str, location: str, now: datetime
) -> SecvaultError:
    """The error for a run of restic that ended with this status and these words.

    work: what was tried, for the sentence, for instance "the backup". now: for a lock's age.
    """
    everything = "\n".join(complaints)
    opening = _opening_failure(status, everything, location, now)
    if opening is not None:
        return opening
    if _KEY_GONE.search(everything):
        return RepositoryUnreachable(
            f"a key of {location} was taken away while restic opened it; try again"
        )
    if _NO_PARENT.search(everything):
        return ParentMissing(f"{work} did not begin: the snapshot before it is not in {location}")
    if _CHANGED.search(everything):
        return damage(complaints, work, location)
    return (
        _storage_failure(complaints, everything, work, location)
        or (damage(complaints, work, location) if _FAULTY.search(everything) else None)
        or _unexplained(status, complaints, work)
    )


def damage(complaints: Sequence[str], work: str, location: str) -> RepositoryDamaged:
    """The error for damage that these words tell of."""
    files = damaged_files(complaints)
    # The errors of single files name no pack; the first lines still say which file they broke.
    named = ", ".join(files[:3]) or _gist([line for line in complaints if _is_damage(line)])
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return RepositoryDamaged(
        f"{work} found damage in {location}: {named}{more}; keep the repository as it is, restore "
        "what is needed from another copy, then repair it with `restic repair`",
        files=files,
        troubles=complaints,
    )


def tells_of_damage(complaints: Iterable[str]) -> bool:
    """Whether any of the words mean that stored bytes are not what was written."""
    return any(_is_damage(line) for line in complaints)


def damaged_files(complaints: Iterable[str]) -> tuple[str, ...]:
    """The damaged files that the words name, in their order, for instance `pack 31a65dcb...`.

    Where restic prints a file's id in full and cut short, the full one is given.
    """
    found: dict[str, None] = {}
    for line in complaints:
        if "config or key" in line and "is damaged" in line:
            found["config"] = None
            continue
        for pattern in _NAMED:
            for match in pattern.finditer(line):
                kind = match.groupdict().get("kind") or "pack"
                found[f"{_AS_PACK.get(kind, kind)} {match['name']}"] = None
    return tuple(name for name in found if not any(o != name and o.startswith(name) for o in found))


def refused_removals(complaints: Iterable[str]) -> tuple[str, ...]:
    """The files that the storage refused to delete, for instance `snapshot 8b9884230b`."""
    found: dict[str, None] = {}
    for line in complaints:
        match = _REFUSED.search(line)
        if match is not None and (_DENIED.search(line) or match["kind2"]):
            kind = match["kind"] or match["kind2"]
            name = match["name"] or match["name2"]
            found[f"{_AS_PACK.get(kind, kind)} {name[:10]}"] = None
    return tuple(found)


def _is_damage(line: str) -> bool:
    return bool(_CHANGED.search(line) or _FAULTY.search(line))


def _opening_failure(
    status: int, everything: str, location: str, now: datetime
) -> SecvaultError | None:
    if status == _WRONG_PASSWORD or "wrong password or no key found" in everything:
        return WrongRepositoryPassword(
            f"the password does not open {location}; use the one that it was made with "
            "(a damaged key file looks the same)"
        )
    if status == _LOCKED or "repository is already locked" in everything:
        return _locked(everything, location, now)
    if status == _MISSING or (
        "unable to open config file" in everything and _ABSENT.search(everything)
    ):
        return RepositoryMissing(
            f"there is no repository at {location}; a backup makes it, but where there was one, "
            "look first whether its disk is mounted and its bucket there"
        )
    if "unable to open config file" in everything or "unable to open repository at" in everything:
        if _DENIED.search(everything):
            return _denied(location, everything.splitlines())
        if _NETWORK.search(everything):
            return _unreachable(location, everything.splitlines())
    return None


def _storage_failure(
    complaints: Sequence[str], everything: str, work: str, location: str
) -> SecvaultError | None:
    full = [line for line in complaints if _FULL.search(line)]
    if full:
        # restic's own words name the place: the repository, or the scratch folder.
        return StorageFull(
            f"{work} stopped: no space is left ({_gist(full)}); make room there and run it again"
        )
    if _DENIED.search(everything):
        return _denied(location, complaints)
    if _NETWORK.search(everything):
        return _unreachable(location, complaints)
    return None


def _unexplained(status: int, complaints: Sequence[str], work: str) -> SecvaultError:
    if status < 0:
        return BackupFailed(f"{work} stopped: restic was ended by signal {-status}; run it again")
    return BackupFailed(f"{work} did not complete: {_gist(complaints) or f'exit status {status}'}")


def _locked(everything: str, location: str, now: datetime) -> RepositoryLocked:
    lock, age = _LOCK.search(everything), _AGE.search(everything)
    if lock is None:
        return RepositoryLocked(f"{location} is locked; wait and try again", holder=None)
    since = now - timedelta(seconds=go_duration(age["age"])) if age is not None else None
    holder = LockHolder(
        host=lock["host"],
        user=lock["user"],
        pid=int(lock["pid"]),
        exclusive=lock["how"] is not None,
        since=since,
    )
    when = f" since {since:%Y-%m-%d %H:%M:%S %Z}" if since is not None else ""
    return RepositoryLocked(
        f"{location} is in use{when} by process {holder.pid} of {holder.user} on {holder.host}; "
        "wait for it; the next run removes the lock of a process that died, on another machine "
        "half an hour after its last sign of life",
        holder=holder,
    )


def _denied(location: str, complaints: Sequence[str]) -> RepositoryDenied:
    said = _gist([line for line in complaints if _DENIED.search(line)])
    return RepositoryDenied(
        f"the server refuses the credentials for {location} ({said}); check the access key, its "
        "secret, and that they may list, read and write there"
    )


def _unreachable(location: str, complaints: Sequence[str]) -> RepositoryUnreachable:
    said = _gist([line for line in complaints if _NETWORK.search(line)])
    return RepositoryUnreachable(
        f"{location} cannot be reached ({said}); check the address and the network, then try again"
    )


def _gist(complaints: Sequence[str]) -> str:
    """The most telling line: the one that restic itself calls fatal, else the last one."""
    fatal = [line for line in complaints if line.startswith("Fatal: ")]
    chosen = (fatal or list(complaints) or [""])[-1 if not fatal else 0]
    return chosen.removeprefix("Fatal: ")[:300]
