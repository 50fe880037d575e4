from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from secvault.backup.repository import (
    LocalFolder,
    Repository,
    S3Credentials,
    S3Location,
    one_restic_reaches,
    parse_location,
    repository_of,
    s3_credentials,
)
from secvault.config import RepositorySettings
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, InvalidInput

CREDENTIALS = S3Credentials("AKIDEXAMPLE", Secret.of("the-secret-key"))
PASSWORD = Secret.of("the-password")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/srv/backup", LocalFolder(Path("/srv/backup"))),
        ("/srv/bản sao: một", LocalFolder(Path("/srv/bản sao: một"))),
        (
            "s3:http://127.0.0.1:9000/bucket/one/two",
            S3Location("http://127.0.0.1:9000", "bucket", "one/two"),
        ),
        ("https://s3.example.com/bucket", S3Location("https://s3.example.com", "bucket")),
        ("s3:s3.example.com/bucket/x", S3Location("https://s3.example.com", "bucket", "x")),
        ("s3:https://[::1]:9000/bucket/", S3Location("https://[::1]:9000", "bucket")),
    ],
)
def test_locations_are_understood(text: str, place: LocalFolder | S3Location) -> None:
    assert parse_location(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "relative/folder",
        "~/backup",
        "/srv/../etc",
        "/srv/\x00",
        "/srv/line\nbreak",
        "sftp:host:/folder",
        "rest:http://host/",
        "s3:",
        "s3:http://host",
        "s3:http://host/ab",
        "s3:http://host/UPPER",
        "s3:http://host/192.168.0.1",
        "s3:http://host/two..dots",
        "s3:http://host/bucket/../other",
        "s3:http://host/bucket//double",
        "s3:http://host/bucket?versions",
        "s3:http://host/bucket#part",
        "s3:http://host:port/bucket",
        "s3:http://host:99999/bucket",
        "s3:ftp://host/bucket",
        "s3:http://host/buc ket",
    ],
)
def test_other_locations_are_refused_by_field(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_location(text)
    assert caught.value.fields[0].field == "location"


@given(st.text() | st.from_regex(r"(s3:)?(https?://)?[a-z.:0-9]{0,12}/[ -~]{0,20}", fullmatch=True))
@example("s3://[")
@example("s3:http://[::1/bucket")
def test_any_text_is_refused_or_reads_back_the_same(text: str) -> None:
    try:
        place = parse_location(text)
    except InvalidInput:
        return
    assert parse_location(str(place)) == place


def test_keys_in_a_location_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_location("s3:http://AKID:wJalrXUtnFEMI@host/bucket")
    assert "wJalrXUtnFEMI" not in str(caught.value)


@pytest.mark.parametrize("password", ["", " led", "trailed\n", "two\nlines", "nul\0", "x" * 1025])
def test_a_password_that_restic_would_change_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput, match="password"):
        Repository("/srv/backup", Secret.of(password))
    with pytest.raises(InvalidInput, match="password"):
        Repository("/srv/backup", Secret(b"\xff\xfe"))


def test_an_s3_repository_needs_credentials() -> None:
    with pytest.raises(InvalidInput, match="credentials"):
        Repository("s3:http://host/bucket", PASSWORD)
    with pytest.raises(InvalidInput, match="region"):
        Repository(
            "s3:http://host/bucket", PASSWORD, S3Credentials("AKID", Secret.of("x"), region="")
        )


def test_a_repository_shows_no_secret() -> None:
    token = S3Credentials("AKIDEXAMPLE", Secret.of("the-secret-key"), Secret.of("the-token"))
    repository = Repository("s3:http://host/bucket", PASSWORD, token)
    assert len(repository.secrets()) == 3
    for secret in ("the-password", "the-secret-key", "the-token"):
        assert secret not in repr(repository)


def test_settings_give_credentials_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    environment = {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "from-environment"}
    location = "s3:http://host/bucket"

    direct = RepositorySettings(
        location=location, access_key_id="S", secret_access_key=SecretStr("from-settings")
    )
    named = RepositorySettings(location=location, access_key_id="S", secret_access_key_file=file)
    ambient = RepositorySettings(location=location)

    assert s3_credentials(direct, environment) == S3Credentials("S", Secret.of("from-settings"))
    assert s3_credentials(named, environment) == S3Credentials("S", Secret.of("from-file"))
    assert s3_credentials(ambient, environment) == S3Credentials("E", Secret.of("from-environment"))
    assert s3_credentials(RepositorySettings(location="/srv"), environment) is None


def test_missing_credentials_say_what_to_set(tmp_path: Path) -> None:
    settings = RepositorySettings(location="s3:http://host/bucket", access_key_id="S")
    with pytest.raises(ConfigurationError, match="secret_access_key"):
        s3_credentials(settings, {})
    absent = settings.model_copy(update={"secret_access_key_file": tmp_path / "absent"})
    with pytest.raises(ConfigurationError, match="absent"):
        s3_credentials(absent, {})


def test_settings_describe_how_the_bucket_is_reached_and_who_prunes(tmp_path: Path) -> None:
    settings = RepositorySettings(
        location="s3:https://host/bucket",
        access_key_id="SAVES",
        secret_access_key=SecretStr("saves-secret"),
        prune_access_key_id="PRUNES",
        prune_secret_access_key=SecretStr("prunes-secret"),
        region="eu-1",
        path_style=False,
        ca_file=Path("ca.pem"),
        storage_class="STANDARD_IA",
    )
    made = repository_of(settings, PASSWORD, {})
    assert (made.addressing, made.storage_class) == ("dns", "STANDARD_IA")
    assert made.ca_file == Path.cwd() / "ca.pem"
    assert made.credentials == S3Credentials("SAVES", Secret.of("saves-secret"), region="eu-1")
    pruner = made.pruner()
    assert pruner.credentials == S3Credentials("PRUNES", Secret.of("prunes-secret"), region="eu-1")
    assert pruner.pruner() == pruner
    assert {one.text() for one in made.secrets()} >= {"saves-secret", "prunes-secret"}
    assert "secret" not in repr(made).replace("secret_access_key", "")
    alone = settings.model_copy(update={"prune_access_key_id": ""})
    with pytest.raises(ConfigurationError, match="both prune_access_key_id"):
        repository_of(alone, PASSWORD, {})


def test_one_restic_reaches_two_buckets_only_by_the_same_access() -> None:
    access = S3Credentials("AKID", Secret.of("x"))
    one = Repository("s3:http://host/one", PASSWORD, access)
    folder = Repository("/srv/backup", PASSWORD)
    other = replace(one, location="s3:http://elsewhere/two", storage_class="STANDARD_IA")
    assert one_restic_reaches(one, other)
    assert one_restic_reaches(folder, one)
    assert one_restic_reaches(one, folder)
    for differs in (
        {"credentials": replace(access, access_key_id="OTHER")},
        {"credentials": replace(access, region="eu-1")},
        {"addressing": "dns"},
        {"ca_file": Path("/ca.pem")},
    ):
        assert not one_restic_reaches(one, replace(other, **differs))
