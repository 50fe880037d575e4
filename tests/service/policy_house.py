"""Changing the policy of a house: its files, with rows more or less."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from secvault.access.bundle import Bundle, bundle_of, read_folder
from secvault.access.publication import Version, latest_version, publish
from secvault.config import shipped_policies
from secvault.service import Service
from secvault.service.policies import operations as policies
from secvault.service.spine import Caller
from secvault.store.tables import policy_version
from tests.running_service import House

WHOLE = read_folder(shipped_policies())
"""What a new vault publishes first."""
SHIPPED = bundle_of(
    {
        name: text
        for name, text in WHOLE.files.items()
        # What the policy's own tests say of a changed one is tested where they are run.
        if not name.startswith("tests/")
    }
)
BANK = "p,role:hr.clerk,hr,payroll,class:bank,record.read,always,allow,hr-clerk-bank\n"


def without_tests(house: House, folder: Path) -> House:
    """The house with the shipped policy in force, as number 1, without the tests that come with it.

    folder: a new one, for its files.
    """
    for name, text_of in SHIPPED.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text_of)
    with house.open() as service:
        without_policies(service)
    made = replace(house, more={"SECVAULT_POLICIES": str(folder)})
    with made.open():
        return made


def more(row: str = BANK, bundle: Bundle = SHIPPED) -> Bundle:
    """The policy with one row more."""
    return changed({"roles.csv": lambda text: text + row}, bundle)


def reading_accounts() -> Bundle:
    """The policy by which heads of hr read what they only reveal by the shipped one."""
    rows = "".join(
        f"p,role:hr.head,hr,payroll,class:{one},record.read,always,allow,head-reads-{one}\n"
        for one in ("bank", "salary")
    )
    return more(rows)


def heads_read_accounts(service: Service) -> None:
    """Let heads of hr read and search what they only reveal by the shipped policy, programs too."""
    forced(service, reading_accounts())


def less(*words: str, bundle: Bundle = SHIPPED) -> Bundle:
    """The policy without the rows that contain one of these words."""

    def left(text: str) -> str:
        lines = text.splitlines(keepends=True)
        return "".join(line for line in lines if not any(word in line for word in words))

    return changed({"roles.csv": left}, bundle)


def changed(edits: Mapping[str, Callable[[str], str]], bundle: Bundle = SHIPPED) -> Bundle:
    """The policy with some files edited."""
    texts = dict(bundle.files)
    for name, edit in edits.items():
        edited = edit(texts[name])
        assert edited != texts[name], name
        texts[name] = edited
    return bundle_of(texts)


def raised(text: str, collection: str) -> str:
    """The file of a department with the version of one collection one higher."""
    head, mark, tail = text.partition(f"[collections.{collection}]\n")
    number = re.compile(r"^version = ([0-9]+)$", re.MULTILINE)
    here, end, rest = tail.partition("\n\n")
    found = number.search(here)
    if found is None:
        return f"{head}{mark}version = 2\n{tail}"
    higher = number.sub(f"version = {int(found[1]) + 1}", here, count=1)
    return f"{head}{mark}{higher}{end}{rest}"


def applied(service: Service, caller: Caller, bundle: Bundle, **more: Any) -> Version:
    """Apply it as it stands."""
    return policies.apply(service, caller, bundle, note="for a test", **more)


def forced(service: Service, bundle: Bundle) -> Version:
    """Publish it past every check, as a program of another version might."""
    with service.store.write() as connection:
        latest = latest_version(connection)
        return publish(
            connection,
            bundle,
            over=latest.number if latest else 0,
            at=service.clock.micros(),
            by="local:operator",
            note="by another program",
        )


def asking(caller: Caller) -> Caller:
    """The caller, who asks for an approval where one is needed."""
    return replace(caller, reason="for a test")


def without_policies(service: Service) -> None:
    """The store as it was before policies were published in it."""
    with service.store.write() as connection:
        for trigger in ("no_delete", "no_update", "no_replace"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS policy_version_{trigger}"))
        connection.execute(policy_version.delete())


def body_of(bundle: Bundle) -> Any:
    """The files as JSON."""
    return json.loads(bundle.body)
