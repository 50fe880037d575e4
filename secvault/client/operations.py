"""The methods of both clients, each written once.

A function that makes a `Call` becomes a method that sends it: on `Client` it returns the result, on
`AsyncClient` an awaitable of it. Parameters, defaults and results keep their types; a type checker
knows each method by the class that it is called on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from secvault.client import batches, keys, records, transit
from secvault.client.call import Call

P = ParamSpec("P")
T = TypeVar("T")


class Asks(Protocol):
    """Sends a call and waits."""

    def ask(self, call: Call[T]) -> T:
        """The result."""
        ...


class AsksAsync(Protocol):
    """Sends a call; its result is awaited."""

    async def ask(self, call: Call[T]) -> T:
        """The result."""
        ...


class Operation(Generic[P, T]):
    """A method made of the function that builds its call."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__
        signature = inspect.signature(build)
        result = str(signature.return_annotation).removeprefix("Call[").removesuffix("]")
        self._signature = signature.replace(return_annotation=result)

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...

    @overload
    def __get__(self, client: Asks, owner: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, client: AsksAsync, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        build = self._build

        @functools.wraps(build)
        def send(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.ask(build(*args, **kwargs))

        send.__signature__ = self._signature  # type: ignore[attr-defined]
        return send


class Operations:
    """What can be asked of the service; documented at the functions."""

    encrypt = Operation(transit.encrypt)
    decrypt = Operation(transit.decrypt)
    decrypt_text = Operation(transit.decrypt_text)
    rewrap = Operation(transit.rewrap)
    hmac = Operation(transit.hmac)
    sign = Operation(transit.sign)
    verify = Operation(transit.verify)
    data_key = Operation(transit.data_key)
    wrapped_data_key = Operation(transit.wrapped_data_key)
    random = Operation(transit.random)

    encrypt_many = Operation(batches.encrypt_many)
    decrypt_many = Operation(batches.decrypt_many)
    rewrap_many = Operation(batches.rewrap_many)
    hmac_many = Operation(batches.hmac_many)
    sign_many = Operation(batches.sign_many)
    verify_many = Operation(batches.verify_many)

    create_key = Operation(keys.create_key)
    read_key = Operation(keys.read_key)
    list_keys = Operation(keys.list_keys)
    rotate_key = Operation(keys.rotate_key)
    configure_key = Operation(keys.configure_key)
    delete_key = Operation(keys.delete_key)

    read_record = Operation(records.read_record)
    read_field = Operation(records.read_field)
    list_records = Operation(records.list_records)
    create_record = Operation(records.create_record)
    update_record = Operation(records.update_record)
    approve_record = Operation(records.approve_record)
