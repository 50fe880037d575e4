from __future__ import annotations

import copy
import json
import pickle

import pytest

from secvault.crypto import Secret


@pytest.fixture
def secret() -> Secret:
    return Secret.of("canary-7f3a")


def test_a_secret_shows_as_stars_in_every_text_form(secret: Secret) -> None:
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        f"{[secret]}",
    ]

    assert all("***" in text and "canary" not in text for text in shown)


def test_a_secret_leaves_only_by_expose_and_text(secret: Secret) -> None:
    assert secret.expose() == b"canary-7f3a"
    assert secret.text() == "canary-7f3a"


def test_a_secret_cannot_be_pickled_deep_copied_or_written_as_json(secret: Secret) -> None:
    for leak in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leak(secret)


def test_secrets_are_equal_by_value_and_never_equal_to_plain_bytes(secret: Secret) -> None:
    assert secret == Secret(b"canary-7f3a")
    assert secret != Secret(b"canary-7f3b")
    assert secret != b"canary-7f3a"


def test_a_secret_cannot_be_a_key_of_a_dict(secret: Secret) -> None:
    with pytest.raises(TypeError):
        hash(secret)
