"""What is told of work that was asked of the worker and that nobody has begun."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.cli import show

LONG_WAIT = 10
"""Looks at work that nobody has begun, before the person is told what it waits for."""


@dataclass
class Waiting:
    """Tells once what the work waits for, when it has waited for long."""

    looks: int = 0

    def look(self, work: str, *, begun: bool) -> None:
        """Take note of one look. work: its id. begun: whether somebody works on it, or has."""
        self.looks += 1
        if not begun and self.looks == LONG_WAIT:
            show.talk(
                f"{work} waits for the worker, which runs with the service (secvault serve); "
                "Ctrl-C looks away"
            )
