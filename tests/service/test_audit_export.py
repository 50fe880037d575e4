"""Taking the log away: on record from beginning to end, and with pseudonyms where asked for."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from secvault.audit import query, verify_export
from secvault.audit.question import Question
from secvault.errors import InvalidInput, Refused
from secvault.service import Service
from secvault.service.audit_export import Wanted, export_log
from tests.running_service import House
from tests.service.test_record_exports import caller


def recorded(service: Service) -> list[tuple[str, int | None, str]]:
    """Outcome, count and reason of each export on record."""
    service.audit.drain()
    found = query.events(service.store, Question(kind="audit.export"))
    return [
        (one.event.outcome, one.event.count, str(one.event.detail.get("reason", "")))
        for one in found
    ]


def test_an_export_that_is_given_up_is_on_record_as_that(service: Service, house: House) -> None:
    auditor = caller(service, house, "auditor")
    with export_log(service, auditor, Wanted(Question())) as export:
        next(export.parts())
    assert recorded(service) == [("intent", None, ""), ("error", 0, "cancelled")]


def test_who_may_not_read_the_log_takes_none_of_it_away(service: Service, house: House) -> None:
    with pytest.raises(Refused):
        export_log(service, caller(service, house, "head"), Wanted(Question()))
    with pytest.raises(InvalidInput):
        export_log(service, caller(service, house, "auditor"), Wanted(Question(), ("pdf",)))
    assert [outcome for outcome, _, _ in recorded(service)] == ["denied"]


def test_a_pseudonymised_export_names_nobody(
    service: Service, house: House, tmp_path: Path
) -> None:
    auditor = caller(service, house, "auditor")
    people = {
        one.event.actor.id
        for one in query.events(service.store, Question())
        if one.event.actor.kind == "user"
    }
    wanted = Wanted(Question(), ("csv", "ocsf", "parquet", "xlsx", "cef"), pseudonyms=True)
    with export_log(service, auditor, wanted) as export:
        pack = b"".join(export.parts())
    people.add(auditor.principal.subject.partition(":")[2])
    with zipfile.ZipFile(BytesIO(pack)) as archive:
        tables = {name: archive.read(name) for name in archive.namelist() if "events" in name}
    assert len(tables) == 5
    for name in ("events.csv", "events.ocsf.jsonl", "events.cef"):
        assert b"person-" in tables[name]
        assert not any(one.encode() in tables[name] for one in people), name
    file = tmp_path / "pack.zip"
    file.write_bytes(pack)
    found = verify_export.verify(file, service.signing.audit.verifier().vkey, [])
    assert found["problems"] == []
    assert not any(Path(service.settings.data_folder / "scratch").iterdir())
