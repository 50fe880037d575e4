"""Handing a message over to a channel or a mail server, through apprise.

apprise knows many kinds of addresses. Here only those are taken that speak to a server over the
network; others, such as `syslog` or `dbus`, must be allowed by the settings. Plugins of its user's,
templates, attachments, keys in files, and its log, which names recipients, are shut out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from secvault.config.notifications import ADDRESS
from secvault.errors import ConfigurationError
from secvault.notices.words import Message

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

SECONDS = 20.0
"""How long one delivery may take."""

SCHEMES = frozenset(
    {
        *("mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls"),
        *("slack", "msteams", "workflow", "workflows", "discord", "gchat", "webex", "wxteams"),
        *("mmost", "mmosts", "rocket", "rockets", "matrix", "matrixs", "zulip", "zoom"),
        *("tgram", "line", "zalo", "signal", "signals", "threema"),
        *("ntfy", "ntfys", "gotify", "gotifys", "pover", "opsgenie", "pagerduty", "splunk"),
        *("sendgrid", "mailgun", "postmark", "sparkpost", "ses", "sns"),
    }
)
"""Kinds of addresses that only speak to a server."""

# They name files of this machine, or let the address write its own request.
_REFUSED_WORDS = frozenset({"template", "attach", "pgpkey", "keyfile", "pgp"})


class Channel:
    """One address, checked. Its text is a secret and leaves this object for apprise alone."""

    def __init__(self, name: str, url: SecretStr, more_schemes: Iterable[str] = ()) -> None:
        """name: of the setting, for errors. Raises ConfigurationError, never with the address."""
        self._url = url
        self._name = name
        text = url.get_secret_value()
        scheme = text.partition("://")[0].lower()
        if "://" not in text or scheme not in SCHEMES | frozenset(more_schemes):
            raise ConfigurationError(
                f"{name}: this kind of address is not taken; use one that speaks to a server, such "
                "as mailtos, jsons or slack, or name its kind in notifications.more_schemes"
            )
        try:
            asked = {word.lower().lstrip("+-:") for word, _ in parse_qsl(urlsplit(text).query)}
        except ValueError:
            raise ConfigurationError(f"{name}: the address cannot be read") from None
        if asked & _REFUSED_WORDS:
            raise ConfigurationError(
                f"{name}: leave out {', '.join(sorted(asked & _REFUSED_WORDS))}; it names a file"
            )

    def __repr__(self) -> str:
        return f"Channel({self._name})"

    def to(self, address: str) -> Channel:
        """The same for one person's address, in the place of `{address}`."""
        text = self._url.get_secret_value().replace(ADDRESS, quote(address, safe=""))
        return _unchecked(self._name, SecretStr(text))

    def check(self) -> None:
        """Return if apprise can read the address. Raises ConfigurationError."""
        self._plugin()

    def send(self, message: Message) -> bool:
        """Hand the message over; False when the other side did not take it.

        Takes seconds. Returns True as soon as the server has accepted it.
        """
        from apprise import Apprise, NotifyFormat  # noqa: PLC0415

        one = Apprise(self._plugin(), asset=_asset())
        try:
            # Anything may go wrong in a library for a hundred services; it is one failed attempt.
            # What is said to be text keeps its lines where a mail is made HTML of it.
            return bool(
                one.notify(message.body, title=message.subject, body_format=NotifyFormat.TEXT)
            )
        except Exception:  # noqa: BLE001 - told by the result; the text may hold the address
            return False

    def _plugin(self) -> NotifyBase:
        from apprise import Apprise  # noqa: PLC0415 - half a second and 800 modules

        # It logs addresses and the names of servers.
        logging.getLogger("apprise").disabled = True
        made: NotifyBase | None = Apprise.instantiate(
            self._url.get_secret_value(), asset=_asset(), suppress_exceptions=True
        )
        if made is None:
            raise ConfigurationError(f"{self._name}: the address is not complete, or misspelt")
        return made


def _unchecked(name: str, url: SecretStr) -> Channel:
    made = Channel.__new__(Channel)
    made._name, made._url = name, url  # noqa: SLF001 - its own class
    return made


@cache
def _asset() -> AppriseAsset:
    from apprise import AppriseAsset  # noqa: PLC0415

    return AppriseAsset(
        plugin_paths=(),
        storage_mode="memory",
        allow_templates=False,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
        interpret_escapes=False,
        image_path_mask=False,
        secure_logging=True,
        service_timeout=SECONDS,
        app_id="secvault",
        app_desc="secvault",
        app_url="",
    )
