"""What a vault begins with, what new passwords are held to, and where random numbers come from."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from secvault.config import Settings
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, InvalidInput
from secvault.identity.people import NewPerson
from secvault.service import Service, authentication, opening, own_factors
from secvault.service.people import context_words
from secvault.service.spine import Caller
from secvault.store.tables import metadata
from tests.running_service import PASSWORD, Hands, House

# Tables whose rows let somebody in, or say what somebody may.
CREDENTIALS = {
    "approle",
    "passkey",
    "person",
    "recovery_code",
    "role_grant",
    "secret_id",
    "service_account",
    "session",
    "token",
    "totp_device",
}
LISTED = "23WKoa0FP78dk-unguessable"


def opened(house: House, settings: Settings) -> AbstractContextManager[Service]:
    return opening.opened(settings, house.hands.clock(), program="test", environment={})


def test_a_new_vault_has_nobody_who_can_sign_in(tmp_path: Path) -> None:
    house = House(tmp_path, Hands(), {}, {})
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service, service.store.read() as connection:
        present = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
            if name in CREDENTIALS
        }
    assert present == dict.fromkeys(CREDENTIALS, 0)


def test_all_that_is_drawn_comes_from_the_operating_system(tmp_path: Path) -> None:
    house = House(tmp_path, Hands(), {}, {})
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service:
        assert service.random is os.urandom
        assert service.entrance.random is os.urandom


@pytest.mark.parametrize(
    "word",
    ["lan.tran", "Trần Thị Lan", "accounting", "lotus-trading", "secvault", "Project Heron"],
)
def test_each_word_of_the_document_is_refused_in_a_new_password(house: House, word: str) -> None:
    given = house.settings
    identity = given.identity.model_copy(update={"password_words": ("Project Heron",)})
    changed = given.model_copy(update={"organisation": "lotus-trading", "identity": identity})
    with opened(house, changed) as service:
        words = context_words(service, NewPerson.of("lan.tran", "Trần Thị Lan", "accounting"))
        hash_new = service.entrance.hasher.hash_new
        with pytest.raises(InvalidInput, match="must not contain"):
            hash_new(Secret.of(f"xkq {word.upper()} zrt vwb"), words)
        hash_new(Secret.of("xkq zrt vwb nml"), words)


def change(service: Service, house: House, new: str) -> int:
    clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
    house.hands.seconds += 30
    code = Secret.of(house.hands.code(house.seeds["clerk"]))
    return own_factors.change_password(
        service, clerk, password=Secret.of(PASSWORD), code=code, new=Secret.of(new)
    )


def test_the_list_of_the_settings_is_asked_about_each_new_password(
    house: House, tmp_path: Path
) -> None:
    file = tmp_path / "breached.txt"
    file.write_text(f"123456\n{LISTED}\n")
    identity = house.settings.identity.model_copy(update={"password_blocklist": file})
    settings = house.settings.model_copy(update={"identity": identity})
    with opened(house, settings) as service:
        with pytest.raises(InvalidInput, match="tried first"):
            change(service, house, LISTED)
        assert change(service, house, f"{LISTED} and more") == 0
    file.unlink()
    with pytest.raises(ConfigurationError, match="password_blocklist"), opened(house, settings):
        pass
    with house.open() as service, pytest.raises(InvalidInput):
        change(service, house, "password1234")
