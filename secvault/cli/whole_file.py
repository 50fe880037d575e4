"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from secvault.errors import InvalidInput


@contextmanager
def whole(place: Path, option: str, *, force: bool) -> Iterator[BinaryIO]:
    """A file for its owner alone, under its name when the block ends and not at all when it raises.

    force: in place of what is there. Raises InvalidInput at `option` when it is there already,
    without force, or cannot be written.
    """
    made: Path | None = None
    try:
        number, name = mkstemp(dir=place.parent, prefix=f".{place.name}.")
        made = Path(name)
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            made.replace(place)
        else:
            # Fails where something is, also what came meanwhile.
            place.hardlink_to(made)
    except FileExistsError:
        raise InvalidInput.at(option, f"{place} is there already; say --force") from None
    except OSError as error:
        raise InvalidInput.at(option, f"{place} cannot be written: {error.strerror}") from None
    finally:
        if made is not None:
            made.unlink(missing_ok=True)
