"""The settings as they go into a backup: the same again when they are read, but for the secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.config import load, settings_text
from tests.test_config import CANARY, EXAMPLE

_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)


SHAPES = """
organisation = "example.com"
data = "/srv/b\\u00e9ta \\u007f \\"x\\""

[identity]
token_warn_days = [14, 2]

[backup.repositories.offsite]
location = "s3:https://s3.example.com/bucket"

[backup.plans.nightly]
repository = "offsite"
vault = false
folders = ["/srv/files", "/srv/t\\\\n"]

[conditions.business_hours]
holidays = [2026-09-02, 2027-01-01]

[backup.plans.nightly.sources.shop]
kind = "sqlite"
files = ["/srv/shop.db"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secvault.toml"


@pytest.mark.parametrize("text", [SHAPES, EXAMPLE.read_text("utf-8")], ids=["shapes", "example"])
def test_what_is_written_makes_the_same_settings(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    before = load(file, {"SECVAULT_SERVER__PORT": "8443"})
    file.write_text(settings_text(before), "utf-8")
    after = load(file, {})
    assert after.model_dump() == before.model_dump()
    assert after.server.port == 8443


def test_what_is_not_set_is_not_written(file: Path) -> None:
    file.write_text("")
    lines = settings_text(load(file, {})).splitlines()
    assert all(line.startswith("#") for line in lines)


def test_no_secret_is_written_and_a_remark_says_so(file: Path) -> None:
    file.write_text(
        f'store.url = "postgresql://it:{CANARY}@db/secvault"\n'
        f'[backup.plans.nightly]\nrepository = "local"\nping_url = "https://hc.example/{CANARY}"\n'
        f'[notifications.channels.chat]\nurl = "slack://{CANARY}"\n'
        "[backup.repositories.offsite]\n"
        'location = "s3:https://s3.example.com/bucket"\n'
        f'access_key_id = "backup"\nsecret_access_key = "{CANARY}"\n'
    )
    written = settings_text(load(file, {}))
    assert CANARY not in written
    for key in (
        "store.url",
        "backup.plans.nightly.ping_url",
        "notifications.channels.chat.url",
        "backup.repositories.offsite.secret_access_key",
    ):
        assert f"# {key} is a secret" in written
    assert 'access_key_id = "backup"' in written
    assert set(tomllib.loads(written)) == {"backup"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_TEXT)
def test_any_text_comes_back(file: Path, text: str) -> None:
    quoted = "".join(f"\\U{ord(letter):08x}" for letter in text)
    file.write_text(
        f'identity.webauthn.rp_id = "localhost"\npolicies = "/srv/x{quoted}"\n', "utf-8"
    )
    before = load(file, {})
    file.write_text(settings_text(before), "utf-8", newline="")
    assert load(file, {}).policies == before.policies
