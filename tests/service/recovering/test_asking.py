"""The recovered service is started to be asked, and does not outlive whoever asks."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

# In the place of the service: it never becomes ready, and leaves its number.
_ASKER = """
import os, sys
from pathlib import Path
from secvault.clock import system_clock
from secvault.service.recovering import asking
from secvault.service.recovering.place import Place

folder = Path(sys.argv[1])
note = "open(sys.argv[2] + '.pid', 'w').write(str(os.getpid()))"
served = f"import os, sys, time; {note}; time.sleep(600)"
asking._PROGRAM = (sys.executable, "-c", served)
with asking.serving(Place(folder), asking.free_port(), system_clock(), os.environ):
    pass
"""


def _command_of(process: int) -> bytes:
    """Empty where there is none."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _eventually(file: Path) -> int:
    for _ in range(600):
        if file.exists() and (text := file.read_text()):
            return int(text)
        time.sleep(0.1)
    raise AssertionError("it was not started")


def test_the_service_is_found_by_its_folder_and_ends_with_whoever_started_it(
    tmp_path: Path,
) -> None:
    asker = subprocess.Popen([sys.executable, "-c", _ASKER, str(tmp_path)])
    try:
        service = _eventually(tmp_path / "secvault.toml.pid")
        assert str(tmp_path).encode() + b"/" in _command_of(service)
    finally:
        asker.kill()
        asker.wait()
    for _ in range(100):
        if not _command_of(service):
            return
        time.sleep(0.1)
    raise AssertionError("it goes on by itself")
