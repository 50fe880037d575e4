"""The real program `secvault`, run in a process of its own on a vault of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSWORD = "correct horse battery staple"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CHEAP = {"SECVAULT_IDENTITY__ARGON2_MEMORY_MIB": "19", "SECVAULT_IDENTITY__ARGON2_PASSES": "2"}


@dataclass(frozen=True)
class Said:
    """How a run of the program ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which must be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Program:
    """`secvault` with an environment of its own; nothing of the caller's SECVAULT_* gets in."""

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What the program is started with."""
        passed = {name: it for name, it in os.environ.items() if not name.startswith("SECVAULT_")}
        return {**passed, "SECVAULT_DATA": str(self.data), "NO_COLOR": "1", **CHEAP, **self.given}

    def with_(self, **more: str) -> Program:
        """The same with further variables."""
        return Program(self.folder, {**self.given, **more})

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, "-m", "secvault.cli"]

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            timeout=100,
        )
        said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in said.err + said.out
        assert "this is a bug" not in said.err, said.err
        return said

    def ok(self, *arguments: str, stdin: str = "") -> Said:
        """Run it and require exit code 0."""
        said = self(*arguments, stdin=stdin)
        assert said.code == 0, (arguments, said)
        return said
