"""A newer restic beside the machine's own: no server, but the other end of what we work with.

Debian 13's package is one static program that runs on Debian 12 too. It is fetched by apt from the
mirror that the machine uses, with lists of its own, and checked by the signature of that archive;
nothing is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from throwaway.programs import ROOT, Missing, find
from throwaway.site import Site

FOLDER = ROOT / ".restic-newer"
WANTED = (0, 18)
RELEASE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_NEWER_RESTIC, a program of version 0.18 or later."""
    program = newer_restic()
    site.run([program, "version"])
    return {"SVTEST_NEWER_RESTIC": program}


def newer_restic() -> str:
    """Where it is: the machine's own if that is new enough, else fetched once. Raises Missing."""
    own = find("restic")
    if _version(own) >= WANTED:
        return own
    program = FOLDER / "usr/bin/restic"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    # Two at once wait for each other.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists() or _version(str(program)) < WANTED:
            _fetch()
    return str(program)


def _fetch() -> None:
    """Put the program below FOLDER, whole or not at all."""
    if shutil.which("apt-get") is None:
        raise Missing("restic 0.18 or later is needed beside; put it first in the PATH")
    work = FOLDER / "apt"
    shutil.rmtree(work, ignore_errors=True)
    (work / "lists/partial").mkdir(parents=True)
    (work / "archives/partial").mkdir(parents=True)
    sources = work / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {RELEASE} main\n", encoding="utf-8")
    ours = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work,
        # Its own account could not write here.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"--option={name}={value}" for name, value in ours.items())]
    _call([*apt, "update"], work)
    _call([*apt, "download", "restic"], work)
    package, *others = work.glob("restic_*.deb")
    if others:
        raise Missing(f"apt brought more than one package into {work}")
    _call(["dpkg-deb", "--extract", str(package), str(work / "package")], work)
    (FOLDER / "usr/bin").mkdir(parents=True, exist_ok=True)
    (work / "package/usr/bin/restic").replace(FOLDER / "usr/bin/restic")
    shutil.rmtree(work)


def _mirror() -> str:
    """The address of the archive that the machine's own main packages come from."""
    names = "$(COMPONENT) $(REPO_URI)"
    argv = ["apt-get", "indextargets", "--format", names, "Created-By: Packages"]
    for line in _call(argv, ROOT).splitlines():
        component, _, address = line.partition(" ")
        if component == "main" and re.search(r"/debian/?$", address):
            return address
    raise Missing("apt knows no archive of Debian; put restic 0.18 or later first in the PATH")


def _version(program: str) -> tuple[int, int]:
    said = re.search(r"restic (\d+)\.(\d+)", _call([program, "version"], ROOT))
    if said is None:
        raise Missing(f"{program} does not answer as restic")
    return int(said[1]), int(said[2])


def _call(argv: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode:
        raise Missing(f"{' '.join(argv[:3])} failed:\n{done.stdout[-2000:]}")
    return done.stdout
