"""One thing moved from one open folder into another: by a second name, or as a copy of itself.

Across file systems all that makes it what it is goes along: content with its holes, mode, owner,
times and extended attributes; the copy gets its name when it is whole.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from secvault.backup.restores.target import seen_in

_CHUNK = 1 << 20
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}

Heed = Callable[[], None]
"""Called between pieces of a long copy; raises where it is to stop."""


def move_new(source: int, target: int, name: str, beside: str, heed: Heed) -> None:
    """Give what is `name` in the folder `source` that name in `target`, where it must be free.

    beside: a name that is free in `target`, for a copy in the making. Raises FileExistsError,
    OSError.
    """
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _copied(source, target, name, beside, heed)
        try:
            _rename_new(target, beside, name)
        except OSError:
            with suppress(OSError):
                os.unlink(beside, dir_fd=target)
            raise
    os.unlink(name, dir_fd=source)


def move_over(source: int, target: int, name: str, beside: str, heed: Heed) -> None:
    """The same where a file or a link of that name is to be replaced, at once and as a whole."""
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copied(source, target, name, beside, heed)
        os.rename(beside, name, src_dir_fd=target, dst_dir_fd=target)
        os.unlink(name, dir_fd=source)


def dress(source: int, target: int, found: os.stat_result) -> None:
    """Give one open file or folder the extended attributes of another, and the mode, owner and
    times that it had.
    """
    _own(target, found)
    _attributes(source, target)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _rename_new(folder: int, name: str, free: str) -> None:
    try:
        os.link(name, free, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without second names: it was free when we looked.
        if seen_in(folder, free) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), free) from None
        os.rename(name, free, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(name, dir_fd=folder)


def _copied(source: int, target: int, name: str, beside: str, heed: Heed) -> None:
    with suppress(FileNotFoundError):
        # Of a restore that was killed while it copied.
        os.unlink(beside, dir_fd=target)
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    try:
        if stat.S_ISREG(found.st_mode):
            _copy_file(source, target, name, beside, heed)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), beside, dir_fd=target)
            _own_name(target, beside, found)
        else:
            # Its mode is as the umask leaves it: to change it by name would follow a link that
            # somebody puts there at that moment.
            os.mknod(beside, found.st_mode, found.st_rdev, dir_fd=target)
            _own_name(target, beside, found)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside, dir_fd=target)
        raise
    if not stat.S_ISREG(found.st_mode):
        times = (found.st_atime_ns, found.st_mtime_ns)
        os.utime(beside, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_file(source: int, target: int, name: str, beside: str, heed: Heed) -> None:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    reading = os.open(name, os.O_RDONLY | flags, dir_fd=source)
    try:
        made = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        writing = os.open(beside, made | flags, 0o600, dir_fd=target)
        try:
            _copy_content(reading, writing, heed)
            dress(reading, writing, os.fstat(reading))
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_content(reading: int, writing: int, heed: Heed) -> None:
    size, at = os.fstat(reading).st_size, 0
    while at < size:
        try:
            start = os.lseek(reading, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(reading, start, os.SEEK_HOLE)
        at = start
        while at < end:
            heed()
            piece = os.pread(reading, min(_CHUNK, end - at), at)
            if not piece:
                raise OSError(errno.EIO, "the file ended before its size")
            view = memoryview(piece)
            while view:
                written = os.pwrite(writing, view, at)
                view, at = view[written:], at + written
    os.ftruncate(writing, size)


def _own(target: int, found: os.stat_result) -> None:
    # Only root gives files away; whoever else restores owns what is restored, as restic has it.
    with suppress(PermissionError):
        os.fchown(target, found.st_uid, found.st_gid)


def _own_name(folder: int, name: str, found: os.stat_result) -> None:
    with suppress(PermissionError):
        os.chown(name, found.st_uid, found.st_gid, dir_fd=folder, follow_symlinks=False)


def _attributes(source: int, target: int) -> None:
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EPERM):
            return
        raise
    for name in names:
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            # The other file system, or our account, has no attributes of that kind.
            if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES):
                raise
