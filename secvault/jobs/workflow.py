"""What a kind of job does: named steps, in order, each safe to do twice.

Free of the engine that makes them durable (`secvault.jobs.durable`), so that the parts of the
house that provide steps need not know it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from secvault.crypto.canonical import JsonValue
from secvault.errors import SecvaultError, Unavailable


class Log(Protocol):
    """Where events go, for instance the `info` of a structlog logger. Never given a secret."""

    def __call__(self, event: str, **fields: str | int | None) -> object:
        """Write one event."""


@dataclass(frozen=True)
class JobContext:
    """What a step knows about its job. Ids only.

    cancel: set when the worker must stop soon. A step that takes longer than some seconds looks
    at it, leaves things so that it can be done again, and raises Cancelled. last_attempt: whether
    the step is not tried again by itself, should it fail now.
    """

    job: str
    kind: str
    plan: str
    requested_by: str
    cancel: threading.Event
    last_attempt: bool = True


@dataclass(frozen=True)
class Step:
    """One step of a workflow.

    act: gets the results of the steps before it by their names, and returns what later steps
    need: canonical JSON, never a secret or a record's value, for it is written down. It may run
    again after a kill, and once at the same moment as a node that was thought dead, so doing it
    twice must come to the same. It is not done again once its result is written down.
    retries: how often it is tried again after one of `retry_on`, first after `wait` seconds, then
    after twice as long each time.
    """

    name: str
    act: Callable[[JobContext, Mapping[str, JsonValue]], JsonValue]
    retries: int = 0
    wait: float = 5.0
    retry_on: tuple[type[Exception], ...] = (Unavailable,)


@dataclass(frozen=True)
class Workflow:
    """The steps of all jobs of one kind."""

    kind: str
    steps: tuple[Step, ...]


class StepFailed(SecvaultError):
    """A step failed for good; `code` names the error and `detail` is its sentence."""

    title = "A step of the job failed"

    def __init__(self, detail: str, code: str) -> None:
        super().__init__(detail)
        self.failure = code
