"""Attachments and time: what is replaced, deleted, erased, killed, moved to another data key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from secvault.audit.query import Question, page
from secvault.errors import (
    ConfigurationError,
    Conflict,
    Damaged,
    NotFound,
    Refused,
    SecvaultError,
    Unavailable,
)
from secvault.records import attachment_rows
from secvault.service import Service, attachment_upload, attachments, authentication, records
from secvault.service.attachment_collection import (
    SILENT_SECONDS,
    collect_attachments,
    collect_due,
)
from secvault.service.attachment_upload import Sent, Upload
from secvault.service.attachments import NONE_YET, WHATEVER
from secvault.service.spine import Caller
from secvault.store.tables import attachment, data_key
from tests.api.test_api_attachments import CONTRACT
from tests.conftest import S3Server
from tests.running_service import House

PDF = b"%PDF-1.7\nthe first\n%%EOF\n"
OTHER = b"%PDF-1.7\nthe second, which is longer\n%%EOF\n"
DAY = 86_400
KEEP_DAYS = 14


class Desk:
    """Somebody who keeps contracts, and a look at what is stored of them."""

    def __init__(self, service: Service, house: House) -> None:
        self.service, self.house = service, house
        self.head = Caller(authentication.authenticate(service, house.tokens["head"]))
        self.operator = Caller(authentication.local_operator(service))

    def contract(self, name: str = "ct-1", **changed: Any) -> str:
        records.create_record(self.service, self.head, "contracts", name, {**CONTRACT, **changed})
        return name

    def begin(self, record: str = "ct-1", expected: str | None = None) -> Upload:
        sent = Sent("contract.pdf", "application/pdf")
        return attachment_upload.begin_upload(
            self.service, self.head, "contracts", record, "document", sent, expected
        )

    def put(self, content: bytes = PDF, record: str = "ct-1", expected: str | None = None) -> None:
        with attachment_upload.uploading(lambda: self.begin(record, expected)) as upload:
            upload.write(content)
            upload.finish()

    def get(self, record: str = "ct-1") -> bytes:
        opened = attachments.open_attachment(
            self.service, self.head, "contracts", record, "document"
        )
        return b"".join(opened.read())

    def collect(self, **how: bool) -> tuple[int, int]:
        done = collect_attachments(self.service, self.operator, **how)
        return done.removed, done.waiting

    @property
    def files(self) -> list[Path]:
        folder = self.house.settings.data_folder / "attachments"
        return sorted(file for file in folder.rglob("*") if file.is_file())

    def rows(self) -> dict[str, str]:
        with self.service.store.read() as connection:
            found = connection.execute(select(attachment.c.id, attachment.c.state))
            return {row.id: row.state for row in found}

    def events(self, kind: str) -> list[tuple[str, str, tuple[str, ...]]]:
        self.service.audit.drain()
        found = page(self.service.store, Question(kind=kind)).events
        return [(one.event.outcome, one.event.resource, tuple(one.event.fields)) for one in found]


@pytest.fixture
def desk(service: Service, house: House) -> Desk:
    made = Desk(service, house)
    made.contract()
    return made


def test_reading_and_writing_are_on_record_as_of_the_field(desk: Desk) -> None:
    desk.put()
    desk.get()
    attachments.remove_attachment(
        desk.service, desk.head, "contracts", "ct-1", "document", WHATEVER
    )
    written = ("ok", "hr/contracts/ct-1", ("document",))
    assert desk.events("record.update") == [written, written]
    read = ("ok", "hr/contracts/ct-1/document", ("document",))
    assert desk.events("record.read") == [read]


def test_a_refusal_and_a_damaged_content_are_on_record(desk: Desk) -> None:
    desk.put()
    with pytest.raises(Refused):
        attachments.open_attachment(desk.service, desk.operator, "contracts", "ct-1", "document")
    desk.files[0].write_bytes(b"x")
    with pytest.raises(Damaged):
        desk.get()
    assert [outcome for outcome, *_ in desk.events("record.read")] == ["error", "ok", "denied"]


def test_an_upload_that_fails_is_on_record_and_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(SecvaultError):
        desk.put(b"MZ is no document")
    assert [outcome for outcome, *_ in desk.events("record.update")] == ["error"]
    assert desk.files == []
    assert desk.collect() == (1, 0)
    assert desk.rows() == {}


def test_what_is_replaced_is_kept_for_some_days_then_removed(desk: Desk) -> None:
    desk.put()
    desk.put(OTHER)
    assert desk.get() == OTHER
    assert len(desk.files) == 2
    assert desk.collect() == (0, 1)
    desk.house.hands.seconds += KEEP_DAYS * DAY + 1
    assert collect_due(desk.service) == 1
    assert len(desk.files) == 1


def test_the_worker_records_nothing_when_nothing_is_due(desk: Desk) -> None:
    desk.put()
    assert collect_due(desk.service) == 0
    assert desk.events("attachment.collect") == []
    desk.put(OTHER)
    desk.house.hands.seconds += KEEP_DAYS * DAY + 1
    assert collect_due(desk.service) == 1
    assert [outcome for outcome, *_ in desk.events("attachment.collect")] == ["ok", "intent"]


@pytest.mark.parametrize("how", ["delete the record", "empty the field", "erase the data key"])
def test_what_no_record_can_open_any_more_is_removed(desk: Desk, how: str) -> None:
    desk.put()
    if how == "delete the record":
        records.delete_record(desk.service, desk.head, "contracts", "ct-1", 2)
    elif how == "empty the field":
        change = {"document": None}
        records.update_record(desk.service, desk.head, "contracts", "ct-1", change, 2)
    else:
        with desk.service.store.write() as connection:
            connection.execute(delete(data_key).where(data_key.c.collection == "contracts"))
    with pytest.raises((NotFound, Damaged)):
        desk.get()
    assert desk.collect() == (0, 1)
    desk.house.hands.seconds += KEEP_DAYS * DAY + 1
    assert desk.collect() == (1, 0)
    assert desk.files == []


def test_nothing_that_a_record_names_is_ever_removed(desk: Desk) -> None:
    for name in ("ct-2", "ct-3"):
        desk.contract(name)
    for name in ("ct-1", "ct-2", "ct-3"):
        desk.put(record=name)
    desk.house.hands.seconds += 1000 * DAY
    assert desk.collect(look_for_strays=True, remove_strays=True) == (0, 0)
    assert len(desk.files) == 3


def test_what_a_kill_left_is_removed_after_an_hour_of_silence(desk: Desk) -> None:
    desk.begin().write(PDF)
    assert set(desk.rows().values()) == {attachment_rows.UPLOADING}
    assert desk.collect() == (0, 0)
    desk.house.hands.seconds += SILENT_SECONDS + 1
    assert desk.collect() == (1, 0)
    assert desk.files == []
    assert desk.rows() == {}


def test_an_upload_that_was_given_up_is_not_kept(desk: Desk) -> None:
    upload = desk.begin()
    upload.write(PDF)
    desk.house.hands.seconds += SILENT_SECONDS + 1
    desk.collect()
    with pytest.raises(SecvaultError):
        upload.finish()
    with pytest.raises(NotFound):
        desk.get()


def test_two_uploads_at_once_end_with_one_whole_content(desk: Desk) -> None:
    first, second = desk.begin(expected=NONE_YET), desk.begin(expected=NONE_YET)
    first.write(PDF)
    second.write(OTHER)
    second.finish()
    with pytest.raises(Conflict):
        first.finish()
    first.abandon(Conflict("too late"))
    assert desk.get() == OTHER
    assert len(desk.files) == 1


def test_giving_up_what_was_kept_already_keeps_it(desk: Desk) -> None:
    upload = desk.begin()
    upload.write(PDF)
    upload.finish()
    # As when the answer of the database was lost on its way.
    upload.abandon(Unavailable("no answer"))
    assert desk.get() == PDF


def test_strays_are_only_told_of_until_somebody_says_to_remove_them(desk: Desk) -> None:
    desk.put()
    name = "ab" + "0" * 30
    stray = desk.house.settings.data_folder / "attachments" / "ab" / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    told = collect_attachments(desk.service, desk.operator, look_for_strays=True)
    assert (told.strays, told.strays_removed, stray.exists()) == (1, 0, True)
    done = collect_attachments(desk.service, desk.operator, remove_strays=True)
    assert (done.strays, done.strays_removed, stray.exists()) == (1, 1, False)
    assert desk.get() == PDF


def test_collecting_is_for_administrators(desk: Desk) -> None:
    with pytest.raises(Refused):
        collect_attachments(desk.service, desk.head)


def test_an_approval_of_a_record_is_void_when_its_file_changes(desk: Desk) -> None:
    before = records.read_record(desk.service, desk.head, "contracts", "ct-1")
    desk.put()
    after = records.read_record(desk.service, desk.head, "contracts", "ct-1")
    assert (before.version, after.version) == (1, 2)


STEPS: tuple[Callable[[Upload], object], ...] = (
    lambda upload: upload.write(OTHER[:10]),
    lambda upload: upload.write(OTHER[10:]),
    lambda upload: upload._incoming.finish(),
)


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_stopped_after_any_step_the_old_content_is_there_and_the_new_is_collected(
    desk: Desk, steps: int
) -> None:
    desk.put()
    upload = desk.begin()
    for step in STEPS[:steps]:
        step(upload)
    del upload
    assert desk.get() == PDF
    desk.house.hands.seconds += SILENT_SECONDS + 1
    assert desk.collect() == (1, 0)
    assert len(desk.files) == 1


@pytest.fixture
def ids(desk: Desk) -> str:
    desk.put()
    return desk.files[0].name


def test_what_lies_there_is_named_by_nothing_that_says_whose_it_is(ids: str) -> None:
    assert len(ids) == 32
    assert int(ids, 16)


@pytest.mark.real
def test_in_a_bucket_it_is_the_same(house: House, s3_server: S3Server) -> None:
    bucket = s3_server.new_bucket()
    place = {
        "SECVAULT_ATTACHMENTS__LOCATION": f"s3:{s3_server.endpoint}/{bucket}/contents",
        "SECVAULT_ATTACHMENTS__ACCESS_KEY_ID": s3_server.access_key,
        "SECVAULT_ATTACHMENTS__SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    house = replace(house, more=place)
    with house.open() as service:
        desk = Desk(service, house)
        desk.contract()
        desk.put()
        long = PDF + bytes(17 * 2**20)
        desk.put(long)
        opened = attachments.open_attachment(service, desk.head, "contracts", "ct-1", "document")
        part = b"".join(opened.read(9 * 2**20, 9 * 2**20 + 5))
        assert (part, len(desk.get())) == (bytes(5), len(long))
        desk.begin().write(long)
        house.hands.seconds += KEEP_DAYS * DAY + 1
        assert desk.collect(look_for_strays=True) == (2, 0)
        assert desk.files == []
        client = s3_server.client()
        assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")
    closed = replace(house, more={**place, "SECVAULT_ATTACHMENTS__SECRET_ACCESS_KEY": "wrong"})
    with closed.open() as service:
        operator = Caller(authentication.local_operator(service))
        with pytest.raises(Unavailable, match="refuses"):
            collect_attachments(service, operator, look_for_strays=True)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"LOCATION": "relative/folder"}, "attachments.location"),
        ({"LOCATION": "s3:https://s3.example.com/bucket"}, "access_key_id"),
        ({"LOCATION": "s3:https://key:secret@s3.example.com/bucket"}, "ATTACHMENTS__LOCATION"),
        ({"LOCATION": "s3:https://s3.example.com"}, "attachments.location"),
    ],
)
def test_a_place_that_cannot_be_is_said_at_the_start(
    house: House, more: dict[str, str], named: str
) -> None:
    given = {f"SECVAULT_ATTACHMENTS__{name}": value for name, value in more.items()}
    with pytest.raises(ConfigurationError, match=named):
        replace(house, more=given).open().__enter__()
