"""Says what a long run is at: which test failed, at once, and which have been running for long.

Without it nobody knows of a run that was cut off which test it hung in.
"""

from __future__ import annotations

import threading
import time

import pytest

TELL_SECONDS = 300.0
"""A test that runs for longer is named, again and again after as long."""


class Telling:
    """Tells of the tests of this run, in the process that prints."""

    def __init__(self, out: pytest.TerminalReporter) -> None:
        self._out = out
        self._running: dict[str, float] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._tell, daemon=True)
        self._watch.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended."""
        if report.failed:
            self._out.write_line(f"\nFAILED {report.nodeid} ({report.when})")
            self._out.write_line(report.longreprtext[-4_000:])
        if report.when == "teardown":
            self._running.pop(report.nodeid, None)

    def pytest_sessionfinish(self) -> None:
        """All tests have ended."""
        self._ended.set()

    def _tell(self) -> None:
        while not self._ended.wait(TELL_SECONDS):
            now = time.monotonic()
            for nodeid, began in list(self._running.items()):
                if now - began > TELL_SECONDS:
                    self._out.write_line(f"\nfor {now - began:.0f} s now: {nodeid}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tell where the run is told of, which is not in xdist's workers."""
    manager = session.config.pluginmanager
    if not hasattr(session.config, "workerinput"):
        manager.register(Telling(manager.get_plugin("terminalreporter")))
