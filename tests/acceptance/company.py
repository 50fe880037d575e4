"""A small company on a real service, with something of everything, for browsers to look at.

    with company(folder) as at:
        page = browser.new_context(base_url=at.address).new_page()
        sign_in(page, at.people["ngan"])

By hand: `python -m tests.acceptance.company FOLDER` makes one there, or takes the one that is
there, and serves it until Ctrl-C.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import Page

from secvault.service import authentication
from secvault.service.spine import Caller
from tests.acceptance import company_people, company_saved, company_work
from tests.acceptance.company_people import Person
from tests.acceptance.furnished import answering
from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, Installation, new_installation
from tests.quick_repository import made_quickly

HEADS = {"hr": "hoa", "accounting": "phuoc", "logistics": "dung"}
KEPT = "company.json"


@dataclass(frozen=True)
class Company:
    """people: by sign-in name. facts: what stands in the paths of its pages, by name."""

    installation: Installation
    people: Mapping[str, Person]
    facts: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where it answers; by a name, as passkeys need one."""
        return f"http://localhost:{self.installation.port}"


@contextmanager
def company(folder: Path, *, worker: bool = False) -> Iterator[Company]:
    """A new company in this folder, which answers.

    worker: with what works by itself, too; without it, nothing changes but by who looks.
    """
    made = make(folder)
    with made.installation.serving() if worker else answering(made.installation):
        yield made


def sign_in(page: Page, who: Person, to: str = "/") -> None:
    """Through the form, with a code that was not used yet. to: the page to be on after."""
    # A second code, where somebody else has used this one: see `kept`.
    for _ in range(3):
        page.goto("/sign-in" if to == "/" else to)
        page.fill("#name", who.name)
        page.fill("#password", who.password)
        page.fill("#code", who.code())
        # A click does not wait for the answer by itself.
        with page.expect_navigation():
            page.click("button.main")
        if "/sign-in" not in page.url:
            return
    raise AssertionError(page.locator("main").inner_text())


def make(folder: Path, **environment: str) -> Company:
    """A new company, which is not served yet. environment: of the installation, such as a store."""
    folder.mkdir(parents=True, exist_ok=True)
    company_saved.fill_share(folder / "share")
    installation = new_installation(folder, company_saved.settings(folder), **environment)
    facts: dict[str, str] = {}
    with made_quickly(), installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        people = company_people.bring_in(service)
        company_people.put_names(service)
        # What the operator does alone comes before a second administrator has signed in.
        facts |= company_work.keep_systems(service, operator)
        company_people.make_eligible(service, operator)
        company_saved.issue_kit(service, operator)
        heads = {of: people[name].signed_in(service) for of, name in HEADS.items()}
        company_work.keep_records(service, heads)
        clerk = people["lan"].signed_in(service)
        facts |= company_work.work_on_records(service, heads["hr"], clerk)
        facts |= company_work.keep_keys(service, operator)
        facts |= company_saved.save(service, operator, folder)
        facts |= company_saved.drill(service, operator, installation.repository)
        admin = people[ADMINISTRATOR].signed_in(service)
        people["binh"].signed_in(service)
        facts["invitation"] = company_people.invite(service, admin)
        facts |= company_work.ask_for_things(service, admin, clerk)
        facts |= company_work.review_access(service, admin)
        facts |= company_work.keep_questions(service, people["ngan"].signed_in(service))
        passkey, waiting, device = company_people.add_factors(service, "lan")
        facts |= {"passkey": passkey, "waiting_device": waiting, "device": device}
        facts["long"] = company_people.LONG
    # After it was closed: by then all that happened is in its log.
    with installation.opened() as service, service.store.read() as connection:
        asked = "SELECT max(seq) FROM audit_event WHERE kind = 'record.reveal'"
        facts["reveal"] = str(connection.exec_driver_sql(asked).scalar_one())
    return Company(installation, people, facts)


def _keep(made: Company) -> None:
    people = {name: asdict(one) for name, one in made.people.items()}
    written = {"port": made.installation.port, "people": people, "facts": dict(made.facts)}
    (made.installation.folder / KEPT).write_text(json.dumps(written, indent=1))


def kept(folder: Path) -> Company:
    """The company that was started by hand in this folder, for scripts beside it."""
    read = json.loads((folder / KEPT).read_text())
    people = {name: Person(**one) for name, one in read["people"].items()}
    return Company(Installation(folder, read["port"]), people, read["facts"])


def _serve(folder: Path) -> None:
    made = kept(folder) if (folder / KEPT).exists() else make(folder)
    _keep(made)
    over = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: over.set())
    with made.installation.serving():
        print(f"\n{made.address}/ holds a company; everybody's password: {PASSWORD}")
        for one in made.people.values():
            print(f"  {one.name:32.32} {one.seeds[0]}")
        first = made.people[ADMINISTRATOR].seeds[1]
        print("A code now (each works once; somebody has several seeds, see company.json):")
        print(f"  python -c \"import pyotp; print(pyotp.TOTP('{first}').now())\"")
        print("In a test: `kept(FOLDER).people[NAME].code()`. Ctrl-C ends it.", flush=True)
        over.wait()
        _keep(made)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]).resolve())
