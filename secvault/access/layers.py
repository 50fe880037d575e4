"""Narrowings compiled: the bits that the layers of a token leave of a system's roles."""

from __future__ import annotations

from typing import NamedTuple

from secvault.access.compiled import MOST_REMEMBERED, CompiledRules
from secvault.access.narrowing import Narrowing
from secvault.access.rows import Case
from secvault.access.scope import Layer, admits, is_scope
from secvault.access.vocabulary import ALL

_EVERYTHING = -1


class _Asked(NamedTuple):
    narrowing: Narrowing
    department: str
    object: str
    action: str


class Layers:
    """What narrowings leave, remembered by what was asked. Belongs to one set of rules."""

    def __init__(self, rules: CompiledRules) -> None:
        self._rules = rules
        self._masks: dict[_Asked, int] = {}

    def mask(self, narrowing: Narrowing, department: str, obj: str, action: str) -> int:
        """The bits that may remain; all of them where nothing is taken away."""
        asked = _Asked(narrowing, department, obj, action)
        found = self._masks.get(asked)
        if found is None:
            found = _EVERYTHING
            for layer in narrowing:
                found &= self._of(layer, asked)
            if len(self._masks) >= MOST_REMEMBERED:
                self._masks = {}
            self._masks[asked] = found
        return found

    def _of(self, layer: Layer, asked: _Asked) -> int:
        if is_scope(layer):
            case = Case("", asked.department, asked.object, "", asked.action)
            return _EVERYTHING if admits(layer, case) else 0
        mask = 0
        for role in layer:
            for domain in (asked.department, ALL):
                mask |= self._rules.closure(asked.department, domain, role)
        return mask
