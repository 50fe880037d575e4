"""How much a version may seal before it is told of and rotated, by the settings."""

from __future__ import annotations

from secvault.config import Settings
from secvault.keyring import due
from secvault.keyring.due import Lifetime, NearLimit
from secvault.keyring.message_count import MOST_MESSAGES
from secvault.keyring.named_key import NamedKey
from secvault.service.service import Service

DAY_SECONDS = 86_400


def lifetime_of(settings: Settings) -> Lifetime:
    """How long versions are the latest."""
    keys = settings.keys
    return Lifetime(keys.rotate_messages, keys.warn_messages, keys.collection_days * DAY_SECONDS)


def near_limit(service: Service, key: NamedKey) -> NearLimit | None:
    """The key's latest version, if it has sealed so much that it is to be told of."""
    return due.near_limit(key, lifetime_of(service.settings))


def in_words(service: Service, resource: str, version: int, messages: int) -> str:
    """What a person is told of a version that has sealed much."""
    most = service.settings.keys.rotate_messages
    return (
        f"version {version} of {resource} has sealed {messages} messages; at {most} the worker "
        f"rotates it, at {MOST_MESSAGES} it seals no more"
    )
