"""`secvault backup plan`, as an administrator of the machine uses it."""

from __future__ import annotations

import pytest

from tests.cli.program import Program

CANARY = "cAnary-7c1f9e-value"


@pytest.fixture
def planned(vault: Program) -> Program:
    """The program with a vault whose settings open a folder to plans."""
    folder = vault.folder / "files"
    folder.mkdir()
    config = vault.folder / "mine.toml"
    config.write_text(f'[backup]\nopen_folders = ["{folder}"]\n')
    return vault.with_(SECVAULT_CONFIG=str(config))


def table(planned: Program) -> str:
    """A plan as one writes it."""
    return (
        f'vault = false\nfolders = ["{planned.folder / "files"}"]\nkeep_daily = 20\n'
        '[sources.erp]\nkind = "postgresql"\nhost = "db.example"\nuser = "backup"\n'
        f'password = "{CANARY}"\n'
    )


def plan(planned: Program, *arguments: str, stdin: str = "") -> dict[str, object]:
    """What a command of the group says as JSON."""
    found = planned.ok("backup", "plan", *arguments, "--json", stdin=stdin).json
    assert isinstance(found, dict)
    return found


def test_a_plan_is_added_shown_changed_paused_resumed_and_removed(planned: Program) -> None:
    said = planned.ok("backup", "plan", "add", "files", "--from", "-", stdin=table(planned))
    assert said.out.startswith("files added, version 1; next backup ")
    shown = planned.ok("backup", "plan", "show", "files")
    assert "sources.erp.password" in shown.out
    assert CANARY not in shown.out
    changed = plan(
        planned, "change", "files",
        *("--set", "keep_daily=30", "--set", "schedule=15 4 * * *"),
        *("--set", 'windows=["22:00-05:00"]', "--set", "sources.erp.format=plain"),
    )  # fmt: skip
    settings = changed["settings"]
    assert isinstance(settings, dict)
    assert (settings["keep_daily"], settings["schedule"]) == (30, "15 4 * * *")
    assert (settings["windows"], settings["sources"]["erp"]["format"]) == (
        ["22:00-05:00"],
        "plain",
    )
    assert changed["secrets"] == ["sources.erp.password"]
    without = plan(planned, "change", "files", "--unset", "sources.erp", "--unset", "windows")
    assert (without["secrets"], without["settings"]["windows"]) == ([], [])  # type: ignore[index]
    assert plan(planned, "pause", "files")["state"] == "paused"
    assert planned.ok("backup", "plan", "resume", "files").out.startswith("files resumed")
    assert planned("backup", "plan", "remove", "files").code == 2
    assert planned.ok("backup", "plan", "remove", "files", "--yes").out == "files is removed\n"
    assert [one["name"] for one in plan(planned, "list")["plans"]] == ["nightly"]  # type: ignore[attr-defined]


def test_a_plan_that_is_not_named_may_be_of_the_store_and_a_declared_one_is_changed_in_its_file(
    planned: Program,
) -> None:
    planned.ok("backup", "plan", "add", "files", "--from", "-", stdin=table(planned))
    for command in ("run", "snapshots", "check", "restore"):
        said = planned("backup", command, *(("--dry-run",) if command == "restore" else ()))
        assert (said.code, "there are: files, nightly" in said.err) == (2, True)
    removed = planned("backup", "plan", "remove", "nightly", "--yes")
    assert removed.code == 1
    assert "settings' file" in removed.err


def test_the_list_says_what_is_saved_where_to_and_when(planned: Program) -> None:
    planned.ok("backup", "plan", "add", "files", "--from", "-", stdin=table(planned))
    said = planned.with_(COLUMNS="200").ok("backup", "plan", "list").out
    assert "erp (postgresql)" in said
    assert "settings" in said
    assert "store" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("change", "files"), "say what to change"),
        (("change", "files", "--set", "keep_daily"), "KEY=VALUE"),
        (("change", "files", "--set", "nope=1"), "nope: no such setting"),
        (("change", "files", "--set", "keep_daily=many"), "keep_daily"),
        (("change", "files", "--set", f"sources.erp.password={CANARY}"), "--from FILE"),
        (("change", "files", "--set", f"ping_url=https://x/{CANARY}"), "--from FILE"),
        (("change", "files", "--set", f"sources.erp={{password='{CANARY}'}}"), "one setting"),
        (("change", "files", "--set", "keep_daily.x=1"), "is no table"),
        (("change", "nightly", "--set", "keep_daily=1"), "settings' file"),
        (("change", "none", "--set", "keep_daily=1"), "no backup plan 'none'"),
        (("change", "files", "--version", "7", "--set", "keep_daily=30"), "version 1, not 7"),
        (("add", "files", "--set", "vault=true"), "already"),
        (("add", "Bad Name",), "a-z"),
        (("add", "mine", "--from", "/nonexistent"), "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line_and_changes_nothing(
    planned: Program, arguments: tuple[str, ...], words: str
) -> None:
    planned.ok("backup", "plan", "add", "files", "--from", "-", stdin=table(planned))
    said = planned("backup", "plan", *arguments)
    assert said.code in (1, 2)
    assert words in said.err
    assert CANARY not in said.err
    assert plan(planned, "show", "files")["version"] == 1


@pytest.mark.parametrize("text", [f'password = "{CANARY}', f'{{"password": "{CANARY}"', "[[[["])
def test_a_file_that_is_neither_toml_nor_json_is_refused_without_what_it_holds(
    planned: Program, text: str
) -> None:
    said = planned("backup", "plan", "add", "files", "--from", "-", stdin=text)
    assert said.code == 2
    assert CANARY not in said.err
