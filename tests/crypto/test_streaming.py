"""Long contents in segments: Tink's bytes both ways, any part of any size, and what is detected."""

from __future__ import annotations

import io

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from tink import KeysetHandle, proto_keyset_format, secret_key_access
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2
from tink.streaming_aead import StreamingAead
from tink.streaming_aead import register as register_streaming_aead

from secvault.crypto.aead import Random, bind
from secvault.crypto.secret import Secret
from secvault.crypto.streaming import HEADER_BYTES, Layout, Opener, Sealer, size_within
from secvault.errors import Damaged, InvalidInput

AAD = bind("contracts", "c-1", "scan", "a1")
KEY = Secret(bytes(range(100, 132)))
SMALL = 64  # The first segment holds 8 bytes of the content, each other one 48.
BORDERS = tuple(8 + 48 * more for more in range(4))


def sealed(content: bytes, key: Secret = KEY, aad: bytes = AAD, each: int = SMALL) -> bytes:
    sealer = Sealer(key, aad, segment_bytes=each)
    return sealer.update(content) + sealer.finish()


def opened(
    whole: bytes,
    start: int = 0,
    stop: int | None = None,
    key: Secret = KEY,
    aad: bytes = AAD,
    each: int = SMALL,
) -> bytes:
    layout = Layout(size_within(len(whole), each), each)
    opener = Opener(key, aad, whole[:HEADER_BYTES], layout)
    stop = layout.size if stop is None else stop
    return b"".join(
        opener.open(one, whole[one.start : one.stop]) for one in layout.spans(start, stop)
    )


def text(size: int) -> bytes:
    return bytes(at % 251 for at in range(size))


def tinks(each: int) -> StreamingAead:
    """Tink's own code, with our key."""
    register_streaming_aead()
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=each, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0, params=parameters, key_value=KEY.expose()
    )
    keyset = tink_pb2.Keyset(
        primary_key_id=1,
        key=[
            tink_pb2.Keyset.Key(
                key_data=tink_pb2.KeyData(
                    type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                    value=key.SerializeToString(),
                    key_material_type=tink_pb2.KeyData.SYMMETRIC,
                ),
                status=tink_pb2.ENABLED,
                key_id=1,
                output_prefix_type=tink_pb2.RAW,
            )
        ],
    )
    handle: KeysetHandle = proto_keyset_format.parse(
        keyset.SerializeToString(), secret_key_access.TOKEN
    )
    return handle.primitive(StreamingAead)


class KeptOpen(io.BytesIO):
    """What was written stays readable after its writer closed it."""

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize("each", [64, 4096, 2**20])
@pytest.mark.parametrize("beside", [-1, 0, 1])
@pytest.mark.parametrize("segments", [0, 1, 2])
def test_what_tink_seals_opens_here_and_the_other_way(
    each: int, segments: int, beside: int
) -> None:
    size = max(0, each - 16 - HEADER_BYTES + segments * (each - 16) + beside)
    content, theirs = text(size), tinks(each)
    written = KeptOpen()
    with theirs.new_encrypting_stream(written, AAD) as stream:  # type: ignore[arg-type]
        stream.write(content)
    assert opened(written.getvalue(), each=each) == content
    read = theirs.new_decrypting_stream(io.BytesIO(sealed(content, each=each)), AAD)  # type: ignore[arg-type]
    with read:
        assert read.read() == content


def test_the_bytes_are_those_of_the_documented_format(counting: Random) -> None:
    sealer = Sealer(KEY, AAD, segment_bytes=SMALL, random=counting)
    whole = sealer.update(text(60)) + sealer.finish()
    salt, prefix = bytes(range(32)), bytes(range(32, 39))
    derived = AESGCM(HKDF(SHA256(), 32, salt, AAD).derive(KEY.expose()))
    parts = ((text(60)[:8], 0, 0), (text(60)[8:56], 1, 0), (text(60)[56:], 2, 1))
    assert whole == b"\x28" + salt + prefix + b"".join(
        derived.encrypt(prefix + number.to_bytes(4, "big") + bytes([last]), part, None)
        for part, number, last in parts
    )


def test_a_content_has_its_golden_bytes(counting: Random) -> None:
    sealer = Sealer(KEY, AAD, segment_bytes=SMALL, random=counting)
    whole = sealer.update(b"a contract, scanned") + sealer.finish()
    assert whole.hex() == (
        "28000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526"
        "0b7705d5f278fd44a160453d3565ed3a98ee41166c17592e"
        "522c19b203a416e665d94ca81b0d85646c697f72464405bca09243"
    )
    assert opened(whole) == b"a contract, scanned"


@given(size=st.integers(0, 400), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_size_in_any_pieces_comes_back(size: int, cuts: list[int]) -> None:
    content, sealer = text(size), Sealer(KEY, AAD, segment_bytes=SMALL)
    ends = sorted({min(cut, size) for cut in cuts} | {size})
    pieces = [content[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    whole = b"".join(sealer.update(piece) for piece in pieces) + sealer.finish()
    assert opened(whole) == content
    assert len(whole) == Layout(size, SMALL).sealed_size


@given(size=st.integers(0, 400), start=st.integers(0, 400), length=st.integers(0, 400))
def test_any_part_opens_without_the_rest(size: int, start: int, length: int) -> None:
    start = min(start, size)
    stop = min(size, start + length)
    whole, layout = sealed(text(size)), Layout(size, SMALL)
    spans = list(layout.spans(start, stop))
    seen = bytearray(len(whole))
    seen[:HEADER_BYTES] = whole[:HEADER_BYTES]
    for span in spans:
        seen[span.start : span.stop] = whole[span.start : span.stop]
    assert opened(bytes(seen), start, stop) == text(size)[start:stop]
    assert len(spans) <= (stop - start) // 48 + 2


@given(size=st.integers(0, 200), data=st.data())
def test_any_bit_that_is_flipped_is_noticed(size: int, data: st.DataObject) -> None:
    whole = bytearray(sealed(text(size)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        opened(bytes(whole))


@given(size=st.integers(0, 200), data=st.data())
def test_a_content_that_was_cut_off_or_added_to_is_noticed(size: int, data: st.DataObject) -> None:
    whole = sealed(text(size))
    shorter = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Damaged):
        opened(whole[:shorter])
    more = data.draw(st.binary(min_size=1, max_size=130))
    with pytest.raises(Damaged):
        opened(whole + more)


@pytest.mark.parametrize("border", [64, 128, 192])
def test_a_content_that_ends_at_a_border_of_segments_too_early_is_noticed(border: int) -> None:
    whole = sealed(text(BORDERS[3] + 5))
    with pytest.raises(Damaged):
        opened(whole[:border])
    # The part before the cut as well: whoever knows the true size does not take it for the last.
    with pytest.raises(Damaged):
        opened(whole[:border], 0, 1) if border == 64 else opened(whole[:border])


def test_segments_that_change_places_or_come_twice_are_noticed() -> None:
    whole = sealed(text(BORDERS[3] + 5))
    first, second, third, rest = whole[:64], whole[64:128], whole[128:192], whole[192:]
    for wrong in (
        first + third + second + rest,
        first + second + second + rest,
        first + third + rest,
    ):
        with pytest.raises(Damaged):
            opened(wrong)


def test_segments_of_another_content_are_noticed() -> None:
    one, other = sealed(text(150)), sealed(text(150))
    for at in (0, 64, 128):
        with pytest.raises(Damaged):
            opened(one[:at] + other[at : at + 64] + one[at + 64 :])


@given(
    place=st.tuples(*[st.text("ab", max_size=2)] * 4),
    elsewhere=st.tuples(*[st.text("ab", max_size=2)] * 4),
)
def test_a_content_opens_at_its_own_place_only(
    place: tuple[str, ...], elsewhere: tuple[str, ...]
) -> None:
    whole = sealed(b"scan", aad=bind(*place))
    if place == elsewhere:
        assert opened(whole, aad=bind(*elsewhere)) == b"scan"
    else:
        with pytest.raises(Damaged):
            opened(whole, aad=bind(*elsewhere))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Damaged):
        opened(sealed(b"scan"), key=Secret(bytes(32)))


def test_two_contents_under_one_key_share_no_bytes_of_their_headers() -> None:
    headers = {sealed(b"")[1:HEADER_BYTES] for _ in range(50)}
    assert len(headers) == 50


def test_a_key_of_another_length_and_a_range_outside_are_refused() -> None:
    with pytest.raises(InvalidInput):
        Sealer(Secret(bytes(16)), AAD)
    for start, stop in ((-1, 2), (0, 11), (5, 4)):
        with pytest.raises(InvalidInput):
            list(Layout(10).spans(start, stop))
    with pytest.raises(InvalidInput):
        Layout(-1)
    with pytest.raises(InvalidInput):
        Layout(1, HEADER_BYTES + 16)


def test_the_sealer_holds_little_of_what_comes_in() -> None:
    sealer = Sealer(KEY, AAD, segment_bytes=SMALL)
    given_out = 0
    for number in range(1, 200):
        given_out += len(sealer.update(text(10)))
        assert number * 10 - given_out < 2 * SMALL
