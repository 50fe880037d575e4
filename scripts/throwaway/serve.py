"""Putting servers up together in one folder, and taking them away."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from throwaway import (
    ceph,
    golang,
    libreoffice,
    mariadb,
    openbao,
    postgresql,
    restic,
    rsyslog,
    softhsm,
)
from throwaway.site import (
    REGISTER,
    Cancelled,
    NotStarted,
    Site,
    end_all,
    free_ports,
    new_folder,
)

SERVICES: Mapping[str, Callable[[Site], dict[str, str]]] = {
    "postgresql": postgresql.start,
    "mariadb": mariadb.start,
    "s3": ceph.start,
    "openbao": openbao.start,
    "softhsm": softhsm.start,
    "go": golang.start,
    "libreoffice": libreoffice.start,
    "rsyslog": rsyslog.start,
    "restic": restic.start,
}

# Says that `start` owns the folder; without it nothing in a folder is ended or removed.
MARK = ".throwaway-servers"
TRIES = 3


class NotServing(Exception):
    """No servers were started in this folder."""


@dataclass(frozen=True)
class Started:
    """What is up: the environment variables that say where, and the seconds that each took."""

    variables: dict[str, str]
    seconds: dict[str, float]


def start(
    folder: Path,
    names: Sequence[str],
    cancelled: threading.Event,
    pick_ports: Callable[[int], list[int]] = free_ports,
) -> Started:
    """Start these servers below `folder` (it is empty, or not there yet), all at the same time.

    They run until `stop(folder)`. When one does not come up, none is left. Setting `cancelled`,
    from a signal handler for instance, makes it give up soon.
    Raises NotStarted with every server's reason.
    """
    if not folder.exists():
        new_folder(folder)
    (folder / MARK).touch(mode=0o600, exist_ok=False)
    try:
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            tasks = [pool.submit(_start_one, folder, name, cancelled, pick_ports) for name in names]
        _raise_failures([error for task in tasks if (error := task.exception())])
    except BaseException:
        stop(folder)
        raise
    results = [task.result() for task in tasks]
    return Started(
        {name: value for variables, _ in results for name, value in variables.items()},
        dict(zip(names, (seconds for _, seconds in results), strict=True)),
    )


def stop(folder: Path) -> None:
    """End what `start` started below `folder`, and remove it with all data; keep all other files.

    Raises NotServing, and touches nothing, when it was not `start` that made what is there.
    """
    mark = folder / MARK
    if not mark.is_file() or mark.stat().st_uid != os.geteuid():
        raise NotServing(f"no servers were started in {folder}")
    # By their exact names: what else begins with a server's name is somebody's own.
    possible = [folder / _site_name(name, n) for name in SERVICES for n in range(1, TRIES + 1)]
    sites = [site for site in possible if (site / REGISTER).is_file()]
    end_all(sites)
    for site in sites:
        shutil.rmtree(site)
    mark.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _site_name(service: str, number: int) -> str:
    return f"{service}-{number}"


def _start_one(
    folder: Path,
    name: str,
    cancelled: threading.Event,
    pick_ports: Callable[[int], list[int]],
) -> tuple[dict[str, str], float]:
    began = time.monotonic()
    for number in range(1, TRIES + 1):
        site = Site(folder / _site_name(name, number), cancelled, pick_ports)
        try:
            return SERVICES[name](site), time.monotonic() - began
        except NotStarted as error:
            site.end()
            # Another program took a port between our look and the server's: try others.
            if isinstance(error, Cancelled) or number == TRIES or not site.lost_a_port():
                raise NotStarted(f"{name}: {error}") from error
    raise AssertionError("the last try returns or raises")


def _raise_failures(failures: Sequence[BaseException]) -> None:
    """One error for all; what is no failure to start is a fault in here and is shown as it is."""
    for failure in failures:
        if not isinstance(failure, NotStarted):
            raise failure
    if failures:
        raise NotStarted("\n".join(str(failure) for failure in failures))
