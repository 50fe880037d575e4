"""Which class and activity of OCSF a kind of event is, as `ocsf.toml` says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

OTHER = 99


@dataclass(frozen=True)
class Told:
    """How a kind is told: name and number of the class, its category, number of the activity."""

    name: str
    uid: int
    category: int
    activity: int


@dataclass(frozen=True)
class OcsfMapping:
    """The mapping. version: of OCSF. told: by kind or family (`backup.*`).

    kind_severity, outcome_severity: numbers of the schema.
    """

    version: str
    told: Mapping[str, Told]
    kind_severity: Mapping[str, int]
    outcome_severity: Mapping[str, int]

    def of(self, kind: str) -> Told:
        """How this kind is told; one that nobody knows is an activity of the programming interface.

        Events of a later version may be in a store that an earlier one reads.
        """
        found = self.told.get(kind) or self.told.get(f"{kind.partition('.')[0]}.*")
        return found or Told("api_activity", 6003, 6, OTHER)

    def severity(self, kind: str, outcome: str) -> int:
        """The greater of what the kind and what the outcome is."""
        return max(self.kind_severity.get(kind, 1), self.outcome_severity[outcome])


@cache
def mapping() -> OcsfMapping:
    """The mapping as it ships."""
    text = resources.files(__package__).joinpath("ocsf.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    told: dict[str, Told] = {}
    for name, one in data["classes"].items():
        for number, kinds in one["activities"].items():
            for kind in kinds:
                if kind in told:
                    raise ValueError(f"ocsf.toml tells {kind} twice")
                told[kind] = Told(name, one["uid"], one["category"], int(number))
    severity = data["severity"]
    return OcsfMapping(data["version"], told, severity["kinds"], severity["outcomes"])
