"""The published JSON schemas of AuthZEN, read as they are meant; see interop/README.md."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from tests.authzen.demo import published

_KEPT = ("$schema", "$id", "$comment", "title", "examples")


def faults(name: str, value: Any) -> list[str]:
    """What is wrong with `value` by the schema of this name, such as `search-action-response`."""
    return [str(error) for error in _validator(name).iter_errors(value)]


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(_meant(published(f"schemas/{name}.json")))


def _meant(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        there = _meant(published(f"schemas/{schema['$ref'].removeprefix('./')}"))
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**there, **{key: value for key, value in beside.items() if key not in _KEPT}}
    read = {key: value for key, value in schema.items() if key not in _KEPT}
    properties = read.get("properties")
    if isinstance(properties, dict):
        # One of them is the keyword, one level too deep.
        read["properties"] = {
            key: _meant(value) for key, value in properties.items() if isinstance(value, dict)
        }
    elif read.get("additionalProperties") is False:
        # An object that may hold nothing at all.
        del read["additionalProperties"]
    if "items" in read:
        read["items"] = _meant(read["items"])
    return read
