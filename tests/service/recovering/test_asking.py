"""The recovered service while it runs: nobody loses sight of it."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import Popen

import pytest

from secvault.backup.drills import sweep
from secvault.clock import Clock, system_clock
from secvault.service.recovering import asking
from secvault.service.recovering.place import Place


def test_a_sweep_finds_the_service_of_a_killed_rehearsal_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drill-1"
    place = Place(folder / "machine")
    place.folder.mkdir(parents=True)
    found: list[bool] = []

    def wait(process: Popen[bytes], _port: int, _clock: Clock) -> None:
        found.append(sweep._names(process.pid, bytes(folder)))

    monkeypatch.setattr(asking, "_PROGRAM", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(asking, "_wait", wait)
    with asking.serving(place, 1, system_clock(), {}):
        assert found == [True]
