"""A folder with all that a file system can hold, and what can be told of it from outside."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from pathlib import Path
from typing import Any

NOT_UTF8 = os.fsdecode(b"l\xfc\xf6ng \xff.bin")
HOLE = 4 << 20


def make(folder: Path) -> Path:
    """Fill the folder; as root, with devices, owners and a bit that changes identities too."""
    for name in ("deep/er", "empty", "sticky"):
        (folder / name).mkdir(parents=True)
    for name, content in {
        "plain.txt": b"plain",
        "empty.txt": b"",
        "deep/er/Bảng lương.txt": "lương".encode(),
        f"deep/{NOT_UTF8}": b"odd",
        "deep/large.bin": os.urandom(3 << 20),
        "one name": b"several names",
    }.items():
        (folder / name).write_bytes(content)
    (folder / "deep/another name").hardlink_to(folder / "one name")
    for name, target in {
        "link": "plain.txt",
        "dangling": "./no//where",
        "to folder": "deep",
    }.items():
        (folder / name).symlink_to(target)
    (folder / "odd link").symlink_to(os.fsdecode(b"l\xfc\xf6ng"))
    with (folder / "sparse.bin").open("wb") as file:
        file.write(b"begin")
        file.seek(HOLE)
        file.write(b"middle")
        file.truncate(2 * HOLE)
    os.mkfifo(folder / "pipe", 0o640)
    with socket.socket(socket.AF_UNIX) as one:
        # Addresses of sockets are short.
        there = os.open(folder, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{there}/socket")
        os.close(there)
    os.setxattr(folder / "plain.txt", "user.note", "ghi chú".encode())
    os.setxattr(folder / "deep", "user.binary", bytes(range(256)))
    for name, mode in {"plain.txt": 0o640, "deep": 0o751, "empty": 0o500, "sticky": 0o1777}.items():
        (folder / name).chmod(mode)
    if os.geteuid() == 0:
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chown(folder / "deep/large.bin", 12345, 54321)
        os.chown(folder / "link", 12345, 54321, follow_symlinks=False)
        (folder / "empty.txt").chmod(0o4755)
    for number, path in enumerate(sorted([*folder.rglob("*"), folder], reverse=True)):
        # Before 1970, too, and to the nanosecond.
        moment = -86_400_000_000_001 + number * 1_234_567_890_123_456
        os.utime(path, ns=(moment, moment), follow_symlinks=False)
    return folder


def told(folder: Path) -> dict[str, dict[str, Any]]:
    """What is in the folder, each by its path below it, but sockets: no backup holds them."""
    found: dict[str, dict[str, Any]] = {}
    inodes: dict[int, list[str]] = {}
    for path in [folder, *folder.rglob("*")]:
        there = path.lstat()
        if stat.S_ISSOCK(there.st_mode):
            continue
        name = str(path.relative_to(folder))
        found[name] = {
            "mode": there.st_mode,
            "owner": (there.st_uid, there.st_gid),
            "modified": there.st_mtime_ns,
            "attributes": {
                one: os.getxattr(path, one, follow_symlinks=False)
                for one in os.listxattr(path, follow_symlinks=False)
            },
        }
        if stat.S_ISREG(there.st_mode):
            found[name]["content"] = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name]["holes"] = there.st_blocks * 512 < there.st_size
            inodes.setdefault(there.st_ino, []).append(name)
        elif stat.S_ISLNK(there.st_mode):
            found[name]["target"] = os.readlink(path)  # noqa: PTH115 - each byte of it
        elif stat.S_ISCHR(there.st_mode):
            found[name]["device"] = there.st_rdev
    for names in inodes.values():
        for name in names:
            found[name]["names"] = sorted(names)
    return found
