"""How long the records of a collection are kept, from when, and by which rule of law."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.records.declared import integer, only, table_of, title_of, wrong

OWN_TIMES = ("created_at", "updated_at")
"""What a period can begin with beside a field: the times of the record itself."""

LONGEST_YEARS = 200


@dataclass(frozen=True)
class Retention:
    """A period of years and months, longer than none.

    from_field: the plain field of type date or datetime, or one of `OWN_TIMES`, that it begins
    with; a record without a value there is kept. reason: by language, `en` always there.
    """

    years: int
    months: int
    from_field: str
    reason: Mapping[str, str]


def retention_of(
    file: Path, at: str, declared: object, days: Collection[str], fields: Collection[str]
) -> Retention | None:
    """What may be the period of a collection. Raises ConfigurationError.

    days: the fields that it can begin with. fields: all of the collection.
    """
    if declared is None:
        return None
    table = table_of(file, at, declared)
    only(file, f"{at}.", table, frozenset({"years", "months", "from", "reason"}))
    start = table.get("from")
    known = [*sorted(days), *(time for time in OWN_TIMES if time not in fields)]
    if not isinstance(start, str) or start not in known:
        wrong(file, f"{at}.from", f"must be a date of class normal: one of {', '.join(known)}")
    years = integer(file, f"{at}.years", table.get("years", 0), LONGEST_YEARS, least=0)
    months = integer(file, f"{at}.months", table.get("months", 0), 11, least=0)
    if years == months == 0:
        wrong(file, at, "states no period; write years, months or both")
    return Retention(years, months, start, title_of(file, f"{at}.reason", table.get("reason")))
