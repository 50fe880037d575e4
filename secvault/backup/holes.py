"""Holes in restored files: given back where restic filled them with zeros (before 0.15)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from secvault.backup.file_entry import FileEntry
from secvault.errors import ConfigurationError

_UNSUPPORTED = "not supported"


def dig(listed: Iterable[FileEntry], restored: Path, environment: Mapping[str, str]) -> int:
    """Give restored files the holes that they had; in how many. Their content and times stay.

    What did not come back is passed over. A file system without holes is no error. Raises
    ConfigurationError where util-linux's fallocate is missing, OSError.
    """
    dug = 0
    for entry in listed:
        if entry.allocated is None:
            continue
        file = entry.below(restored)
        if not file.parent.resolve().is_relative_to(restored.resolve()):
            # Through a restored link lie other files of this machine.
            continue
        try:
            found = file.lstat()
        except OSError:
            continue
        if found.st_blocks * 512 < found.st_size:
            continue
        program = shutil.which("fallocate", path=environment.get("PATH", os.defpath))
        if program is None:
            raise ConfigurationError("there is no program fallocate; install util-linux")
        done = subprocess.run(
            [program, "--dig-holes", "--", file],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"LC_ALL": "C"},
            check=False,
        )
        if done.returncode and _UNSUPPORTED in done.stderr:
            return dug
        if done.returncode:
            raise OSError(None, done.stderr.strip(), str(file))
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
        dug += 1
    return dug
