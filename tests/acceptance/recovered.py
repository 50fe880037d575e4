"""A company with a backup and a recovery kit, and what comes back of it on another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secvault.crypto.secret import Secret
from secvault.service import authentication, recovery_kits
from secvault.service.spine import Caller
from tests.acceptance.installation import CHEAP, PLAN, Installation, new_installation

PROGRAM = (sys.executable, "-m", "secvault.cli")
SHARES, THRESHOLD = 5, 3


@dataclass(frozen=True)
class Company:
    """What is left when the machine is lost: the kit's file, the shares, the storage.

    credentials: variables by which the storage is reached.
    """

    installation: Installation
    kit: bytes
    shares: tuple[Secret, ...]
    credentials: Mapping[str, str] = field(default_factory=dict)

    def back_up(self, plan: str = PLAN) -> str:
        """Save everything; the id of the snapshot."""
        return str(self.installation.json("backup", "run", plan, **self.credentials)["snapshot"])


@dataclass(frozen=True)
class Machine:
    """Another machine: a folder with a kit and shares in it, and nothing else of secvault."""

    folder: Path
    credentials: Mapping[str, str]

    @property
    def recovered(self) -> Path:
        """Where everything comes back to."""
        return self.folder / "recovered"

    @property
    def environment(self) -> dict[str, str]:
        """What a bare machine has, and the credentials of the storage."""
        passed = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
        bare = {name: os.environ[name] for name in passed if name in os.environ}
        return {**bare, **self.credentials, "NO_COLOR": "1"}

    def run(
        self, *arguments: str, stdin: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the program here, as somebody at this machine does."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env={**self.environment, **more},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "bug in secvault" not in done.stderr, done.stderr
        return done

    def rehearse(self, *more: str, **variables: str) -> dict[str, Any]:
        """Rehearse with what lies here; what it says as JSON. It must have passed."""
        done = self.rehearsed(*more, **variables)
        assert done.returncode == 0, (done.stderr, done.stdout)
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def rehearsed(self, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The same, however it ends."""
        given = ("--kit", "kit.json", "--share-file", "shares.txt", "--json")
        return self.run("recovery", "rehearse", *given, *more, **variables)

    def installation(self) -> Installation:
        """What came back, as an installation to be used."""
        settings = tomllib.loads((self.recovered / "secvault.toml").read_text())
        return Brought(self.recovered, int(settings["server"]["port"]), CHEAP)


@dataclass(frozen=True)
class Brought(Installation):
    """An installation that lies as a recovery lays it."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"



def company(
    folder: Path,
    more: str = "",
    credentials: Mapping[str, str] | None = None,
    **given: str,
) -> Company:
    """A company that has issued its kit, and saved nothing yet but what made the repository."""
    installation = new_installation(folder, more, **given)
    found = dict(credentials or {})
    installation.ok("backup", "run", PLAN, **found)
    with installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        issued = recovery_kits.issue_kit(service, operator)
    return Company(installation, issued.kit, issued.words, found)


def machine(folder: Path, lost: Company, shares: Sequence[Secret] | None = None) -> Machine:
    """Another machine with the kit, and k shares unless others are given."""
    folder.mkdir(parents=True)
    (folder / "kit.json").write_bytes(lost.kit)
    given = lost.shares[1 : 1 + THRESHOLD] if shares is None else shares
    (folder / "shares.txt").write_text("\n".join(share.text() for share in given) + "\n")
    return Machine(folder, lost.credentials)
