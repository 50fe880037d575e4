"""What the paths of the encryption API share: their parts, base64, and batches."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Path
from fastapi.responses import Response

from secvault.api.caller import vault_caller
from secvault.api.routing import Routes
from secvault.api.vault import body_of, vault_answer, vault_responses
from secvault.errors import InvalidInput
from secvault.service import Service
from secvault.service.spine import Caller

MAX_BATCH = 10_000

Mount = Annotated[str, Path(pattern=r"^[A-Za-z0-9_./-]{1,512}$", examples=["transit"])]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["payroll"])]
Word = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Body = Annotated[bytes, Depends(body_of)]

T = TypeVar("T")
Done = TypeVar("Done")


def transit_router() -> Routes:
    """A router for some of the paths."""
    return Routes(prefix="/v1", tags=["transit"], responses=vault_responses())


def from_base64(text: str) -> bytes:
    """The bytes. Raises InvalidInput."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("illegal base64 data") from None


def context_from(text: str) -> bytes:
    """The context of a derived key. Raises InvalidInput."""
    try:
        return from_base64(text)
    except InvalidInput:
        raise InvalidInput("failed to base64-decode context") from None


def input_of(text: str | None, missing: str) -> bytes:
    """The bytes of what is to be signed or hashed. Raises InvalidInput."""
    if text is None:
        raise InvalidInput(missing)
    try:
        return from_base64(text)
    except InvalidInput:
        raise InvalidInput("unable to decode input as base64: illegal base64 data") from None


def to_base64(data: bytes) -> str:
    """The text."""
    return base64.b64encode(data).decode()


@dataclass(frozen=True)
class Batch(Generic[T, Done]):
    """How one request with one item or many is run and answered.

    failed_status: of a batch in which an item failed; None for 200 all the same. partial_status:
    instead of it when others succeeded. failed: what stands beside `error` in a failed item.
    """

    parse: Callable[[Any], T]
    run: Callable[[Service, Caller, list[T]], Sequence[Done | InvalidInput]]
    show: Callable[[Done], dict[str, Any]]
    failed_status: int | None = None
    partial_status: int | None = None
    failed: tuple[tuple[str, Any], ...] = ()

    def answer(
        self,
        at: tuple[Service, Caller],
        single: Any,
        items: Sequence[Any] | None,
        warnings: Sequence[str] = (),
    ) -> Response:
        """Run the items that can be read, and answer each with its result or its own error."""
        service, caller = at
        if items is None:
            (result,) = self.run(service, caller, [self.parse(single)])
            if isinstance(result, InvalidInput):
                raise InvalidInput(result.detail)
            return vault_answer(caller, self.show(result), warnings=warnings)
        if not items:
            raise InvalidInput("missing batch input to process")
        if len(items) > MAX_BATCH:
            raise InvalidInput(f"a batch holds {MAX_BATCH} items at most; send several")
        parsed = [self._parsed(item) for item in items]
        good = [item for item in parsed if not isinstance(item, InvalidInput)]
        results = iter(self.run(service, caller, good))
        shown = []
        faults = 0
        for item, given in zip(parsed, items, strict=True):
            result = item if isinstance(item, InvalidInput) else next(results)
            if isinstance(result, InvalidInput):
                faults += 1
                described = {**dict(self.failed), "error": result.detail}
            else:
                described = self.show(result)
            shown.append({**described, "reference": given.reference})
        status = self._status(faults, len(items))
        return vault_answer(caller, {"batch_results": shown}, status, warnings)

    def _parsed(self, item: Any) -> T | InvalidInput:
        try:
            return self.parse(item)
        except InvalidInput as error:
            return error

    def _status(self, faults: int, count: int) -> int:
        if not faults or self.failed_status is None:
            return 200
        if faults < count and self.partial_status is not None:
            return self.partial_status
        return self.failed_status
