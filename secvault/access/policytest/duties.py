"""What the tests say of `obligations.toml`: each of its lines taken away must be noticed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from secvault.access.obligations import Obligations
from secvault.access.policytest.suite import Suite
from secvault.access.rules import Rules
from secvault.access.vocabulary import RESERVED_ROLES

_ADD_PRIVILEGED = "[[privileged]]\nroles = [...]  # all that take two people to give"


@dataclass(frozen=True)
class Fewer:
    """The obligations without one of them.

    witness: what that would change. add: lines of a test file that would notice it.
    """

    name: str
    witness: str
    add: str
    left: Obligations

    def noticed(self, suites: Iterable[Suite], rules: Rules) -> bool:
        """Whether a test fails without it."""
        return any(
            next(duty.breaches(self.left, rules), None) is not None
            for suite in suites
            for duty in suite.duties
        )

    def same(self, whole: Obligations, rules: Rules) -> bool:
        """Whether nothing depends on it: no approval, and no role that is privileged by it."""
        return self.left.slots == whole.slots and _privileged(self.left, rules) == _privileged(
            whole, rules
        )


def fewer_duties(obligations: Obligations) -> Iterator[Fewer]:
    """The obligations without each of its actions and classes."""
    for action in obligations.slots:
        slots = {name: slots for name, slots in obligations.slots.items() if name != action}
        actions = obligations.privileged_actions - {action}
        yield Fewer(
            f"obligation/{action}",
            f"{action} would need nobody else",
            f'[[second_person]]\nactions = ["{action}"]',
            replace(obligations, slots=slots, privileged_actions=actions),
        )
    for action in sorted(obligations.privileged_actions - obligations.slots.keys()):
        less = obligations.privileged_actions - {action}
        yield Fewer(
            f"privileged/{action}",
            f"a role that allows {action} could be given by one person",
            _ADD_PRIVILEGED,
            replace(obligations, privileged_actions=less),
        )
    for known in sorted(obligations.privileged_classes):
        fewer = obligations.privileged_classes - {known}
        yield Fewer(
            f"privileged/{known}",
            f"a role that reads {known} data could be given by one person",
            _ADD_PRIVILEGED,
            replace(obligations, privileged_classes=fewer),
        )


def _privileged(obligations: Obligations, rules: Rules) -> frozenset[str]:
    grantable = rules.roles - RESERVED_ROLES
    return frozenset(role for role in grantable if obligations.is_privileged(rules, role))
