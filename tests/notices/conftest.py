"""A furnished vault whose people and administrators are told, by real servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from secvault.config.notifications import ChannelSettings, MailSettings, NotificationSettings
from secvault.crypto.secret import Secret
from secvault.service import Service, authentication, contacts, notice_delivery
from secvault.service.spine import Caller
from tests.notices.receivers import Hook, Mailbox, http_server, smtp_server
from tests.running_service import PASSWORD, House, copied, furnish

SMTP_PASSWORD = "smtp-passw0rd-canary"


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> House:
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def house(furnished: House, tmp_path: Path) -> House:
    return copied(furnished, tmp_path / "house")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as got:
        yield got


@pytest.fixture
def hook() -> Iterator[Hook]:
    with http_server() as got:
        yield got


def mail_url(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?from=vault@example.com&to={{address}}&mode=insecure"


def told_by(mailbox: Mailbox | None, hook: Hook | None, **more: Any) -> NotificationSettings:
    channels = {"ops": ChannelSettings(url=SecretStr(hook.url))} if hook else {}
    url = SecretStr(mail_url(mailbox.port)) if mailbox else SecretStr("")
    return NotificationSettings(mail=MailSettings(url=url), channels=channels, **more)


@dataclass
class Office:
    """An open service, and how the time passes in it."""

    service: Service
    house: House

    def tell(self) -> int:
        """What a turn of the worker does."""
        self.service.audit.drain()
        return notice_delivery.tell(self.service)

    def deliver(self) -> notice_delivery.Delivered:
        return notice_delivery.deliver(self.service)

    def sign_in(self, name: str, address: str) -> Caller:
        self.house.hands.seconds += 30
        code = Secret.of(self.house.hands.code(self.house.seeds[name]))
        signed_in = authentication.sign_in(
            self.service, name, Secret.of(PASSWORD), code, address=address
        )
        return Caller(signed_in.principal)

    def contact(self, name: str, address: str, language: str = "") -> Caller:
        caller = self.sign_in(name, "")
        contacts.change_contact(self.service, caller, address=address, language=language)
        return caller


@contextmanager
def office_of(house: House, settings: NotificationSettings) -> Iterator[Office]:
    with house.open() as service:
        changed = service.settings.model_copy(update={"notifications": settings})
        object.__setattr__(service, "settings", changed)
        yield Office(service, house)


@pytest.fixture
def office(house: House, mailbox: Mailbox, hook: Hook) -> Iterator[Office]:
    with office_of(house, told_by(mailbox, hook)) as opened:
        opened.tell()
        yield opened
