"""Where writers of files write to: bytes that are taken away as they come."""

from __future__ import annotations

import io


class Outflow(io.RawIOBase):
    """A file that can only be written, from its beginning to its end."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: object) -> int:
        """Keep the bytes until they are taken."""
        kept = bytes(memoryview(data))  # type: ignore[arg-type]
        self._waiting.append(kept)
        self._length += len(kept)
        return len(kept)

    def tell(self) -> int:
        """How many bytes were written so far."""
        return self._length

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._waiting)
        self._waiting.clear()
        return taken
