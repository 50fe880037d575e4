"""Being root without the right to read what the permissions forbid, as other people are.

Of this thread and those that it starts (capabilities(7)); programs that root starts get it back.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_VERSION = 0x20080522
_FORBIDDEN = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up_reading() -> Callable[[], None]:
    """Give it up from now on; what is returned takes it back."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION, 0), (_Sets * 2)()

    def call(name: str) -> None:
        if getattr(libc, name)(ctypes.byref(header), ctypes.byref(sets)):
            raise OSError(ctypes.get_errno(), name)

    call("capget")
    before = sets[0].effective
    sets[0].effective = before & ~_FORBIDDEN
    call("capset")

    def take_back() -> None:
        sets[0].effective = before
        call("capset")

    return take_back
