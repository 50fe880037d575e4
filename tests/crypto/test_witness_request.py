from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.witness_request import AddCheckpoint, parse_size
from secvault.errors import InvalidInput

HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="


# Source: c2sp.org/tlog-witness, the example of add-checkpoint.
def test_the_example_of_the_specification_reads_and_writes() -> None:
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUY\n\n— example.com/behind-the-sofa x\n".encode()
    )
    body = f"old 20852014\n{HASH}\n{HASH}\n\n".encode() + note
    request = AddCheckpoint.parse(body)
    assert (request.old_size, len(request.proof), request.note) == (20852014, 2, note)
    assert request.format() == body


@given(
    old=st.integers(0, 2**63 - 1),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    note=st.binary(max_size=80),
)
def test_a_request_reads_back(old: int, proof: list[bytes], note: bytes) -> None:
    request = AddCheckpoint(old, tuple(proof), note)
    assert AddCheckpoint.parse(request.format()) == request


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 1\n",
        "old 1\nx",
        "old\n\nx",
        "old 01\n\nx",
        "old +1\n\nx",
        "old -1\n\nx",
        "old ١\n\nx",
        "new 1\n\nx",
        " old 1\n\nx",
        "old 1 \n\nx",
        "old 1\r\n\r\nx",
        f"old {2**63}\n\nx",
        "old 1\n????\n\nx",
        f"old 1\n{HASH[:-1]}\n\nx",
        f"old 1\n{HASH} \n\nx",
        "old 1\nAAAA\n\nx",
        f"old 1\n{HASH}\n" * 1 + "\x00\n\nx",
        "old 1\n" + f"{HASH}\n" * 64 + "\nx",
    ],
)
def test_another_text_is_no_request(body: str) -> None:
    with pytest.raises(InvalidInput):
        AddCheckpoint.parse(body.encode())


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing_else(body: bytes) -> None:
    try:
        AddCheckpoint.parse(body)
    except InvalidInput:
        return


# Source: of the same cases, sigsum's client tests have most.
@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"0\n", 0),
        (b"50\n", 50),
        (b"50", None),
        (b"050\n", None),
        (b"", None),
        (b"-1\n", None),
        (b"1\n2\n", None),
        (b"99999999999999999999\n", None),
        (f"{2**63 - 1}\n".encode(), 2**63 - 1),
        (f"{2**63}\n".encode(), None),
    ],
)
def test_a_size_is_one_number_and_a_newline(body: bytes, size: int | None) -> None:
    assert parse_size(body) == size
