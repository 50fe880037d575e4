"""`secvault records search`: records by what is in them; secrets are asked for, never arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, records, show
from secvault.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from secvault.records.collection import Collection, Field

_CONDITION = re.compile(r"([a-z][a-z0-9_]{0,62})(=|>=|<=|\^=|\$=)(.*)", re.DOTALL)
_ASKED = re.compile(r"([a-z][a-z0-9_]{0,62})(=|>=|<=|\^=|\$=|)")
_WORDS = {">=": "from", "<=": "to", "^=": "prefix", "$=": "last"}
_MONEY = re.compile(r"(.+) ([A-Z]{3})")

Said = tuple[str, str, str]
"""A field, how it is compared, and the value as it was typed."""


def search(
    context: typer.Context,
    collection: records.CollectionName,
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="A normal field: FIELD=VALUE, FIELD>=VALUE, FIELD<=VALUE, FIELD^=BEGINNING or "
            "FIELD$=END. Given again, all must hold; FIELD=VALUE of one field again, any.",
        ),
    ] = None,
    asked: Annotated[
        list[str] | None,
        typer.Option(
            "--ask",
            metavar="FIELD",
            help="Ask for the value of this field, unseen; without a terminal a line of stdin. "
            "For sensitive fields. Also FIELD>=, FIELD<=, FIELD^= and FIELD$=.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help='File with conditions as JSON, {"field": value} or {"field": {"from": ..., '
            '"to": ...}}; - for stdin.',
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="A normal field, or id; with a hyphen before it, descending.")
    ] = "id",
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Continue where the page before ended.")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 50,
    as_json: show.AsJson = False,
) -> None:
    """Find records by their fields, sensitive ones that the schema indexes included.

    Only fields that are shown to you in clear can be searched by. Values of sensitive fields never
    stand in the command's arguments: use --ask or --from.
    """
    conditions = _of_arguments(where or [])
    questions = [_question(one) for one in asked or []]
    with opening.vault(context) as (service, caller):
        found = operations.records.collections(service, caller)
        schema = next((one for one in found if one.name == collection), None)
        if schema is None:
            raise NotFound(f"there is no collection {collection[:64]!r} for this caller")
        _require_normal(schema, conditions)
        for name, how in questions:
            answer = ask.secret(f"{name} {how}" if how != "=" else name)
            conditions.append((name, how, answer.expose().decode()))
        given = ask.fields_from(source) if source is not None else {}
        wanted = _wanted(schema, conditions, given)
        page = operations.record_search.search_records(
            service, caller, collection, wanted, sort, after, limit
        )
    if as_json:
        rows = [records.document_of(view) for view in page.records]
        show.document({"records": rows, "next": page.next or None})
        return
    records.table(page.records)
    if page.next:
        show.talk(f"More: the same search with --after {page.next}")


def _of_arguments(where: Iterable[str]) -> list[Said]:
    found = []
    for one in where:
        match = _CONDITION.fullmatch(one)
        if match is None:
            # What is no condition may be anything, a value in the wrong place included.
            raise InvalidInput.at("--where", "write FIELD=VALUE, or >=, <=, ^= or $= for the =")
        found.append((match[1], match[2], match[3]))
    return found


def _question(asked: str) -> tuple[str, str]:
    match = _ASKED.fullmatch(asked)
    if match is None:
        raise InvalidInput.at("--ask", "name a field, with >=, <=, ^= or $= after it if need be")
    return match[1], match[2] or "="


def _require_normal(schema: Collection, conditions: Iterable[Said]) -> None:
    for name, _, _ in conditions:
        field = schema.fields.get(name)
        if field is not None and field.sensitive:
            raise InvalidInput.at(
                "--where",
                f"{name} is sensitive: its value does not belong into the command's arguments, "
                f"which others can see; use --ask {name}, or --from",
            )


def _wanted(
    schema: Collection, conditions: Iterable[Said], given: Mapping[str, Any]
) -> dict[str, Any]:
    wanted: dict[str, Any] = dict(given)
    for name, how, text in conditions:
        if name in given:
            raise InvalidInput.at(name, "is asked for in --from and by another option")
        value = _typed(schema.fields.get(name), text)
        before = wanted.get(name)
        if how in (">=", "<="):
            word = _WORDS[how]
            if before is not None and (not before.keys() <= {"from", "to"} or word in before):
                raise _twice(name)
            wanted[name] = {**(before or {}), word: value}
        elif how == "=" and (before is None or "in" in before):
            wanted[name] = {"in": [*(before or {"in": []})["in"], value]}
        elif before is None:
            wanted[name] = {_WORDS[how]: value}
        else:
            raise _twice(name)
    return wanted


def _twice(name: str) -> InvalidInput:
    return InvalidInput.at(name, "is asked for in two ways; give one range, or values")


def _typed(field: Field | None, text: str) -> Any:
    """The value as JSON has it; what is no value of the type is left for the schema to refuse."""
    kind = "" if field is None else str(field.type)
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,16}", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    match = _MONEY.fullmatch(text) if kind == "money" else None
    return {"amount": match[1], "currency": match[2]} if match else text
