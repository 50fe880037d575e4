"""The words of what the shipped collections offer to choose from.

A choice is stored as it is written in its collection. One of these is shown as a word of the
visitor's language; a company's own stands on the page as the company wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from secvault.console.audit_kinds import say
from secvault.console.language import Language

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "accepted": say("accepted"),
        "active": say("active"),
        "answered": say("answered"),
        "approved": say("approved"),
        "asked": say("asked for"),
        "bank_transfer": say("bank transfer"),
        "box": say("box"),
        "cancelled": say("cancelled"),
        "card": say("card"),
        "cash": say("cash"),
        "cheque": say("cheque"),
        "closed": say("closed"),
        "computer": say("computer"),
        "consent": say("consent"),
        "contract": say("contract"),
        "corporate_income": say("corporate income tax"),
        "critical": say("critical"),
        "cross_border": say("across borders"),
        "de_identified": say("de-identified data"),
        "delivered": say("delivered"),
        "disposed": say("disposed of"),
        "done": say("done"),
        "draft": say("draft"),
        "ended": say("ended"),
        "female": say("female"),
        "filed": say("filed"),
        "fixed_term": say("fixed term"),
        "furniture": say("furniture"),
        "granted": say("granted"),
        "held": say("held back"),
        "high_value": say("high value"),
        "in_force": say("in force"),
        "in_repair": say("in repair"),
        "in_service": say("being serviced"),
        "in_store": say("in store"),
        "in_use": say("in use"),
        "indefinite": say("indefinite term"),
        "instant": say("instant"),
        "law": say("law"),
        "left": say("left the company"),
        "licence_fee": say("licence fee"),
        "litre": say("litre"),
        "low_value": say("low value"),
        "major": say("major"),
        "male": say("male"),
        "minor": say("minor"),
        "not_authorised": say("not authorised"),
        "not_delivered": say("not delivered"),
        "on_leave": say("on leave"),
        "on_the_way": say("on the way"),
        "open": say("open"),
        "other": say("other"),
        "out_of_order": say("out of order"),
        "overdue": say("overdue"),
        "packed": say("packed"),
        "paid": say("paid"),
        "passed": say("passed"),
        "pending": say("pending"),
        "personal_income": say("personal income tax"),
        "phone": say("telephone"),
        "piece": say("piece"),
        "planned": say("planned"),
        "probation": say("probation"),
        "purchase": say("purchase"),
        "refunded": say("refunded"),
        "refused": say("refused"),
        "rejected": say("rejected"),
        "retired": say("retired"),
        "returned": say("returned"),
        "rework": say("to be reworked"),
        "running": say("running"),
        "sale": say("sale"),
        "settled": say("settled"),
        "software": say("software"),
        "stopped": say("stopped"),
        "suspended": say("suspended"),
        "terminated": say("terminated"),
        "twice": say("charged twice"),
        "value_added": say("value added tax"),
        "vehicle": say("vehicle"),
        "withdrawn": say("withdrawn"),
        "wrong_amount": say("wrong amount"),
    }
)


def choice_word(choice: str, language: Language) -> str:
    """A stored choice as people of this language say it."""
    return language.say(WORDS[choice]) if choice in WORDS else choice


def choice_of(typed: str, choices: Iterable[str], language: Language) -> str:
    """The choice that somebody means who types its word, or the choice itself; else what was typed,
    for the schema to refuse with what it offers.
    """
    meant = typed.strip().casefold()
    for choice in choices:
        if meant in (choice.casefold(), choice_word(choice, language).casefold()):
            return choice
    return typed
