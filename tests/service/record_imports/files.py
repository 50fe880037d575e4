"""Files of payroll, and the work on them that a worker would do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from threading import Event
from typing import Any

from secvault.records.imports.import_row import Import
from secvault.records.imports.spec import Form, OnConflict, Spec
from secvault.service import Service
from secvault.service.record_imports import requests
from secvault.service.record_imports.running import do_import
from secvault.service.spine import Caller

PAYROLL = "payroll"
HEADING = (
    *("id", "employee", "full_name", "month", "working_days", "gross_salary", "insurance"),
    *("income_tax", "net_salary", "bank", "bank_account", "status"),
)


def payroll_row(number: int, **changed: str) -> dict[str, str]:
    """A month of somebody's pay, as cells of a table."""
    return {
        "id": f"pr-{number:05d}",
        "employee": f"nv-{number:05d}",
        "full_name": f"Trần Thị Lan {number}",
        "month": "2026-10",
        "working_days": "22",
        "gross_salary": str(12_000_000 + number),
        "insurance": "1260000",
        "income_tax": "35000",
        "net_salary": str(10_705_000 + number),
        "bank": "VCB",
        "bank_account": f"00710{number:08d}",
        "status": "draft",
        **changed,
    }


def as_csv(rows: Iterable[Mapping[str, str]], heading: Iterable[str] = HEADING) -> bytes:
    """The rows as a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, tuple(heading), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def sent(
    service: Service,
    caller: Caller,
    content: bytes,
    *,
    on_conflict: OnConflict = OnConflict.REFUSE,
    collection: str = PAYROLL,
    form: Form = Form.CSV,
    part_bytes: int = 1 << 20,
    **how: Any,
) -> str:
    """Send a file; the id of the import."""
    made = requests.create_import(service, caller, collection, Spec(form, **how), on_conflict)
    for number, begin in enumerate(range(0, len(content), part_bytes), 1):
        piece = content[begin : begin + part_bytes]
        requests.put_part(service, caller, made.id, number, piece)
    return made.id


def imported(service: Service, caller: Caller, content: bytes, **how: Any) -> Import:
    """Send a file, start it, and do the work here."""
    import_id = sent(service, caller, content, **how)
    requests.start_import(service, caller, import_id, by_worker=False)
    return do_import(service, import_id, Event())
