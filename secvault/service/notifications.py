"""Notices as administrators see them: who can be told, what was, and whether a channel works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.clock import moment
from secvault.errors import NotFound, Refused
from secvault.identity import names
from secvault.notices import following, outbox
from secvault.notices.channel import Channel
from secvault.notices.following import Reach
from secvault.notices.outbox import Notice, State
from secvault.notices.telling import Telling
from secvault.notices.words import message
from secvault.service.approvals import requests
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

_TEST = "test"


@dataclass(frozen=True)
class Overview:
    """The notices of one page, and how many there are in each state."""

    notices: tuple[Notice, ...]
    counts: Mapping[str, int]


def reach_of(service: Service) -> Reach:
    """Who can be told, by the settings."""
    chosen = service.settings.notifications
    channels = tuple(sorted(name for name, each in chosen.channels.items() if each.given))

    def approvers(connection: Connection, request: str) -> frozenset[str]:
        try:
            found = requests.read_request(connection, service.clock, request)
            slots = service.approvers.slots_of(found.proposal)
        except (NotFound, Refused):
            return frozenset()
        concerned = {found.requester, found.proposal.beneficiary}
        return service.approvers.able(connection, slots, found.proposal.department) - concerned

    return Reach(channels, chosen.mail.given, approvers)


def list_notices(
    service: Service,
    caller: Caller,
    *,
    state: State | None = None,
    after: str = "",
    limit: int = 100,
) -> Overview:
    """The newest first. Raises InvalidInput at `limit`."""

    def act(connection: Connection) -> Outcome[Overview]:
        found = outbox.listed(connection, state=state, after=after, limit=limit)
        return Outcome(Overview(found, outbox.counts(connection)), count=len(found))

    return service.spine.read(caller, _operation("notification.read"), act)


def read_notice(service: Service, caller: Caller, notice_id: str) -> Notice:
    """One notice. Raises NotFound."""
    return service.spine.read(
        caller,
        _operation("notification.read"),
        lambda connection: Outcome(outbox.read(connection, notice_id)),
    )


def try_out(service: Service, caller: Caller, name: str) -> bool:
    """Send a test to a channel now, in this process; whether it was taken.

    Raises NotFound for a channel that is not declared, ConfigurationError.
    """

    def act() -> Outcome[bool]:
        channel = channel_of(service, name)
        values = {"id": _TEST, "organisation": service.settings.organisation}
        values["when"] = when(service.clock.micros())
        sent = channel.send(message(_TEST, language_of(service, name), "admin", values))
        return Outcome(sent, count=int(sent), detail={"target": name})

    return service.spine.work(caller, _operation("notification.test"), act)


def ask_for_test(service: Service, caller: Caller, name: str) -> Notice:
    """Note a test for a channel, which the worker delivers as any other notice.

    Raises NotFound for a channel that is not declared.
    """
    _declared(service, name)

    def act(connection: Connection) -> Outcome[Notice]:
        now = service.clock.micros()
        cause = f"{_TEST}:{names.new_id(service.clock)}"
        told = Telling(_TEST, cause, administrators=True)
        following.note(connection, service.clock, Reach((name,)), told, now)
        made = outbox.read_cause(connection, told.cause, f"channel:{name}")
        return Outcome(made, detail={"target": name})

    return service.spine.change(caller, _operation("notification.test"), act)


def when(micros: int) -> str:
    """A moment as notices say it, UTC."""
    return moment(micros).strftime("%Y-%m-%d %H:%M")


def _declared(service: Service, name: str) -> None:
    chosen = service.settings.notifications.channels.get(name)
    if chosen is None or not chosen.given:
        raise NotFound(f"there is no channel {name[:64]!r} in notifications.channels")


def channel_of(service: Service, name: str) -> Channel:
    """The declared channel. Raises NotFound, ConfigurationError."""
    _declared(service, name)
    chosen, key = service.settings.notifications, f"notifications.channels.{name}"
    return Channel(key, chosen.channels[name].read(key), chosen.more_schemes)


def mail_to(service: Service, address: str) -> Channel:
    """The mail of the settings, to one person's address. Raises ConfigurationError."""
    chosen, key = service.settings.notifications, "notifications.mail"
    return Channel(key, chosen.mail.read(key), chosen.more_schemes).to(address)


def language_of(service: Service, channel: str) -> str:
    """The language of a channel."""
    chosen = service.settings.notifications
    declared = chosen.channels.get(channel)
    return (declared.language if declared else "") or chosen.language


def _operation(action: str) -> Operation:
    return Operation(action, "it", "notifications", "it/notifications")
