"""What the tests of sources share: turns, a connection that breaks, programs that go wrong."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import SplitResult

from secvault.backup.restic_process import Cancel, NeverCancelled
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.clock import system_clock
from secvault.config.backup_sources import PostgresqlSource
from secvault.crypto.secret import Secret

HOSTILE = "Lương \"tháng\" 'mười'; DROP `x` \\ $HOME %s../.."
"""A name that means something to shells, SQL, paths, formats and option files."""


def turn(
    folder: Path,
    password: str = "",
    cancel: Cancel | None = None,
    environment: Mapping[str, str] | None = None,
) -> Turn:
    """A turn with an empty folder and scratch of its own below `folder`."""
    own = folder / f"turn-{secrets.token_hex(4)}"
    for name in ("copy", "scratch"):
        (own / name).mkdir(parents=True, mode=0o700)
    return Turn(
        plan="nightly",
        name="erp",
        folder=own / "copy",
        scratch=own / "scratch",
        clock=system_clock(),
        cancel=cancel or NeverCancelled(),
        environment=environment or os.environ,
        password=Secret.of(password) if password else None,
    )


def entry(kind: str, staged: Staged) -> SourceEntry:
    """What the manifest would say."""
    return SourceEntry("erp", kind, tuple(map(str, staged.paths)), facts=dict(staged.facts))


def files(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def program(folder: Path, name: str, script: str) -> Path:
    """A shell program in `folder`, which is returned."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return folder


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own of that size, in the place of `folder`."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "secvault-test", str(folder)],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def cut_after(host: str, port: int, received: int) -> Iterator[int]:
    """A port that leads to a server, whose connections break when it has sent so many bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(
            target=_accept, args=(listening, host, port, received), daemon=True
        ).start()
        yield listening.getsockname()[1]


def _accept(listening: socket.socket, host: str, port: int, received: int) -> None:
    with suppress(OSError):
        while True:
            ours, _ = listening.accept()
            theirs = socket.create_connection((host, port))
            threading.Thread(target=_pump, args=(ours, theirs, None), daemon=True).start()
            threading.Thread(target=_pump, args=(theirs, ours, received), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, most: int | None) -> None:
    passed = 0
    with suppress(OSError):
        while chunk := source.recv(1 << 14):
            target.sendall(chunk)
            passed += len(chunk)
            if most is not None and passed >= most:
                break
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def postgresql_source(server: SplitResult, *databases: str, **more: object) -> PostgresqlSource:
    """Databases of the server; without its roles, unless `more` says so."""
    return PostgresqlSource.model_validate(
        {
            "host": server.hostname,
            "port": server.port,
            "user": server.username,
            "databases": databases,
            "with_globals": False,
            **more,
        }
    )
