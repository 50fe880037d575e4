"""Every kind of event is told in OCSF 1.8.0, as its schema has it.

`ocsf-1.8.0.json` beside this file is cut out of that schema; it says how.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Actor, DecisionNote, Event
from secvault.audit.facts import FACTS
from secvault.audit.formats import FORMATS, ExportFacts
from secvault.audit.formats.ocsf_format import document
from secvault.audit.formats.ocsf_mapping import mapping
from secvault.audit.leaf import Number, StoredEvent, decode, encode

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("ocsf-1.8.0.json").read_text("utf-8"))
VALIDATORS = {
    name: jsonschema_rs.validator_for({**one, "$defs": SCHEMA["$defs"]})
    for name, one in SCHEMA["classes"].items()
}
PERSON = Actor("user", "u-7", "s-1", ("password", "totp"), ("role:hr.clerk",))
PRODUCT = {"name": "secvault", "vendor_name": "secvault", "version": "1"}


def stored(event: Event) -> StoredEvent:
    """The event as it lies in the log."""
    body = encode(event, id="0190aaaa", t=1_790_000_000_123_456, number=Number("node-1", "s", 1))
    return decode(body, seq=7)


def fact(name: str) -> str | int | bool:
    """Some value of a fact."""
    type_ = FACTS[name]
    if type_.form != "text":
        return True if type_.form == "flag" else 3
    return next(text for text in ("abc", "ab" * 32) if type_.admits(text))


def told(event: Event) -> dict[str, Any]:
    """The event as OCSF, which must be valid."""
    made = json.loads(json.dumps(document(stored(event), origin="log", product=PRODUCT)))
    VALIDATORS[mapping().of(event.kind).name].validate(made)
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_mapped_and_valid_with_as_much_and_as_little_as_it_can_say(kind: str) -> None:
    assert kind in mapping().told or f"{kind.partition('.')[0]}.*" in mapping().told
    decision = DecisionNote("rule", "ab" * 32, "cd" * 16)
    detail = {name: fact(name) for name in KINDS[kind]}
    for outcome in OUTCOMES:
        told(Event(kind, outcome, Actor("system", "jobs"), ""))
        told(Event(kind, outcome, PERSON, "hr/e/1", "hr", ("f",), 0, decision, "c", "r", detail))


def test_what_the_mapping_names_is_a_kind_and_a_class_of_the_schema() -> None:
    families = {kind.partition(".")[0] for kind in KINDS}
    for name, one in mapping().told.items():
        assert name in KINDS or (name.endswith(".*") and name[:-2] in families), name
        schema = SCHEMA["classes"][one.name]["properties"]
        assert one.activity in schema["activity_id"]["enum"], name
        assert one.uid == schema["class_uid"]["const"]
        assert one.category == schema["category_uid"]["const"]
    assert mapping().version == "1.8.0"


def test_a_decryption_is_datastore_activity_10() -> None:
    event = Event("data.decrypt", "denied", PERSON, "hr/transit/k", "hr", count=3)
    made = told(event)
    assert (made["class_uid"], made["activity_id"], made["type_uid"]) == (6005, 10, 600510)
    assert (made["status"], made["severity_id"], made["count"]) == ("Failure", 3, 3)
    assert made["time"] == 1_790_000_000_123
    assert made["unmapped"]["time_micros"] == 1_790_000_000_123_456
    assert made["actor"]["user"] == {"uid": "user:u-7", "type_id": 1}


def test_a_kind_of_a_later_version_is_an_activity_of_the_programming_interface() -> None:
    body = stored(Event("data.decrypt", "ok", PERSON, "x")).body.replace(
        b"data.decrypt", b"new.thing"
    )
    made = document(decode(body, seq=1), origin="log", product=PRODUCT)
    assert (made["class_uid"], made["activity_name"]) == (6003, "new.thing")


def test_a_file_has_one_document_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.ocsf.jsonl"
    events = [stored(Event("record.read", "ok", PERSON, "hr/e/1"))] * 3
    assert FORMATS["ocsf"].write(events, file, facts=ExportFacts("log", 0)) == 3
    lines = [json.loads(one) for one in file.read_text("utf-8").splitlines()]
    assert [one["metadata"]["sequence"] for one in lines] == [7, 7, 7]
