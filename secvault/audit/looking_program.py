"""A program that looks over pieces of the log, so that verification uses more than one core.

Its first line of input says which database (`looking.Opening`), each further line which events
(`looking.Piece`); for each it writes a line: a `chunks.Chunk`, or null where anything is odd or it
could not look. It only reads, and gives way to whatever else the machine has to do.
"""

from __future__ import annotations

import sys

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from secvault.audit.chunks import RANGE, Chunk, look_over
from secvault.audit.looking import Opening, Piece
from secvault.errors import SecvaultError
from secvault.process import die_with_parent, give_way, leave_no_core
from secvault.store.engine import open_store
from secvault.store.straight import straight

_NICENESS = 5


def main() -> None:
    """Answer until the input ends."""
    leave_no_core()
    lines = sys.stdin.buffer
    opening = msgspec.json.decode(lines.readline(), type=Opening)
    die_with_parent(opening.parent)
    give_way(_NICENESS)
    store = open_store(opening.url)
    out = sys.stdout.buffer
    piece_of = msgspec.json.Decoder(Piece)
    with store.read() as connection:
        if opening.snapshot:
            # It came from the server a moment ago, and takes no parameter.
            name = "".join(each for each in opening.snapshot if each in "0123456789ABCDEF-")
            connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{name}'")
        for line in lines:
            out.write(msgspec.json.encode(_looked_over(connection, piece_of.decode(line))) + b"\n")
            out.flush()


def _looked_over(connection: Connection, piece: Piece) -> Chunk | None:
    if piece.start >= piece.end:
        return None
    try:
        rows = straight(connection, RANGE, (piece.start, piece.end))
    except (DBAPIError, SecvaultError):
        # Whoever asked looks again, and meets the same fault.
        return None
    return look_over(rows, piece.start, piece.end, piece.sizes)


if __name__ == "__main__":
    main()
