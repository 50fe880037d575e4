"""The real program `secvault`, run on a vault of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from secvault.cli import run
from secvault.clock import system_clock
from secvault.config import load
from secvault.service import Service, opening

PASSWORD = "forty mangoes on a slow boat"
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
    """`secvault` with an environment of its own; nothing of the caller's SECVAULT_* gets in.

    apart: in a process of its own, as a user starts it. Else its entry is called here, which does
    the same in a fraction of the time.
    """

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False

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
        return replace(self, given={**self.given, **more})

    def in_a_process(self) -> Program:
        """The same, in a process of its own."""
        return replace(self, apart=True)

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        said = self._apart(arguments, stdin) if self.apart else self._here(arguments, stdin)
        assert "Traceback" not in said.err + said.out
        assert "this is a bug" not in said.err, said.err
        return said

    def ok(self, *arguments: str, stdin: str = "") -> Said:
        """Run it and require exit code 0."""
        said = self(*arguments, stdin=stdin)
        assert said.code == 0, (arguments, said)
        return said

    @contextmanager
    def opened(self) -> Iterator[Service]:
        """The vault, opened here and not by the program."""
        given = {name: it for name, it in self.environment.items() if name.startswith("SECVAULT_")}
        with opening.opened(load(None, given), system_clock(), program="test") as service:
            yield service

    def _apart(self, arguments: tuple[str, ...], stdin: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "secvault.cli", *arguments],
            env=self.environment,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            timeout=300,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def _here(self, arguments: tuple[str, ...], stdin: str) -> Said:
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        with (
            patch.dict(os.environ, self.environment, clear=True),
            patch.object(sys, "stdin", given),
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.StringIO()) as err,
        ):
            code = run(arguments)
        return Said(code, out.getvalue(), err.getvalue())
