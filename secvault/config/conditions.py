"""Settings that conditions of rules look at: hours, networks, and what tickets look like."""

from __future__ import annotations

import ipaddress
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from secvault.config.section import Name, Section, Zone


def _block(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            "write blocks such as 10.20.0.0/16 or 2001:db8::/32, without bits after the prefix"
        ) from None
    return text


class BusinessHourSettings(Section):
    """When the company works: the condition `business_hours`."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
    )
    hours: tuple[str, ...] = Field(("08:00-17:30",), min_length=1, max_length=8)
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    holidays: tuple[date, ...] = Field((), max_length=1000)


class NetworkSettings(Section):
    """One network that a rule may name: `network:<name>`."""

    blocks: tuple[Annotated[str, AfterValidator(_block)], ...] = Field(min_length=1, max_length=256)


class ConditionSettings(Section):
    """What the conditions of rules look at."""

    business_hours: BusinessHourSettings = BusinessHourSettings()
    networks: dict[Name, NetworkSettings] = Field(default_factory=dict)
    tickets: tuple[str, ...] = Field((), max_length=32)
