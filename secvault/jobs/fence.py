"""What keeps DBOS in: no pickle is read, rows are canonical JSON, logs hold no exception's text."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.errors import Damaged, SecvaultError
from secvault.jobs.workflow import Log, StepFailed

if TYPE_CHECKING:
    from dbos import Serializer


def canonical_json_serializer() -> Serializer:
    """The serializer of all rows: `{"value": ...}` or `{"error": [code, detail]}`.

    Errors that are not ours are written by their type only: their text may hold anything.
    """
    from dbos import Serializer  # noqa: PLC0415 - fence 6

    class CanonicalJson(Serializer):
        def name(self) -> str:
            return "secvault-json"

        def serialize(self, data: Any) -> str:
            if isinstance(data, BaseException):
                return canonical_json({"error": list(_failure(data))}).decode()
            # Results hold no tuples (see `Durable`); a dict with one is a workflow's arguments.
            if isinstance(data, dict) and isinstance(data.get("args"), tuple):
                data = {**data, "args": list(data["args"])}
            return canonical_json({"value": data}).decode()

        def deserialize(self, serialized_data: str) -> Any:
            match parse_canonical(serialized_data.encode(), "The stored job"):
                case {"value": value}:
                    return value
                case {"error": [str(code), str(detail)]}:
                    return StepFailed(detail, code)
            raise Damaged("the stored job is not what was written")

    return CanonicalJson()


def _failure(error: BaseException) -> tuple[str, str]:
    """The code and the sentence of an error, without the text of those that are not ours."""
    errors = getattr(error, "errors", None)
    if isinstance(errors, list) and errors:
        # DBOS's "retries exceeded" holds each attempt's error; the last one says why.
        return _failure(errors[-1])
    if isinstance(error, StepFailed):
        return error.failure, error.detail
    if isinstance(error, SecvaultError):
        return error.code, error.detail
    return "defect", f"an unexpected {type(error).__name__}; the log says where"


def refuse_pickle() -> None:
    """Make DBOS's default serializer read nothing.

    The serializer that we pass in is not enough: each row names the one that wrote it, and for
    `py_pickle` DBOS would unpickle, that is run, whatever somebody wrote into its database.
    """
    from dbos._serialization import DefaultSerializer  # noqa: PLC0415 - fence 6

    def refuse(_serializer: object, _data: str) -> object:
        raise Damaged("a row of the jobs database is pickled; it was not written by secvault")

    DefaultSerializer.deserialize = refuse  # type: ignore[method-assign,assignment]


def redirect_log(log: Log) -> None:
    """Send DBOS's warnings and errors to our log, without the text of exceptions."""
    logger = logging.getLogger("dbos")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = False
    logger.addHandler(_Forward(log))


class _Forward(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log(
            "jobs.engine",
            level=record.levelname.lower(),
            message=record.getMessage()[:300],
            error=type(error).__name__ if error else None,
            where=where(error),
        )


def where(error: BaseException | None) -> str | None:
    trace = error.__traceback__ if error else None
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
