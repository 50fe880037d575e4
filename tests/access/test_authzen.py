"""`authzen.toml` is read strictly or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.access.authzen import OWN_NAMES, actions_of, load_names, parse_names
from secvault.errors import ConfigurationError
from tests.authzen.demo import HERE

COLLECTIONS = {"library": "administration", "todos": "administration"}
WHOLE = (HERE / "policies" / "authzen.toml").read_text("utf-8")


def test_without_a_file_there_are_only_our_own_names(tmp_path: Path) -> None:
    assert load_names(tmp_path, COLLECTIONS) is OWN_NAMES
    assert OWN_NAMES.subjects["user"].ids == ("name", "id")
    assert not OWN_NAMES.resources
    assert not OWN_NAMES.callers


def test_a_file_adds_types_actions_and_what_is_believed(tmp_path: Path) -> None:
    (tmp_path / "authzen.toml").write_text(WHOLE)
    names = load_names(tmp_path, COLLECTIONS)
    assert names.subjects["user"].ids == ("name", "external")
    assert names.subjects["svc"].kind == "svc"
    assert names.resources["record"].facts is None
    assert names.resources["todo"].facts == {"owner": "ownerID"}
    assert names.resources["user"].object == "people"
    assert list(names.resources["record"].actions) == ["view", "edit", "delete"]
    assert names.callers == {"gateway": {"second_factor_age", "ip_address", "ticket"}}


RECORD = "[resources.r]\ncollection = 'library'\nactions = { view = 'record.read' }\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "version = 1"),
        ("version = 2", "version = 1"),
        ("version = 1\nversion = 1", "is not TOML"),
        ("version = 1\nmore = 1", "'more' is not known here"),
        ("version = 1\nsubjects = 1", "subjects: must be tables"),
        ("version = 1\n[subjects]\nuser = 1", "subjects.user: must be a table"),
        ("version = 1\n[subjects.robot]\nkind = 'robot'\nids = ['id']", "kind is"),
        ("version = 1\n[subjects.user]\nids = []", "subjects.user.ids: name some of"),
        ("version = 1\n[subjects.user]\nids = ['mail']", "subjects.user.ids: name some of"),
        ("version = 1\n[subjects.user]\nids = ['id', 'id']", "each once"),
        ("version = 1\n[subjects.s]\nkind = 'svc'\nids = ['employee']", "name, id, each once"),
        ("version = 1\n[subjects.user]\nids = ['id']\nmore = 1", "'more' is not known here"),
        ("version = 1\n[resources.r]\nactions = { v = 'record.read' }", "one of the two"),
        (f"version = 1\n{RECORD}object = 'people'", "one of the two"),
        (f"version = 1\n{RECORD}department = 'hr'", "'department' is not known here"),
        ("version = 1\n[resources.r]\ncollection = 'books'\nactions = { v = 'record.read' }", "no"),
        ("version = 1\n[resources.r]\ncollection = 'library'", "actions: must be a table"),
        ("version = 1\n[resources.r]\ncollection = 'library'\nactions = {}", "at least one action"),
        (
            "version = 1\n[resources.r]\ncollection = 'library'\nactions = { v = 'key.read' }",
            "no action on this",
        ),
        ("version = 1\n" + RECORD.replace("record.read", "collection.read"), "no action on this"),
        (f"version = 1\n{RECORD}trusted = {{ second_factor = 'x' }}", "is no fact"),
        (f"version = 1\n{RECORD}trusted = {{ owner = 'a', employee = 'b' }}", "keep one"),
        (f"version = 1\n{RECORD}trusted = ['owner']", "must be a table from names to names"),
        (f"version = 1\n{RECORD}trusted = {{ owner = '' }}", "names have 1 to 128 characters"),
        (
            "version = 1\n[resources.r]\nobject = 'moon'\nactions = { v = 'person.read' }",
            "no object 'moon'",
        ),
        (
            "version = 1\n[resources.r]\nobject = 'people'\nactions = { v = 'grant.read' }",
            "no action on this",
        ),
        (
            (
                "version = 1\n[resources.r]\nobject = 'people'\ndepartment = 'moon'\n"
                "actions = { v = 'person.read' }"
            ),
            "department 'moon'",
        ),
        ("version = 1\n[callers.c]\ntrusted = ['recovering']", "none of what can be trusted"),
        ("version = 1\n[callers.c]", "must be a list"),
    ],
)
def test_a_fault_is_named_and_nothing_is_read(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=r"authzen\.toml") as refused:
        parse_names(text, COLLECTIONS)
    assert fault in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "authzen.toml").write_bytes(b"version = 1\n# \xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8 at byte 14"):
        load_names(tmp_path, COLLECTIONS)


def test_a_record_has_the_actions_on_records_and_a_collection_those_on_itself_too() -> None:
    assert "collection.read" not in actions_of("record")
    of_collections = {"collection.read", "schema.read", "schema.migrate"}
    of_collections |= {"index.read", "index.verify", "index.rebuild"}
    assert {*actions_of("record"), *of_collections} == {*actions_of("collection")}
    assert actions_of("spaceship") == ()
