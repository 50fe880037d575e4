"""Could they, under other circumstances: for counting people, never for opening anything.

Who may approve from the office only is an approver at home, too: they can go there. So whoever
counts people leaves open when, from where and under which ticket somebody would ask.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from secvault.access.conditions import Outcome, single
from secvault.access.decide import AccessRequest, decide
from secvault.access.snapshot import Snapshot


def could(snapshot: Snapshot, request: AccessRequest) -> bool:
    """Whether the answer would be yes in some circumstances that pass (hours, network, ticket).

    Everything else is taken from the request's context as it is.
    """
    basis = snapshot.basis
    passing = {
        one.name
        for rule in basis.rules.get(request.action, ())
        for one in single(basis.conditions.get(rule.cond))
        if one.passing
    }
    for outcomes in product((Outcome.HOLDS, Outcome.FAILS), repeat=len(passing)):
        assumed = tuple(zip(sorted(passing), outcomes, strict=True))
        context = replace(request.context, assumed=assumed)
        if decide(snapshot, replace(request, context=context)).allowed:
            return True
    return False
