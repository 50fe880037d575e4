"""Reviews and emergency access at the command line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.running_service import STEP, Hands, House, furnish, join, signed_in

ADMIN = ("role:it.admin", "it")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with two administrators and somebody prepared, whose sessions are a moment old."""
    made = furnish(tmp_path_factory.mktemp("reviews"), Hands(float(int(time.time()) - 5 * STEP)))
    with made.open() as service:
        join(service, made, "binh", ADMIN)
        join(service, made, "mai", ("role:it.break_glass_holder", "it"))
        for name in ("admin", "head"):
            signed_in(service, made, name)
    return made


@pytest.fixture
def program(house: House) -> Program:
    """The program, as the operator of the server."""
    return Program(house.folder).with_(SECVAULT_DATA=str(house.folder / "vault"))


def test_a_review_is_begun_decided_finished_and_verified_without_the_vault(
    house: House, program: Program, tmp_path: Path
) -> None:
    head = program.with_(SECVAULT_TOKEN=house.tokens["head"])
    admin = program.with_(SECVAULT_TOKEN=house.tokens["admin"])
    options = ("--role", "role:hr.clerk", "--no-systems", "--fallback", "admin", "--json")
    begun = program.ok("reviews", "start", "Q4 2026", *options).json
    review = begun["id"]
    assert (begun["counts"], begun["unassigned"]) == ({"open": 2}, 0)
    assert program("reviews", "items").code == 2
    (mine,) = head.ok("reviews", "items", "--own", "--json").json["items"]
    assert (mine["name"], mine["reviewer_name"]) == ("clerk", "head")
    assert "Opens" in head.ok("reviews", "items", "--own").out
    assert program("reviews", "finish", review).code == 1
    done = head.ok("reviews", "keep", mine["id"], "--comment", "=still here")
    assert "kept" in done.out
    (other,) = program.ok("reviews", "items", review, "--json").json["items"]
    assert (other["name"], other["state"]) == ("head", "open")
    program.ok("reviews", "reassign", other["id"], "admin")
    admin.ok("reviews", "shorten", other["id"], "--days", "30", "--comment", "until handover")
    assert program.ok("reviews", "finish", review, "--json").json["state"] == "finished"
    shown = program.ok("reviews", "show", review, "--json").json
    assert sorted(one["decided"] for one in shown["pace"]) == [1, 1]
    files = program.ok("reviews", "evidence", review, "--to", str(tmp_path)).out.split()
    document = tmp_path / f"review-{review}.json"
    assert {Path(file).suffix for file in files} == {".json", ".note", ".csv", ".html"}
    assert "'=still here" in document.with_suffix(".csv").read_text()
    assert "Rà soát" in (tmp_path / f"review-{review}.vi.html").read_text()
    assert program.ok("reviews", "evidence", review).out.strip() == document.read_text()
    keys = program.ok("audit", "keys", "--json").json
    public = next(key for key in keys.values() if "/evidence+" in key)
    nowhere = Program(tmp_path / "nowhere")
    said = nowhere.ok("reviews", "verify", str(document), "--key", public)
    assert "genuine" in said.out
    document.write_text(document.read_text().replace('"kept"', '"void"', 1))
    assert nowhere("reviews", "verify", str(document), "--key", public).code == 5
    (listed,) = program.ok("reviews", "list", "--json").json["reviews"]
    assert (listed["id"], listed["undecided"]) == (review, 0)
    for report, noun in (("dormant", "dormant"), ("unused", "grants")):
        assert program.ok("reviews", report, "--json").json[noun] == []
        program.ok("reviews", report)


def test_the_glass_is_broken_ended_and_reviewed(house: House, program: Program) -> None:
    mai = program.with_(SECVAULT_TOKEN=house.tokens["mai"])
    binh = program.with_(SECVAULT_TOKEN=house.tokens["binh"])
    assert program("break-glass", "start", "--reason", "x").code in (2, 3)
    begun = mai.ok("break-glass", "start", "--reason", "it burns", "--json").json
    incident = begun["id"]
    mai.ok("people", "unlock", "clerk")
    assert mai.ok("break-glass", "list", "--own", "--json").json["incidents"][0]["running"]
    mai.ok("break-glass", "end", incident)
    shown = binh.ok("break-glass", "show", incident, "--json").json
    assert [one["action"] for one in shown["commands"] if one["under"]] == ["person.unlock"]
    assert "person.unlock" in binh.ok("break-glass", "show", incident).out
    assert mai("break-glass", "review", incident, "--findings", "fine").code == 3
    binh.ok("break-glass", "review", incident, "--findings", "as agreed")
    assert program.ok("break-glass", "list", "--json").json["incidents"][0]["state"] == "reviewed"


def test_a_seal_that_needs_nobody_opens_no_way_in(program: Program) -> None:
    said = program("break-glass", "recover", "--reason", "all are gone", stdin="x\n")
    assert said.code == 2
    assert "opened by nobody in person" in said.err
    assert program("break-glass", "recover").code == 2
    assert program("break-glass", "recover", "--code").code == 1
