"""The one place that turns what happened into an exit code and a sentence on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from secvault.cli.plain import one_line
from secvault.errors import Refused, SecvaultError


@dataclass(frozen=True)
class ExitCode:
    """An exit code and what it means."""

    number: int
    name: str
    meaning: str


DONE, FAILED, USAGE, REFUSED, UNREACHABLE, DAMAGE = EXIT_CODES = (
    ExitCode(0, "done", "The command did what it was asked to do."),
    ExitCode(1, "failed", "The operation failed; the line on stderr says why."),
    ExitCode(2, "wrong usage", "The command, its input or the configuration is not valid."),
    ExitCode(3, "refused", "Not allowed, or not authenticated."),
    ExitCode(4, "sealed or not reachable", "The vault is sealed, missing, or cannot be reached."),
    ExitCode(5, "damage found", "A verification found damage, or a restore drill did not pass."),
)


def run_to_exit_code(program: Callable[[], object]) -> int:
    """Run the program and return its exit code, having said on stderr what went wrong."""
    before, threading.excepthook = threading.excepthook, _in_thread
    try:
        program()
    except SystemExit as end:
        return _code_of(end)
    except SecvaultError as error:
        print(f"secvault: {sentence(error)}", file=sys.stderr)  # noqa: T201
        if isinstance(error, Refused) and error.decision_id:
            hint = f"why: secvault access explain --decision {error.decision_id}"
            print(f"secvault: {hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - nothing may reach the person as a traceback
        print(f"secvault: {place_of(error)}", file=sys.stderr)  # noqa: T201
        return FAILED.number
    finally:
        threading.excepthook = before
    return DONE.number


def sentence(error: SecvaultError) -> str:
    """What the person reads: what happened, where, and the mend."""
    return f"{error.title}: {one_line(error.detail)}"


def place_of(error: BaseException) -> str:
    """Type and place of an error that nobody expected, without its text: that may hold values."""
    return (
        f"{type(error).__name__} at {_innermost(error.__traceback__)}: this is a bug in secvault; "
        "please report this line"
    )


def _in_thread(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None and not isinstance(end.exc_value, SystemExit):
        print(f"secvault: {place_of(end.exc_value)}", file=sys.stderr)  # noqa: T201


def _innermost(trace: TracebackType | None) -> str:
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/secvault/" in code.co_filename:
            name = code.co_filename.rpartition("/secvault/")[2]
            places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-1] if places else "an unknown place"


def _code_of(end: SystemExit) -> int:
    if end.code is None:
        return DONE.number
    return end.code if isinstance(end.code, int) else FAILED.number
