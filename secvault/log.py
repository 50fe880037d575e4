"""Structured logs: one JSON object a line, with the known names of secrets removed."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

SECRET_NAMES = (
    "password",
    "secret",
    "token",
    "authorization",
    "cookie",
    "otp",
    "seed",
    "plaintext",
    "ciphertext",
)


def configure_logging(out: TextIO) -> None:
    """Send the logs of this process to `out`; other libraries' only from warnings on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            without_secrets,
            structlog.processors.ExceptionRenderer(_where_only),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(message)s", force=True)
    logging.getLogger("casbin").disabled = True
    # What everybody can cause by a malformed request is no news; what fails in ours is.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.ERROR)
    server.addFilter(_without_message)


def without_secrets(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the value of every key that names a secret; a second net behind `Secret`."""
    for key in event:
        if key != "event" and any(name in key.lower() for name in SECRET_NAMES):
            event[key] = "***"
    return event


def _without_message(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        # A formatter takes this text where there is one.
        record.exc_text = _where_only(record.exc_info)
    return True


def _where_only(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> str:
    """Type and places of an exception, without its message: a driver's may hold values."""
    kind, _, trace = exc_info
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{kind.__name__} at {' < '.join(reversed(places[-12:]))}"
