"""Settings of a backup on another machine: a rehearsal keeps only what reaches nowhere."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from secvault.backup.repository import Repository
from secvault.backup.staging import CONFIGURATION
from secvault.config import RepositorySettings, Settings, load, settings_text
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.service.recovering import settings_saved
from secvault.service.recovering.place import Place
from secvault.service.recovering.storage import Reached

SAVED = """
organisation = "acme"
data = "/var/lib/secvault/data"
policies = "/etc/secvault/policies"

[server]
address = "0.0.0.0"
port = 8200
tls_certificate = "/etc/secvault/tls.pem"
tls_key = "/etc/secvault/tls.key"
public_origin = "https://vault.acme.vn"

[seal]
kind = "pkcs11"

[store]
url_file = "/etc/secvault/store.url"

[identity]
session_hours = 4
password_blocklist = "/etc/secvault/words.txt"

[identity.oidc.acme]
issuer = "https://id.acme.vn"
client_id = "secvault"
client_secret_file = "/etc/secvault/oidc"

[notifications.mail]
url_file = "/etc/secvault/mail"

[attachments]
location = "/srv/attachments"
max_bytes = 4096

[audit]
checkpoint_seconds = 30

[audit.publications.offsite]
location = "/mnt/offsite"

[audit.streams.siem]
address = "tls://siem.acme.vn:6514"

[audit.reports]
schedule = "0 5 1 * *"

[audit.retention]
place = "/mnt/archive"

[reviews.campaigns.quarter]
fallback = "lan.tran"

[recovery]
kit_folders = ["/mnt/kit"]
shares = 7
threshold = 4

[backup]
restic = "/opt/nowhere/restic"
open_folders = ["/srv"]

[backup.repositories.here]
location = "/mnt/backup"

[backup.repositories.far]
location = "s3:https://s3.acme.vn/vault"
access_key_id = "AK"
secret_access_key = "not in a backup"

[backup.plans.nightly]
repository = "here"
copies = ["far"]
schedule = "0 1 * * *"
drill_schedule = "0 2 * * *"
check_schedule = "0 3 * * *"
ping_url = "https://hc.acme.vn/x"
keep_daily = 9

[backup.plans.nightly.hooks.stop]
when = "before"
command = ["/usr/bin/systemctl", "stop", "erp"]

[backup.plans.erp]
vault = false
repository = "here"

[backup.plans.erp.sources.dump]
kind = "command"
command = ["/usr/local/bin/dump-erp"]
file = "erp.sql"
"""


@pytest.fixture
def saved(tmp_path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a backup has of these settings."""
    file = tmp_path / "config.toml"
    file.write_text(SAVED)
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / CONFIGURATION).write_text(settings_text(load(file, {})))
    return settings_saved.read_saved(staged)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty folder."""
    made = Place(tmp_path / "recovered")
    made.folder.mkdir()
    return made


def _loaded(adapted: settings_saved.Adapted, place: Place) -> Settings:
    settings_saved.write(adapted, place, ("a remark",))
    assert place.settings.stat().st_mode & 0o077 == 0
    return load(place.settings, {})


def test_what_was_left_out_is_known_by_name(saved: tuple[dict[str, Any], tuple[str, ...]]) -> None:
    values, left_out = saved
    assert values["organisation"] == "acme"
    assert set(left_out) == {
        "backup.repositories.far.secret_access_key",
        "backup.plans.nightly.ping_url",
    }


def test_a_rehearsal_has_nothing_that_reaches_out_or_starts_by_itself(
    saved: tuple[dict[str, Any], tuple[str, ...]], place: Place
) -> None:
    adapted = settings_saved.for_rehearsal(saved[0], place, None, 4711, ("here", "far"))
    found = _loaded(adapted, place)
    assert (found.organisation, found.server.address, found.server.port) == (
        "acme",
        "127.0.0.1",
        4711,
    )
    assert found.identity.session_hours == 4
    assert found.attachments.max_bytes == 4096
    assert found.attachments.location == ""
    assert found.audit.checkpoint_seconds == 30
    assert found.recovery.threshold == 4
    assert not found.recovery.kit_beside_repositories
    assert found.backup.plans["nightly"].keep_daily == 9
    assert set(found.backup.plans) == {"nightly", "erp"}
    for plan in found.backup.plans.values():
        assert (plan.schedule, plan.check_schedule, plan.drill_schedule) == ("", "", "")
        assert not plan.hooks
        assert not plan.sources
    for name, repository in found.backup.repositories.items():
        assert repository.location == str(place.outside / name)
        assert not repository.access_key_id
    assert set(found.backup.repositories) == {"here", "far", "local"}
    text = place.settings.read_text()
    for outside in ("acme.vn", "/etc/", "/mnt/", "/srv", "/opt", "systemctl", "dump-erp"):
        assert outside not in text, outside


def test_the_key_of_the_seal_lies_where_it_is_to_lie(
    saved: tuple[dict[str, Any], tuple[str, ...]], place: Place, tmp_path: Path
) -> None:
    apart = Place(place.folder, tmp_path / "memory" / "seal.key")
    for one in (place, apart):
        adapted = settings_saved.for_rehearsal(saved[0], one, None, 4711, ())
        assert _loaded(adapted, one).seal_key_file == one.seal_key
    assert place.seal_key.parent == place.folder


def test_a_recovery_has_what_was_and_says_what_is_not_here(
    saved: tuple[dict[str, Any], tuple[str, ...]], place: Place
) -> None:
    (place.folder / "policies").mkdir()
    settings = RepositorySettings(location="/mnt/new-disk/backup")
    here = Repository("/mnt/new-disk/backup", Secret.of("x"))
    keys = Repository("/mnt/new-disk/backup-data-keys", Secret.of("y"))
    adapted = settings_saved.for_recovery(
        *saved,
        place,
        None,
        (Reached("here", settings, here, keys),),
        {"here": "/mnt/new-disk/backup", "far": "s3:https://s3.acme.vn/vault", "local": "/x"},
    )
    found = _loaded(adapted, place)
    assert found.seal.kind == "file"
    assert found.data == place.data
    assert found.policies == place.policies
    assert found.server.address == "127.0.0.1"
    assert found.backup.plans["nightly"].schedule == "0 1 * * *"
    assert found.backup.repositories["here"].location == "/mnt/new-disk/backup"
    assert found.audit.publications["offsite"].location == "/mnt/offsite"
    assert set(adapted.left_out) == {
        "backup.repositories.far.secret_access_key",
        "backup.plans.nightly.ping_url",
    }
    assert any(one.startswith("notifications.mail.url_file") for one in adapted.missing)
    assert any(one.startswith("server:") for one in adapted.changed)
    text = place.settings.read_text()
    assert "backup.repositories.far.secret_access_key was left out; set it again" in text
    assert tomllib.loads(text)["seal"] == {"kind": "file"}


def test_settings_that_are_none_are_damage_and_none_at_all_are_the_programs(
    tmp_path: Path, place: Place
) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    assert settings_saved.read_saved(staged) == ({}, ())
    adapted = settings_saved.for_rehearsal({}, place, None, 4711, ())
    assert set(_loaded(adapted, place).backup.plans) == {"nightly"}
    (staged / CONFIGURATION).write_text("[half")
    with pytest.raises(Damaged):
        settings_saved.read_saved(staged)
