"""`secvault records migrate`: here, or by the worker."""

from __future__ import annotations

from tests.cli.program import Program


def test_records_are_migrated_here(vault: Program) -> None:
    said = vault.ok("records", "migrate", "payroll")
    assert said.out == (
        "0 records of payroll migrated; all are stored as version 2 of its schema says\n"
    )
    (done,) = vault.ok("records", "migrate", "payroll", "--json").json["migrations"]
    assert done == {
        "collection": "payroll",
        "version": 2,
        "migrated": 0,
        "left": 0,
        "damaged": [],
    }
    every = vault.ok("records", "migrate", "--all", "--json").json["migrations"]
    assert {one["collection"] for one in every} > {"payroll", "suppliers", "disputes"}


def test_the_worker_is_asked_and_its_run_seen_and_stopped(vault: Program) -> None:
    assert "There was none yet" in vault.ok("records", "migrations").err
    asked = vault.ok("records", "migrate", "payroll", "--worker", "--no-wait", "--json").json
    (run,) = asked["migrations"]
    assert (run["collection"], run["state"]) == ("payroll", "requested")
    assert vault.ok("records", "migrations", "--json").json["migrations"] == [run]
    assert run["id"] in vault.ok("records", "migrations").out
    assert vault.ok("records", "stop-migration", run["id"]).out == f"{run['id']} stops\n"
    assert vault.ok("records", "migrations", "--json").json["migrations"][0]["state"] == "stopping"


def test_what_is_not_there_is_said_so(vault: Program) -> None:
    for command in (("migrate",), ("migrate", "payroll", "--all")):
        said = vault("records", *command)
        assert said.code == 2
        assert "--all" in said.err
    assert vault("records", "migrate", "nothing").code == 1
    assert vault("records", "stop-migration", "nothing").code == 1
