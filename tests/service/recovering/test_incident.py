"""The log of an incident: lines that follow from one another, whatever is done to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.clock import Clock
from secvault.errors import Damaged, SecvaultError
from secvault.service.recovering import incident


def _clock() -> Clock:
    return Clock(wall=lambda: 1_790_000_000_000_000, monotonic=lambda: 0.0, sleep=lambda _: None)


def _written(file: Path) -> incident.Incident:
    log = incident.opened(file, _clock(), "Lan Trần, quản trị")
    log.add("declared", "Cháy ở phòng máy")
    log.add("share-given", "share 2 by Bình", share=2)
    log.add("kit-opened", "kit k1", verdict="passed", ms=12)
    return log


def test_lines_are_read_back_as_they_were_written_and_have_one_head(tmp_path: Path) -> None:
    log = _written(tmp_path / "incident.jsonl")
    found = incident.read(log.file)
    assert [one.what for one in found] == ["declared", "share-given", "kit-opened"]
    assert [one.number for one in found] == [1, 2, 3]
    assert {one.who for one in found} == {"Lan Trần, quản trị"}
    assert found[1].facts == {"share": 2}
    assert found[0].at == "2026-09-21T14:13:20.000000Z"
    assert incident.head_of(log.file) == log.head


def test_the_form_of_a_line_stays_as_it_is(tmp_path: Path) -> None:
    log = incident.opened(tmp_path / "incident.jsonl", _clock(), "Lan")
    log.add("declared", "Cháy", share=2)
    assert log.file.read_text() == (
        '{"at":"2026-09-21T14:13:20.000000Z","before":"' + 64 * "0" + '","facts":{"share":2},'
        '"format":"secvault incident v1","number":1,"what":"declared","who":"Lan",'
        '"words":"Cháy"}\n'
    )


def test_another_person_goes_on_with_it(tmp_path: Path) -> None:
    log = _written(tmp_path / "incident.jsonl")
    again = incident.opened(log.file, _clock(), "Bình")
    again.add("resumed", "Bình goes on")
    assert [one.who for one in incident.read(log.file)][-1] == "Bình"
    assert [one.number for one in incident.read(log.file)] == [1, 2, 3, 4]


def test_a_line_that_a_killed_process_did_not_finish_is_cut_off(tmp_path: Path) -> None:
    log = _written(tmp_path / "incident.jsonl")
    whole = log.file.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1])):
        log.file.write_bytes(whole[:-cut])
        again = incident.opened(log.file, _clock(), "Bình")
        again.add("resumed", "goes on")
        assert [one.number for one in incident.read(log.file)] == [1, 2, 3]


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    log = _written(tmp_path / "incident.jsonl")
    assert log.file.stat().st_mode & 0o077 == 0


@given(at=st.integers(0, 100_000), value=st.integers(0, 255))
def test_no_byte_of_it_can_be_changed_unseen(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"incident-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    (folder / "incident.jsonl").unlink(missing_ok=True)
    log = _written(folder / "incident.jsonl")
    head, whole = log.head, bytearray(log.file.read_bytes())
    where = at % len(whole)
    if whole[where] == value:
        return
    whole[where] = value
    log.file.write_bytes(whole)
    try:
        seen = incident.head_of(log.file)
    except SecvaultError as error:
        assert isinstance(error, Damaged)  # noqa: PT017
        return
    # The last line can only be known by the head that was kept elsewhere.
    assert seen != head


def test_no_line_can_be_taken_out_or_moved(tmp_path: Path) -> None:
    log = _written(tmp_path / "incident.jsonl")
    lines = log.file.read_bytes().splitlines(keepends=True)
    for others in (lines[1:], [lines[0], lines[2]], [lines[1], lines[0], lines[2]], lines + lines):
        log.file.write_bytes(b"".join(others))
        with pytest.raises(Damaged):
            incident.read(log.file)
