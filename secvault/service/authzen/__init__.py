"""Decisions for other programs: may somebody do something, and who may, by the rules in force here.

Promises: an answer is what secvault itself would decide for somebody without a session; all answers
of one request are of one policy and one state of the store; a fact of a caller counts only where
`policies/authzen.toml` says so; what cannot be understood is a no with its reason; each request is
in the audit log before it is answered. Needs an open service. Start reading at
`operations.evaluate`; what is decided, and how, is in `inquiry`.
"""

from secvault.service.authzen.asked import Answer, Evaluation, Found, Page, Semantic, Thing
from secvault.service.authzen.operations import evaluate, evaluate_each
from secvault.service.authzen.search import search_actions, search_resources, search_subjects

__all__ = [
    "Answer",
    "Evaluation",
    "Found",
    "Page",
    "Semantic",
    "Thing",
    "evaluate",
    "evaluate_each",
    "search_actions",
    "search_resources",
    "search_subjects",
]
