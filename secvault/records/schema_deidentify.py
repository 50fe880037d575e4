"""What a de-identified export shows of a field, as its schema says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from secvault.records.declared import name_of, only, option, table_of, wrong
from secvault.records.value import FieldType

_STEP = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?")
_DATED = frozenset({FieldType.DATE, FieldType.DATETIME})
_AMOUNTS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY})


class How(StrEnum):
    """drop: nothing. pseudonym: a keyed name that is the same for the same value. mask: what the
    field's mask shows. year, month: of a date. band: which multiple of a step an amount is above.
    keep: the value.
    """

    DROP = "drop"
    PSEUDONYM = "pseudonym"
    MASK = "mask"
    YEAR = "year"
    MONTH = "month"
    BAND = "band"
    KEEP = "keep"


DEIDENTIFY_TYPES: Mapping[How, frozenset[FieldType]] = {
    How.DROP: frozenset(FieldType),
    How.PSEUDONYM: frozenset(FieldType) - {FieldType.ATTACHMENT, FieldType.BOOLEAN},
    How.MASK: frozenset(FieldType) - {FieldType.ATTACHMENT},
    How.YEAR: _DATED,
    How.MONTH: _DATED,
    How.BAND: _AMOUNTS,
    How.KEEP: frozenset(FieldType) - {FieldType.ATTACHMENT},
}
"""The types of fields that each way is made for."""


@dataclass(frozen=True)
class Deidentify:
    """domain: of pseudonyms; fields of one domain are joinable, in other collections too. Empty
    for a domain of the field's own. step: of bands, a decimal as text; empty otherwise.
    """

    how: How
    domain: str = ""
    step: str = ""


def deidentify_of(
    file: Path,
    at: str,
    type_: FieldType,
    declared: object,
    *,
    sensitive: bool,
) -> Deidentify | None:
    """What may be said of a field of this type. Raises ConfigurationError."""
    if declared is None:
        return None
    table = {"how": declared} if isinstance(declared, str) else table_of(file, at, declared)
    how = option(file, at if isinstance(declared, str) else f"{at}.how", How, table.get("how"))
    if type_ not in DEIDENTIFY_TYPES[how]:
        fitting = ", ".join(one for one in How if type_ in DEIDENTIFY_TYPES[one])
        wrong(file, at, f"{how} does not fit the type {type_}; take one of {fitting}")
    if how is How.MASK and not sensitive:
        wrong(file, at, "mask has no meaning on a normal field, which has none")
    only(file, f"{at}.", table, frozenset({"how", *_MORE.get(how, ())}))
    domain, step = table.get("domain"), table.get("step")
    if how is How.BAND and not (
        isinstance(step, str) and _STEP.fullmatch(step) and Decimal(step) > 0
    ):
        wrong(file, f"{at}.step", 'must be a step as text: { how = "band", step = "1000000" }')
    return Deidentify(
        how=how,
        domain=name_of(file, f"{at}.domain", domain) if domain is not None else "",
        step=str(step) if how is How.BAND else "",
    )


_MORE: Mapping[How, tuple[str, ...]] = {How.PSEUDONYM: ("domain",), How.BAND: ("step",)}
