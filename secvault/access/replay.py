"""Making a recorded decision again, and saying whether the answer is the same.

The facts are those that were recorded: how conditions came out is not asked anew. The policy is
that of the moment, as the caller can rebuild it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from secvault.access.conditions import Outcome
from secvault.access.decide import AccessRequest, Decision, decide
from secvault.access.explain import ALLOW
from secvault.access.snapshot import Snapshot

SAME, DIFFERS, TOO_OLD, TOKEN_CHANGED = "same", "differs", "too_old", "token_changed"

SETTLED = 5_000_000
"""Microseconds. A change of grants that carries a moment so near to the decision's may have become
visible before or after it: its transaction had not ended yet, or another host's clock is ahead."""


@dataclass(frozen=True)
class Recorded:
    """A decision as the log keeps it. outcomes: of the conditions that were looked at."""

    id: str
    request: AccessRequest
    kind: str
    rule: str
    policy: str
    epoch: int
    outcomes: Mapping[str, Outcome]

    @property
    def allowed(self) -> bool:
        """Whether it was a yes."""
        return self.kind == ALLOW

    @property
    def at(self) -> int:
        """The moment that it was made for, in microseconds."""
        return self.request.context.at


@dataclass(frozen=True)
class Difference:
    """What is not as it was. what: allowed, kind, rule or policy."""

    what: str
    recorded: str
    again: str


@dataclass(frozen=True)
class Replay:
    """What came of it. decision: the one made again; None when it could not be.

    verdict: same, differs, too_old (the entry does not say enough), or token_changed (what the
    credential was narrowed to is not known any more). snapshot: by which it was made.
    """

    verdict: str
    decision: Decision | None = None
    differences: tuple[Difference, ...] = ()
    snapshot: Snapshot | None = None


def replayed(
    recorded: Recorded, known: Callable[[int], Snapshot], changes: Iterable[int] = ()
) -> Replay:
    """Decide again.

    known: the policy of the decision's moment by what was granted and revoked until the moment that
    is given. changes: when the subject's grants were made and revoked; only looked at where the
    first answer is another.
    """
    first = _once(recorded, known(recorded.at))
    if first.verdict == SAME:
        return first
    for moment in _nearby(recorded.at, changes):
        again = _once(recorded, known(moment))
        if again.verdict == SAME:
            return again
    return first


def as_recorded(recorded: Recorded) -> AccessRequest:
    """The request, with conditions that come out as they did; what was not looked at then is asked
    as ever."""
    request = recorded.request
    assumed = tuple(recorded.outcomes.items())
    return replace(request, context=replace(request.context, assumed=assumed))


def _once(recorded: Recorded, snapshot: Snapshot) -> Replay:
    decision = decide(snapshot, as_recorded(recorded))
    pairs = (
        ("allowed", str(recorded.allowed).lower(), str(decision.allowed).lower()),
        ("kind", recorded.kind, decision.kind),
        ("rule", recorded.rule, decision.rule),
        ("policy", recorded.policy, decision.policy_digest),
    )
    differences = tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])
    return Replay(DIFFERS if differences else SAME, decision, differences, snapshot)


def _nearby(at: int, changes: Iterable[int]) -> tuple[int, ...]:
    """Moments until which the decision may have known of changes: each once without, once with."""
    near = sorted({one for one in changes if abs(one - at) <= SETTLED})
    before = [one - 1 for one in reversed(near) if one <= at]
    return (*before, *(one for one in near if one > at))
