from __future__ import annotations

import hmac
import re
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.crypto.token import REFUSAL, mint, parse, secret_digest
from secvault.errors import NotAuthenticated, Unavailable

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def number(text: str) -> int:
    return sum(BASE62.index(one) * 62**place for place, one in enumerate(reversed(text)))


def with_right_check(body: str) -> str:
    left, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        left, digit = divmod(left, 62)
        digits = BASE62[digit] + digits
    return f"{body}_{digits}"


def test_a_token_has_its_golden_text(counting: Random) -> None:
    minted = mint("svt", counting)

    assert minted.text.text() == "svt_EgOGusQGwp_3oDH4mEVFvp7u7ED6UzpF5eHPrBI5AHumY7UBpOQIJz_33ADA5"
    assert minted.secret == Secret(bytes(range(16, 48)))


@given(drawn=st.binary(min_size=48, max_size=48), prefix=st.sampled_from(["svt", "svs"]))
@example(drawn=bytes(48), prefix="svt")
@example(drawn=b"\xff" * 48, prefix="svs")
def test_a_token_has_the_stated_form_and_reads_back(drawn: bytes, prefix: str) -> None:
    left = [drawn[:16], drawn[16:]]
    minted = mint(prefix, lambda _: left.pop(0))
    text = minted.text.text()

    shape = re.fullmatch(
        rf"{prefix}_([0-9A-Za-z]{{10}})_([0-9A-Za-z]{{43}})_([0-9A-Za-z]{{6}})", text
    )
    assert shape is not None
    assert shape[1] == minted.key_id
    assert number(shape[2]) == int.from_bytes(drawn[16:], "big")
    assert number(shape[3]) == zlib.crc32(text[:-7].encode())
    presented = parse(text, prefix)
    assert (presented.key_id, presented.secret) == (minted.key_id, minted.secret)


def test_tokens_do_not_repeat_and_never_show_themselves() -> None:
    minted = [mint("svt") for _ in range(200)]

    assert len({one.key_id for one in minted}) == 200
    assert len({one.secret.expose() for one in minted}) == 200
    for one in minted[:5]:
        assert one.text.text().split("_")[2] not in f"{one!r} {parse(one.text.text(), 'svt')!r}"
        assert one.key_id in repr(one)


def test_a_token_with_any_bit_flipped_is_not_valid(
    every_bit_flip: Callable[[bytes], list[bytes]],
) -> None:
    for changed in every_bit_flip(mint("svt").text.expose()):
        with pytest.raises(NotAuthenticated):
            parse(changed.decode("latin-1"), "svt")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text.replace("svt_", "svs_"),
        lambda text: text.removeprefix("svt_"),
        lambda text: text.lower(),
        lambda text: text.replace("_", "-"),
        lambda text: with_right_check("svs" + text[3:-7]),
        lambda text: with_right_check(text[:-7] + "0"),
        # 43 base62 digits reach past 256 bits: the largest of them are the secret of nobody.
        lambda text: with_right_check(text[:15] + "z" * 43),
        lambda text: with_right_check(text[:15] + "ư" + text[16:-7]),
        lambda text: with_right_check(text[:15] + "\u0661" + text[16:-7]),
        lambda text: text + "\ud800",
    ],
)
def test_everything_else_is_refused_with_one_and_the_same_sentence(
    spoil: Callable[[str], str],
) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        parse(spoil(mint("svt").text.text()), "svt")
    assert str(caught.value) == REFUSAL


@given(
    text=st.text()
    | st.from_regex(r"svt_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", fullmatch=True)
)
def test_parsing_arbitrary_text_raises_nothing_but_not_authenticated(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        parse(text, "svt")


@given(body=st.from_regex(r"svt_[0-9A-Za-z]{10}_[0-9A-Za-k][0-9A-Za-z]{42}", fullmatch=True))
def test_a_secret_has_only_one_spelling(body: str) -> None:
    presented = parse(with_right_check(body), "svt")

    assert number(body[15:]) == int.from_bytes(presented.secret.expose(), "big")


def test_the_digest_is_hmac_over_the_decoded_secret() -> None:
    minted, pepper = mint("svt"), Secret(b"pepper")
    expected = hmac.digest(b"pepper", minted.secret.expose(), "sha256")

    assert secret_digest(minted.secret, pepper) == expected
    assert secret_digest(minted.secret, Secret(b"other")) != expected


def test_a_source_of_randomness_that_runs_dry_mints_nothing() -> None:
    with pytest.raises(Unavailable):
        mint("svt", lambda count: bytes(min(count, 20)))
