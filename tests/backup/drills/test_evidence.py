"""Evidence of drills: one form for each, whatever was found; and no byte changes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.audit import verify_export
from secvault.backup.drills import evidence, files, pages
from secvault.backup.drills.exercise import RehearsalResult, ScenarioResult
from secvault.backup.drills.result import DrillResult, Fault, LevelResult, RtoEstimate
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.evidence import SignedEvidence, sign_evidence, verify_evidence
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from tests.backup.drills.results import EARLIER, FAILED, PASSED, RANSOMWARE, REHEARSAL, VERSION_1

GOLDEN = Path(__file__).parent / "golden"
SIGNER = NoteSigner("acme/v1/evidence", Secret(bytes(range(32))))
VKEY = SIGNER.verifier().vkey
RESULTS: Mapping[str, DrillResult | ScenarioResult | RehearsalResult] = {
    "passed": PASSED,
    "failed": FAILED,
    "scenario": RANSOMWARE,
    "rehearsal": REHEARSAL,
    "recovery": replace(REHEARSAL, mode="recovery"),
}


def signed(result: DrillResult | ScenarioResult | RehearsalResult) -> SignedEvidence:
    return sign_evidence(evidence.document(result, earlier=EARLIER[:2]), SIGNER)


def put(folder: Path, document: bytes, note: bytes) -> Path:
    file = folder / "drill.json"
    file.write_bytes(document)
    file.with_suffix(".note").write_bytes(note)
    return file


@pytest.mark.parametrize("name", RESULTS)
def test_the_form_of_evidence_stays_the_same_to_the_byte(name: str) -> None:
    """To change a form on purpose: give it a new version, and keep showing the old one."""
    made = evidence.document(RESULTS[name], earlier=EARLIER[:2])
    made["program"] = "secvault 0"
    golden = (GOLDEN / f"{name}.json").read_bytes()
    assert canonical_json(made) == golden.rstrip(b"\n")


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_evidence_is_verified_with_the_public_key_alone(
    result: DrillResult | ScenarioResult | RehearsalResult, tmp_path: Path
) -> None:
    made = signed(result)
    said = verify_evidence(made.document, made.note, SIGNER.verifier())
    assert said["id"] == result.id
    assert said["passed"] is result.passed
    found = verify_export.verify(put(tmp_path, made.document, made.note), VKEY, [])
    assert found["intact"], found["problems"]
    ending = ", passed" if result.passed else ", DID NOT PASS"
    assert found["evidence"] == f"{said['kind']} {result.id}{ending}"


def test_any_byte_that_is_changed_is_noticed() -> None:
    made = signed(PASSED)
    for part in (0, 1):
        whole = (made.document, made.note)[part]
        for at in range(len(whole)):
            for change in (0x01, 0x20, 0x80) if part else (0x01,):
                changed = bytearray(whole)
                changed[at] ^= change
                pair = [made.document, made.note]
                pair[part] = bytes(changed)
                with pytest.raises(Damaged):
                    verify_evidence(pair[0], pair[1], SIGNER.verifier())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_program_of_one_file_notices_any_change_too(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made = signed(FAILED)
    in_note = data.draw(st.booleans())
    whole = made.note if in_note else made.document
    at = data.draw(st.integers(0, len(whole)))
    sort = data.draw(st.sampled_from(("change", "drop", "add", "swap")))
    byte = data.draw(st.integers(0, 255))
    changed = {
        "change": whole[:at] + bytes([byte]) + whole[at + 1 :],
        "drop": whole[:at] + whole[at + 1 :],
        "add": whole[:at] + bytes([byte]) + whole[at:],
        "swap": whole[:at] + whole[at : at + 2][::-1] + whole[at + 2 :],
    }[sort]
    if changed == whole:
        return
    pair = (made.document, changed) if in_note else (changed, made.note)
    found = verify_export.verify(put(tmp_path_factory.mktemp("e"), *pair), VKEY, [])
    assert not found["intact"]
    assert "evidence" not in found
    with pytest.raises(Damaged):
        verify_evidence(*pair, SIGNER.verifier())


def test_evidence_signed_by_another_key_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    made = signed(PASSED)
    other = NoteSigner(SIGNER.name, Secret(bytes(32))).verifier().vkey
    file = put(tmp_path, made.document, made.note)
    assert not verify_export.verify(file, other, [])["intact"]
    scenario = signed(RANSOMWARE)
    file = put(tmp_path, scenario.document, made.note)
    assert not verify_export.verify(file, VKEY, [])["intact"]


def test_the_program_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = signed(FAILED)
    file = put(tmp_path, made.document, made.note)
    assert verify_export.main([str(file), "--key", VKEY]) == 0
    said = capsys.readouterr().out
    assert f"evidence: restore-drill {FAILED.id}, DID NOT PASS" in said
    assert "unchanged: yes" in said
    file.write_bytes(made.document.replace(b'"passed":false', b'"passed":true '))
    assert verify_export.main([str(file), "--key", VKEY]) == 5
    said = capsys.readouterr().out
    assert "NOT GENUINE" in said
    assert "unchanged: NO" in said


def test_names_of_files_that_are_no_utf8_can_be_stated() -> None:
    fault = Fault("file-missing", "/srv/\udcff\ud800.txt", "gone")
    level = LevelResult("files", "failed", 1.0, faults=(fault,))
    made = evidence.document(replace(PASSED, levels=(level,)))
    assert "/srv/\\\\xff\\\\ud800.txt" in canonical_json(made).decode()


def test_what_is_too_long_to_list_is_counted() -> None:
    faults = tuple(Fault("file-missing", f"/{number}", "gone") for number in range(1_000))
    open_things = tuple(str(number) for number in range(700))
    level = LevelResult("files", "failed", 1.0, faults=faults, not_tested=open_things)
    made = json.loads(canonical_json(evidence.document(replace(PASSED, levels=(level,)))))
    (told,) = made["levels"]
    assert len(told["faults"]) == len(told["not_tested"]) == evidence.MOST_LISTED
    assert told["fault_count"] == 1_000
    assert told["not_tested_count"] == 700


def test_an_estimate_without_an_upper_bound_says_so() -> None:
    figures = replace(FAILED.figures, estimate=RtoEstimate(1.0, 0.5, float("inf")))
    made = json.loads(canonical_json(evidence.document(replace(FAILED, figures=figures))))
    assert made["figures"]["estimate"] == {"ms": 1000, "low_ms": 500, "high_ms": None}


def test_the_files_of_evidence_are_written_whole_with_what_verifies_them(tmp_path: Path) -> None:
    made = signed(PASSED)
    verified = verify_evidence(made.document, made.note, SIGNER.verifier())
    folder = tmp_path / "evidence"
    written = files.write(folder, made.document, made.note, verified)
    assert [file.name for file in written] == list(files.names(verified))
    assert written[0].name == "drill-drill-nightly-2026-11-24T04-00-00Z.json"
    assert written[0].read_bytes() == made.document
    assert "Diễn tập" in written[3].read_text("utf-8")
    assert {file.name for file in folder.iterdir()} == {*files.names(verified), files.VERIFIER}
    assert folder.stat().st_mode & 0o777 == 0o700


_TEXT = st.text(max_size=20)
_FACTS: st.SearchStrategy[float] = st.floats(min_value=0, max_value=1e9) | st.just(float("inf"))


@given(
    st.builds(
        replace,
        st.sampled_from((PASSED, FAILED)),
        plan=_TEXT,
        requested_by=_TEXT,
        levels=st.lists(
            st.builds(
                LevelResult,
                name=st.sampled_from(("repository", "files", "vault")),
                verdict=st.sampled_from(("passed", "failed", "not tested")),
                seconds=_FACTS,
                faults=st.lists(
                    st.builds(Fault, code=st.sampled_from(("no-room",)), where=_TEXT, words=_TEXT),
                    max_size=3,
                ).map(tuple),
                not_tested=st.lists(_TEXT, max_size=2).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_was_found_can_be_signed_and_shown(result: DrillResult) -> None:
    made = signed(result)
    verified = verify_evidence(made.document, made.note, SIGNER.verifier())
    assert verified["passed"] is result.passed
    for language in pages.LANGUAGES:
        assert pages.html_page(verified, made.note.decode(), language)


def test_evidence_of_version_1_is_still_verified_and_shown() -> None:
    old: dict[str, JsonValue] = dict(VERSION_1)  # type: ignore[arg-type]
    made = sign_evidence(old, SIGNER)
    verified = verify_evidence(made.document, made.note, SIGNER.verifier())
    assert "22 h 13 min" in pages.html_page(verified, made.note.decode(), "en")
    assert "Mọi tệp đúng như lúc sao lưu" in pages.html_page(verified, "", "vi")
