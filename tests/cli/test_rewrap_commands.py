"""`secvault keys rewrap`: here, or by the worker."""

from __future__ import annotations

from tests.cli.program import Program


def test_data_keys_are_re_wrapped_here(vault: Program) -> None:
    said = vault.ok("keys", "rewrap", "payroll", "--rotate")
    assert said.out == "0 data keys of payroll re-wrapped; all are under version 2\n"
    done = vault.ok("keys", "rewrap", "--all", "--json").json["rewraps"]
    assert {one["collection"]: one["version"] for one in done}["payroll"] == 2
    assert len(done) > 10


def test_the_worker_is_asked_and_its_run_seen_and_stopped(vault: Program) -> None:
    asked = vault.ok("keys", "rewrap", "payroll", "--worker", "--no-wait", "--json").json
    (run,) = asked["rewraps"]
    assert run["state"] == "requested"
    listed = vault.ok("keys", "rewraps", "--json").json["rewraps"]
    assert listed == [run]
    assert run["id"] in vault.ok("keys", "rewraps").out
    assert vault.ok("keys", "stop-rewrap", run["id"]).out == f"{run['id']} stops\n"
    assert vault.ok("keys", "rewraps", "--json").json["rewraps"][0]["state"] == "stopping"


def test_a_collection_or_all_must_be_named(vault: Program) -> None:
    for command in (("rewrap",), ("rewrap", "payroll", "--all")):
        said = vault("keys", *command)
        assert said.code == 2
        assert "--all" in said.err
    assert vault("keys", "rewrap", "nothing").code == 1
    assert vault("keys", "stop-rewrap", "nothing").code == 1
