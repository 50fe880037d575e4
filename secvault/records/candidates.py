"""Which records may be what a search asks for: by what tokens, and by what is kept in clear.

Every record that is what a search asks for is a candidate. Some candidates are not: other values
share a token, or a bucket; only opening them tells (`search`). The question to the database is in
`search_question`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, and_, exists, or_

from secvault.errors import InvalidInput
from secvault.records import plain_column
from secvault.records.blind_index import IndexKeys, Kind, Token, token_of
from secvault.records.collection import Collection, Field
from secvault.records.normal_form import bucket_of, buckets_between, normal_form
from secvault.records.schema_index import Index
from secvault.records.search_terms import Condition, How, Search
from secvault.store.tables import record, record_field

Sought = tuple[Kind, frozenset[str], int]
"""What kind of token, of what (see `blind_index.token_of`), and how many bits each has."""


def indexed_fields(search: Search) -> tuple[Field, ...]:
    """The fields of which an index is needed.

    Raises one InvalidInput where the present schema has no index that answers.
    """
    found = [one for one in search.conditions if one.field.sensitive]
    for one in found:
        if one.field.index is None:
            raise InvalidInput.at(
                one.field.name, "is stored encrypted and has no index, so it cannot be searched for"
            )
        if one.field.retired:
            raise InvalidInput.at(one.field.name, "is retired, and its index is kept no longer")
        sought(one, one.field.index)
    return tuple(one.field for one in found)


def sought(condition: Condition, index: Index) -> Sought:
    """The tokens by which this index answers. Raises InvalidInput where it does not."""
    field = condition.field
    if condition.how is How.IS:
        return _whole(condition, index)
    if condition.how is How.RANGE:
        if index.range is None:
            raise _unanswered(field, index)
        by = index.range.by
        names = buckets_between(field.type, by, condition.low, condition.high, field.name)
        return Kind.RANGE, frozenset(names), index.range.bits
    ending = condition.how is How.LAST
    part = index.last if ending else index.prefix
    if part is None:
        raise _unanswered(field, index)
    if len(condition.part) < part.length:
        raise InvalidInput.at(
            field.name, f"needs {part.length} or more of the {'last' if ending else 'first'} "
            "characters: its index is made of so many"
        )  # fmt: skip
    length = part.length
    said = condition.part[-length:] if ending else condition.part[:length]
    return (Kind.LAST if ending else Kind.PREFIX), frozenset({said}), part.bits


def wanted_tokens(
    search: Search, versions: Mapping[str, tuple[Index, ...]], keys: IndexKeys
) -> tuple[frozenset[Token], ...]:
    """For each condition on a sealed field the tokens of which a candidate has one.

    versions: of the indexes of `indexed_fields`, which are all asked by. Raises InvalidInput.
    """
    return tuple(
        frozenset(
            token for index in versions[one.field.name] for token in _tokens(one, index, keys)
        )
        for one in search.conditions
        if one.field.sensitive
    )


def in_clear(dialect: str, collection: Collection, search: Search) -> list[ColumnElement[bool]]:
    """Conditions on rows of `record`: what is asked of the plain fields."""
    return [
        _in_clear(dialect, collection, one) for one in search.conditions if not one.field.sensitive
    ]


def _whole(condition: Condition, index: Index) -> Sought:
    field = condition.field
    forms = frozenset(normal_form(field.type, value) for value in condition.values)
    if index.exact is not None:
        return Kind.EXACT, forms, index.exact
    shortest = min(map(len, forms))
    # A part of a value, or its bucket, finds it too, with more that is opened in vain.
    if index.prefix is not None and shortest >= index.prefix.length:
        parts = frozenset(form[: index.prefix.length] for form in forms)
        return Kind.PREFIX, parts, index.prefix.bits
    if index.last is not None and shortest >= index.last.length:
        return Kind.LAST, frozenset(form[-index.last.length :] for form in forms), index.last.bits
    if index.range is not None:
        by = index.range.by
        names = frozenset(bucket_of(field.type, by, value) for value in condition.values)
        return Kind.RANGE, names, index.range.bits
    raise _unanswered(field, index)


def _unanswered(field: Field, index: Index) -> InvalidInput:
    answers = []
    if index.exact is not None:
        answers.append("whole values")
    if index.prefix is not None:
        answers.append(f"the first {index.prefix.length} or more characters")
    if index.last is not None:
        answers.append(f"the last {index.last.length} or more characters")
    if index.range is not None:
        answers.append("ranges")
    return InvalidInput.at(
        field.name, f"is stored encrypted, and is searched for by {' or '.join(answers)} only"
    )


def _tokens(condition: Condition, index: Index, keys: IndexKeys) -> Iterator[Token]:
    kind, said, bits = sought(condition, index)
    name, version = condition.field.name, index.version
    for one in said:
        yield name, kind, version, token_of(keys, name, version, kind, one, bits)


def _in_clear(dialect: str, collection: Collection, condition: Condition) -> ColumnElement[bool]:
    """By the plain value; a record that an older schema wrote may have it sealed still."""
    column = record_field.c
    sealed = exists().where(
        column.collection == record.c.collection,
        column.record == record.c.id,
        column.field == condition.field.name,
    )
    older = and_(record.c.schema_version != collection.version, sealed)
    return or_(plain_column.holds(dialect, condition), older)
