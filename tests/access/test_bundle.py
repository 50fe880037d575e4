"""Bundles: strict names and sizes, one digest for one policy, nothing misspelt passed over."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access.bundle import (
    LARGEST_FILE,
    Bundle,
    bundle_of,
    changed_files,
    read_folder,
    stored_bundle,
)
from secvault.errors import ConfigurationError, Damaged

POLICIES = Path(__file__).parents[2] / "policies"
LEAST = {"model.conf": "m", "roles.csv": "r", "obligations.toml": "o", "collections/hr.toml": "c"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def test_the_shipped_folder_is_a_bundle_and_comes_back_from_its_stored_form() -> None:
    bundle = read_folder(POLICIES)
    assert {"model.conf", "roles.csv", "obligations.toml"} < bundle.files.keys()
    assert len(bundle.inside("collections")) == 8
    assert stored_bundle(bundle.body, bundle.digest) == bundle


@given(st.dictionaries(st.sampled_from(sorted(LEAST)), st.text(max_size=20), min_size=4))
def test_one_digest_is_one_policy_to_the_letter(texts: dict[str, str]) -> None:
    one, other = bundle_of(texts), bundle_of(dict(reversed(texts.items())))
    assert one.digest == other.digest
    assert stored_bundle(one.body, one.digest).files == dict(sorted(texts.items()))
    changed = bundle_of({**texts, "roles.csv": texts["roles.csv"] + "x"})
    assert changed.digest != one.digest
    assert changed_files(one, changed) == {"roles.csv": "changed"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"separtion.toml": ""}, "separtion.toml"),
        ({"collections/../../etc.toml": ""}, "collections/../../etc.toml"),
        ({"collections/HR.toml": ""}, "collections/HR.toml"),
        ({"tests/a/b.toml": ""}, "tests/a/b.toml"),
        ({"roles.csv": "x" * (LARGEST_FILE + 1)}, "roles.csv"),
        ({"roles.csv": "\ud800"}, "roles.csv"),
        ({f"tests/t{number}.toml": "" for number in range(200)}, "policy"),
    ],
)
def test_what_is_no_file_of_a_policy_is_refused_by_name(
    changed: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bundle_of({**LEAST, **changed})
    assert [fault.field for fault in refused.value.fields] == [named]


def test_every_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        bundle_of({})
    named = [fault.field for fault in refused.value.fields]
    assert named == ["model.conf", "roles.csv", "obligations.toml", "collections"]


def test_a_folder_may_hold_remarks_but_nothing_that_looks_like_policy_and_is_not(
    folder: Path,
) -> None:
    before = read_folder(folder).digest
    for name in ("README.md", ".hidden.toml", "roles.csv~", "tests"):
        (folder / name).mkdir(exist_ok=True) if name == "tests" else (folder / name).write_text("x")
    assert read_folder(folder).digest == before
    (folder / "tests" / "payroll.toml").write_text("")
    (folder / "separation.toml").write_text("")
    assert {"tests/payroll.toml", "separation.toml"} < read_folder(folder).files.keys()
    (folder / "obligation.toml").write_text("")
    (folder / "collections" / "Hr.toml").write_text("")
    (folder / "model.conf").write_bytes(b"\xff")
    (folder / "roles.csv").unlink()
    with pytest.raises(ConfigurationError) as refused:
        read_folder(folder)
    named = {Path(fault.field).name for fault in refused.value.fields}
    assert named == {"obligation.toml", "Hr.toml", "model.conf", "roles.csv"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":1}', b'{ "a":"b"}'])
def test_a_stored_bundle_that_is_not_what_was_stored_is_damage(body: bytes) -> None:

    with pytest.raises(Damaged):
        stored_bundle(body, Bundle({"a": "b"}).digest)
    with pytest.raises(Damaged):
        stored_bundle(body, hashlib.sha256(body).hexdigest())
