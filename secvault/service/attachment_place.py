"""Where the settings say that the contents of attachments lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secvault.backup.bucket import connect
from secvault.backup.repository import LocalFolder, S3Location, parse_location, s3_credentials
from secvault.config import RepositorySettings, Settings
from secvault.errors import ConfigurationError, InvalidInput
from secvault.records.attachment_bucket import BucketStorage
from secvault.records.attachment_folder import FolderStorage
from secvault.records.attachment_storage import Storage

FOLDER = "attachments"
"""Its name in the data folder, where the settings name no other place."""


def attachment_storage(settings: Settings, environment: Mapping[str, str]) -> Storage:
    """The storage that the settings name; nothing is reached yet.

    environment: where AWS_ACCESS_KEY_ID and the like are looked for. Raises ConfigurationError.
    """
    folder = local_folder(settings)
    chosen = settings.attachments
    if folder is not None:
        return FolderStorage(folder, make=not chosen.location)
    bucket = RepositorySettings(
        location=chosen.location,
        region=chosen.region,
        access_key_id=chosen.access_key_id,
        secret_access_key=chosen.secret_access_key,
        secret_access_key_file=chosen.secret_access_key_file,
    )
    place, credentials = _parsed(chosen.location), s3_credentials(bucket, environment)
    if isinstance(place, LocalFolder) or credentials is None:
        raise AssertionError("a place without a folder is a bucket")
    return BucketStorage(lambda: connect(place, credentials), place.bucket, place.prefix)


def local_folder(settings: Settings) -> Path | None:
    """The folder of the contents; None where they lie in a bucket. Raises ConfigurationError."""
    location = settings.attachments.location
    if not location:
        return settings.data_folder / FOLDER
    place = _parsed(location)
    return place.path if isinstance(place, LocalFolder) else None


def _parsed(location: str) -> LocalFolder | S3Location:
    try:
        return parse_location(location)
    except InvalidInput as error:
        raise ConfigurationError(f"attachments.{error.detail}") from None
