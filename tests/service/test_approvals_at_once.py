"""Two who carry out the same approved thing at the same moment do it once, on either engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secvault.config import Settings, load
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired
from secvault.service import authentication, bootstrap, opening
from secvault.service.spine import Outcome
from secvault.store import tables
from tests.running_service import PASSWORD, SEED, STEP, Hands, House, signed_in
from tests.service.approval_house import DELETE, Staff, staffed


@dataclass(frozen=True)
class HouseAt(House):
    """A house whose rows lie elsewhere. url: empty for SQLite in its folder."""

    url: str = ""

    @property
    def settings(self) -> Settings:
        """Those of every house, but for the store."""
        cheap = {
            "SECVAULT_DATA": str(self.folder / "vault"),
            "SECVAULT_IDENTITY__ARGON2_MEMORY_MIB": "19",
            "SECVAULT_IDENTITY__ARGON2_PASSES": "2",
        }
        return load(None, {**cheap, **({"SECVAULT_STORE__URL": self.url} if self.url else {})})


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def staff(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Staff]:
    """Two administrators, over each engine."""
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    house = HouseAt(tmp_path, Hands(), {}, {"admin": SEED}, url=url)
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        signed_in(service, house, "admin")
        yield staffed(service, house)


def test_of_many_executors_one_wins_and_the_others_need_an_approval_of_their_own(
    staff: Staff,
) -> None:
    binh = staff.hire("binh")
    for turn in range(3):
        what = f"thing-{turn}"
        staff.approve(binh, staff.ask(staff.an, what))
        together = threading.Barrier(4, timeout=300)
        ends: list[str] = []

        def work(what: str = what, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                staff.service.spine.change(
                    staff.an, DELETE, lambda _: Outcome(None), lambda _: {"what": what}
                )
            except ApprovalRequired:
                ends.append("refused")  # noqa: B023 - the threads end within the turn
            else:
                ends.append("done")  # noqa: B023

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        assert sorted(ends) == ["done", "refused", "refused", "refused"]


def test_a_deed_that_fails_leaves_its_approval(staff: Staff) -> None:
    binh = staff.hire("binh")
    staff.approve(binh, staff.ask(staff.an))

    def fails(_: object) -> Outcome[None]:
        raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        staff.service.spine.change(staff.an, DELETE, fails, lambda _: {"what": "k"})
    assert staff.do(staff.an) == "approved"


def test_all_who_come_in_at_once_as_the_second_approver_are_let_in(staff: Staff) -> None:
    names = ("binh", "chi", "dung")
    for name in names:
        staff.hire(name, ("role:it.approver", "it"))
    service, hands = staff.service, staff.house.hands
    with service.store.write() as connection:
        connection.execute(tables.approval_latch.delete())
    hands.seconds += STEP
    together = threading.Barrier(len(names), timeout=300)
    came_in: list[str] = []

    def work(name: str) -> None:
        code = Secret.of(hands.code(staff.house.seeds[name]))
        together.wait()
        authentication.sign_in(service, name, Secret.of(PASSWORD), code)
        came_in.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert sorted(came_in) == sorted(names)
    with service.store.read() as connection:
        assert len(connection.execute(tables.approval_latch.select()).all()) == 1
