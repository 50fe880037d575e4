"""What a repository is: where it lies, the password that opens it, the credentials to get there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from secvault.config import RepositorySettings
from secvault.config.section import file_content
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, InvalidInput

Addressing = Literal["path", "dns", "auto"]

# Amazon S3, "General purpose bucket naming rules".
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9!_.*'()=@+,-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*:")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

KEYS = "/data-keys"
"""The name of a repository, with this behind it, is that of the one for its data keys."""


@dataclass(frozen=True)
class LocalFolder:
    """A repository in a folder of this machine. path: absolute."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class S3Location:
    """A repository in an S3 bucket.

    endpoint: `http(s)://host[:port]`. prefix: what the object names begin with, without slashes
    around it, or empty.
    """

    endpoint: str
    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3:{self.endpoint}/{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True)
class S3Credentials:
    """Who we are to the S3 server. session_token: for temporary credentials only."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    region: str = "us-east-1"

    def secrets(self) -> tuple[Secret, ...]:
        """What of it must never be shown."""
        token = self.session_token
        return (self.secret_access_key, *(() if token is None else (token,)))


@dataclass(frozen=True)
class Repository:
    """A restic repository and all that is needed to open it.

    location: as `parse_location` takes it. addressing: how a bucket is named to the server: in
    the path, or in the host name (`dns`). ca_file: certificates (PEM) to trust instead of the
    machine's. storage_class: for S3, the server's default if empty. pruning: the credentials of
    the role that deletes; None where whoever saves does it.
    Raises InvalidInput for what restic would misunderstand.
    """

    location: str
    password: Secret
    credentials: S3Credentials | None = None
    pruning: S3Credentials | None = None
    addressing: Addressing = "path"
    ca_file: Path | None = None
    storage_class: str = ""
    place: LocalFolder | S3Location = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", parse_location(self.location))
        _require_usable(self.password)
        if isinstance(self.place, S3Location):
            if self.credentials is None:
                raise InvalidInput.at(
                    "credentials", "an S3 repository needs an access key id and a secret access key"
                )
            require_name("region", self.credentials.region)
            require_name("access_key_id", self.credentials.access_key_id)
            if self.storage_class:
                require_name("storage_class", self.storage_class)

    def secrets(self) -> tuple[Secret, ...]:
        """Everything of it that must never be shown."""
        roles = filter(None, (self.credentials, self.pruning))
        return (self.password, *(secret for role in roles for secret in role.secrets()))

    def pruner(self) -> Repository:
        """The same for whoever deletes: what is forgotten, old locks, old keys."""
        return self if self.pruning is None else replace(self, credentials=self.pruning)


def parse_location(text: str) -> LocalFolder | S3Location:
    """Where a repository lies.

    text: an absolute folder, or `s3:http://host:port/bucket/prefix`, or the same without `s3:`,
    or `s3:host/bucket/prefix` (https). Credentials have no place in it. Raises InvalidInput.
    """
    if text.startswith("/"):
        if _UNPRINTABLE.search(text.replace(" ", "")):
            raise InvalidInput.at("location", "the folder's name has control characters")
        if ".." in Path(text).parts:
            raise InvalidInput.at("location", "write the folder's path without `..`")
        return LocalFolder(Path(text))
    if text.startswith(("s3:", "http://", "https://")):
        return _parse_s3(text.removeprefix("s3:"))
    if _SCHEME.match(text):
        raise InvalidInput.at(
            "location", "only folders and S3 are supported: /folder or s3:https://host/bucket"
        )
    raise InvalidInput.at(
        "location", "give an absolute folder such as /srv/backup, or s3:https://host/bucket/prefix"
    )


def settings_for_keys(settings: RepositorySettings) -> RepositorySettings:
    """Where the data keys of what is saved there lie: where the settings say, or beside it."""
    beside = f"{settings.location.rstrip('/')}-data-keys"
    place = parse_location(settings.location)
    if isinstance(place, S3Location) and not place.prefix:
        # The bucket itself is the repository; another bucket may not be ours to make.
        beside = f"{settings.location.rstrip('/')}/secvault-data-keys"
    return settings.model_copy(update={"location": settings.keys_location or beside})


def repository_of(
    settings: RepositorySettings, password: Secret, environment: Mapping[str, str]
) -> Repository:
    """The repository that the settings describe. Raises ConfigurationError, InvalidInput."""
    return Repository(
        settings.location,
        password,
        s3_credentials(settings, environment),
        pruning_credentials(settings),
        "path" if settings.path_style else "dns",
        # restic is not started in our own folder.
        settings.ca_file.absolute() if settings.ca_file is not None else None,
        settings.storage_class,
    )


def s3_credentials(
    settings: RepositorySettings, environment: Mapping[str, str]
) -> S3Credentials | None:
    """The credentials for a repository, or None for a folder.

    The settings come first, then the file that they name, then AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment. Raises ConfigurationError.
    """
    if isinstance(parse_location(settings.location), LocalFolder):
        return None
    key_id, token = settings.access_key_id, None
    secret = _secret_key(settings, "secret_access_key")
    if not key_id and not secret:
        key_id = environment.get("AWS_ACCESS_KEY_ID", "")
        secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
        token = environment.get("AWS_SESSION_TOKEN") or None
    if not key_id or not secret:
        raise ConfigurationError(
            f"{settings.location} needs access_key_id and secret_access_key (or "
            "secret_access_key_file), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "in the environment"
        )
    return S3Credentials(
        key_id, Secret.of(secret), None if token is None else Secret.of(token), settings.region
    )


def pruning_credentials(settings: RepositorySettings) -> S3Credentials | None:
    """The credentials of the role that forgets and prunes; None where the settings name none.

    Raises ConfigurationError where they name a half.
    """
    if isinstance(parse_location(settings.location), LocalFolder):
        return None
    secret = _secret_key(settings, "prune_secret_access_key")
    if not settings.prune_access_key_id and not secret:
        return None
    if not settings.prune_access_key_id or not secret:
        raise ConfigurationError(
            f"{settings.location} needs both prune_access_key_id and prune_secret_access_key (or "
            "prune_secret_access_key_file), or neither of them"
        )
    return S3Credentials(settings.prune_access_key_id, Secret.of(secret), region=settings.region)


def one_restic_reaches(one: Repository, other: Repository) -> bool:
    """Whether a single restic can work with both, as copying between them needs.

    It takes one access key, one region, one way of naming buckets and one set of authorities.
    """
    if isinstance(one.place, LocalFolder) or isinstance(other.place, LocalFolder):
        return True
    return (one.credentials, one.addressing, one.ca_file) == (
        other.credentials,
        other.addressing,
        other.ca_file,
    )


def require_name(name: str, text: str) -> None:
    """Refuse a word that is empty or has blanks or control characters. Raises InvalidInput."""
    if not text or _UNPRINTABLE.search(text):
        raise InvalidInput.at(name, "must be a word without blanks and control characters")


def _secret_key(settings: RepositorySettings, name: str) -> str:
    secret: str = getattr(settings, name).get_secret_value()
    file: Path | None = getattr(settings, f"{name}_file")
    if secret or file is None:
        return secret
    return file_content(file, f"{name}_file of {settings.location}")


def _parse_s3(text: str) -> S3Location:
    url = text if "://" in text else f"https://{text}"
    if _UNPRINTABLE.search(url):
        raise InvalidInput.at("location", "must not have blanks or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput.at(
            "location", "the host or the port of the S3 server is wrong"
        ) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput.at("location", "write it as s3:https://host:port/bucket/prefix")
    if parts.username is not None or parts.password is not None:
        # Locations are shown, logged and stand in argument lists.
        raise InvalidInput.at("location", "keys have no place here; give them as credentials")
    if "?" in url or "#" in url:
        raise InvalidInput.at("location", "must end with the bucket or a prefix, without ? and #")
    bucket, *prefix = parts.path.strip("/").split("/")
    _require_bucket(bucket)
    for segment in prefix:
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            raise InvalidInput.at(
                "location", "the prefix may have letters, digits and !_.*'()=@+,- between slashes"
            )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    endpoint = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    return S3Location(endpoint, bucket, "/".join(prefix))


def _require_bucket(bucket: str) -> None:
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _is_address(bucket):
        raise InvalidInput.at(
            "location",
            "the bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, "
            "beginning and ending with a letter or digit",
        )


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _require_usable(password: Secret) -> None:
    # restic reads the password as text and cuts white space off both ends: a password that it
    # changes would open nothing elsewhere.
    try:
        text = password.text()
    except UnicodeDecodeError:
        raise InvalidInput.at("password", "must be UTF-8 text") from None
    if not text or text != text.strip() or not text.isprintable() or len(text) > 1024:
        raise InvalidInput.at(
            "password", "must be 1 to 1024 printable characters without blanks around them"
        )
