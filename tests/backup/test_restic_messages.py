from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.restic_answers import forget_report
from secvault.backup.restic_messages import (
    BackupDone,
    CheckDone,
    Entry,
    ForgetGroup,
    Snapshot,
    Status,
    Trouble,
    go_duration,
    one_line,
    plain_words,
    read_as,
    read_list,
    read_message,
)

# What restic 0.14.0 and 0.18.0 printed.
RECORDED = Path(__file__).parent / "recorded"
LINES = [
    line
    for file in sorted(RECORDED.glob("*.jsonl"))
    for line in file.read_text(encoding="utf-8").splitlines()
]
FORGET = (RECORDED / "restic-0.14.0-forget.txt").read_bytes()
SHAPES: tuple[type[msgspec.Struct], ...] = (
    Status,
    BackupDone,
    CheckDone,
    Trouble,
    Snapshot,
    Entry,
    ForgetGroup,
)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_both_versions_are_recorded() -> None:
    assert len(LINES) == 18


@given(st.sampled_from(LINES), st.sampled_from(SHAPES), st.data())
def test_a_line_cut_short_anywhere_reads_as_nothing(
    line: str, shape: type[msgspec.Struct], data: st.DataObject
) -> None:
    whole = line.encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_as(whole[:cut], shape) is None
    assert read_list(b"[" + whole[:cut], Snapshot) is None


@given(st.sampled_from(LINES), st.sampled_from(SHAPES), st.text(min_size=1), ANY_JSON)
def test_a_key_that_nobody_knows_changes_nothing(
    line: str, shape: type[msgspec.Struct], key: str, value: object
) -> None:
    message = json.loads(line)
    known = {*message, *(field.encode_name for field in msgspec.structs.fields(shape))}
    longer = json.dumps({**message, key if key not in known else f"{key} of tomorrow": value})
    assert read_as(longer, shape) == read_as(line, shape)


@given(st.sampled_from(LINES), st.sampled_from(SHAPES), st.data(), ANY_JSON)
def test_a_value_of_another_type_never_raises(
    line: str, shape: type[msgspec.Struct], data: st.DataObject, value: object
) -> None:
    message = json.loads(line)
    key = data.draw(st.sampled_from(sorted(message)))
    changed = json.dumps({**message, key: value})
    read = read_as(changed, shape)
    assert read is None or isinstance(read, shape)
    assert all("\n" not in words for words in plain_words(changed))


@given(st.binary(), st.sampled_from(SHAPES))
def test_garbage_reads_as_nothing(garbage: bytes, shape: type[msgspec.Struct]) -> None:
    read = read_as(garbage, shape)
    assert read is None or garbage.lstrip().startswith(b"{")
    assert read_list(garbage, Snapshot) in {None, ()}


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000])
def test_nesting_without_end_reads_as_nothing(deep: bytes) -> None:
    assert read_as(deep, Status) is None
    assert read_list(deep, Snapshot) is None


def test_a_summary_of_either_version_names_its_snapshot() -> None:
    shapes = {"summary": BackupDone}
    done = [read_message(line, shapes) for line in LINES if '"snapshot_id"' in line]
    assert [(one.snapshot_id[:8], one.total_files_processed) for one in done if one] == [
        ("ab087e0c", 3),
        ("7057fe30", 3),
    ]


def test_nodes_and_snapshots_of_either_version_are_told_apart() -> None:
    entries = [read_message(line, {"node": Entry}) for line in LINES]
    snapshots = [read_message(line, {"snapshot": Snapshot}) for line in LINES]
    assert [one.path for one in entries if one] == [
        "/src/thư mục",
        "/src/thư mục/tệp.txt",
        "/tmp/r/src/thư mục/tệp.txt",
    ]
    assert [one.id[:8] for one in snapshots if one] == ["0f6c1eaf", "71ad34d0"]


def test_a_snapshots_time_counts_in_microseconds() -> None:
    line = next(line for line in LINES if "0f6c1eaf" in line)
    snapshot = read_as(line, Snapshot)
    assert snapshot is not None
    moment = datetime(2026, 11, 24, 0, 17, 25, 821782, tzinfo=UTC)
    assert abs(snapshot.time_micros - int(moment.timestamp() * 1_000_000)) <= 1


def test_the_list_before_the_text_of_prune_is_found() -> None:
    groups = read_list(FORGET, ForgetGroup)
    assert groups is not None
    report = forget_report(groups, (), pruned=True)
    assert [(kept.snapshot.id[:8], kept.reasons) for kept in report.kept] == [
        ("0f6c1eaf", ("last snapshot",))
    ]
    assert [snapshot.id[:8] for snapshot in report.removed] == ["ab087e0c"]


def test_a_snapshot_that_could_not_be_deleted_is_not_reported_as_gone() -> None:
    groups = read_list(FORGET, ForgetGroup) or ()
    report = forget_report(groups, ("snapshot ab087e0c13", "index 0b10d7eba1"), pruned=False)
    assert report.removed == ()
    assert [snapshot.id[:8] for snapshot in report.refused] == ["ab087e0c"]


@given(st.integers(0, len(FORGET)))
def test_a_forget_cut_short_is_whole_or_nothing(cut: int) -> None:
    groups = read_list(FORGET[:cut], ForgetGroup)
    assert groups is None or groups == read_list(FORGET, ForgetGroup)


def test_an_empty_list_may_be_null() -> None:
    assert read_list(b"null\n", Snapshot) == ()
    assert read_list(b"[]\n", Snapshot) == ()
    assert read_list(b"", Snapshot) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plain words\n", ["plain words"]),
        ("\x1b[2Ksignal interrupt received", ["signal interrupt received"]),
        ('{"message_type":"error","message":"one\\n\\ntwo\\n"}', ["one", "two"]),
        (LINES[3], ["open /srv/hr/secret: error 13"]),
        (LINES[14], ["open /srv/hr/secret: permission denied"]),
        ('{"message_type":"error","error":{},"item":"/a"}', ["/a: failed"]),
        ('{"not": "a complaint"}', ['{"not": "a complaint"}']),
        ("", []),
    ],
)
def test_complaints_become_words_for_a_person(line: str, words: list[str]) -> None:
    assert list(plain_words(line)) == words


@given(st.text())
def test_words_hold_no_control_characters(text: str) -> None:
    assert not any(ord(character) < 32 or ord(character) == 127 for character in one_line(text))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("804.809751ms", 0.804809751),
        ("2.99030978s", 2.99030978),
        ("1m10.43369612s", 70.43369612),
        ("26h3m0.5s", 93780.5),
        ("15µs", 15e-6),
        ("9" * 400 + "h", 1e9),
        ("", 0.0),
    ],
)
def test_durations_of_go_are_seconds(text: str, seconds: float) -> None:
    assert go_duration(text) == pytest.approx(seconds)
