"""Erasing takes attachments along: no key of theirs is left, and soon no content."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from secvault.errors import Erased, SecvaultError
from secvault.records import attachment_rows
from secvault.service import Service, records
from secvault.service.attachment_collection import collect_due
from secvault.service.erasing.target import Kind
from secvault.store.tables import attachment
from tests.running_service import House
from tests.service.erasing.office import KIEU, Office
from tests.service.test_attachments import OTHER, PDF, Desk


@pytest.fixture
def desk(service: Service, house: House, office: Office) -> Desk:
    """With two contracts of one person and one of another, each with its document."""
    made = Desk(service, house)
    for name, employee, content in (
        ("ct-1", KIEU, PDF),
        ("ct-2", KIEU, OTHER),
        ("ct-3", "nv-0007", OTHER),
    ):
        made.contract(name, employee=employee)
        made.put(content, record=name)
    return made


def keys(desk: Desk) -> dict[str, list[bytes | None]]:
    """The wrapped keys of the contents that are known, by record."""
    found: dict[str, list[bytes | None]] = {}
    with desk.service.store.read() as connection:
        column = attachment.c
        for row in connection.execute(
            select(column.record, column.wrapped_key).order_by(column.id)
        ):
            found.setdefault(row.record, []).append(row.wrapped_key)
    return found


def test_the_contents_of_an_erased_person_go_and_those_of_others_stay(
    desk: Desk, office: Office
) -> None:
    desk.put(b"%PDF-1.7\nreplaced\n%%EOF\n", record="ct-1")
    database = office.house.folder / "vault/secvault.db"
    wrapped = [key for name in ("ct-1", "ct-2") for key in keys(desk)[name] if key]
    assert len(wrapped) == 3
    office.erase_person()
    assert keys(desk)["ct-1"] == [None, None]
    assert keys(desk)["ct-2"] == [None]
    files = [path.read_bytes() for path in database.parent.glob("secvault.db*") if path.is_file()]
    assert not any(key in content for key in wrapped for content in files)
    # At once, whatever `attachments.keep_days` says: nothing opens them any more.
    assert collect_due(desk.service) == 3
    assert len(desk.files) == 1
    assert desk.get("ct-3") == OTHER
    assert keys(desk) == {"ct-3": keys(desk)["ct-3"]}


def test_one_record_of_a_person_takes_its_content_and_not_that_of_the_other(
    desk: Desk, office: Office
) -> None:
    """The data key stays, with which the content's key would open: so that goes itself."""
    done = office.erase(office.again("hoa"), Kind.RECORD, "ct-1", "contracts")
    assert (done.keys, done.shared) == (0, 1)
    assert keys(desk)["ct-1"] == [None]
    assert collect_due(desk.service) == 1
    with pytest.raises(Erased):
        desk.get("ct-1")
    assert desk.get("ct-2") == OTHER


def test_an_upload_for_a_record_that_is_erased_meanwhile_is_not_kept(
    desk: Desk, office: Office
) -> None:
    upload = desk.begin("ct-1")
    upload.write(OTHER)
    office.erase(office.again("hoa"), Kind.RECORD, "ct-1", "contracts")
    desk.contract("ct-1")
    with pytest.raises(SecvaultError):
        upload.finish()
    upload.abandon(KeyboardInterrupt())
    collect_due(desk.service)
    assert attachment_rows.UPLOADING not in desk.rows().values()
    assert (
        "document" not in records.read_record(desk.service, desk.head, "contracts", "ct-1").fields
    )
    assert len(desk.files) == 2
