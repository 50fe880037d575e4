"""Help: quick, complete, and understood by a newcomer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from secvault.cli.main import app, run
from secvault.cli.outcome import EXIT_CODES
from secvault.errors import SecvaultError

HEAVY = (
    "fastapi",
    "sqlalchemy",
    "dbos",
    "alembic",
    "boto3",
    "casbin",
    "pydantic",
    "cryptography",
    "uvicorn",
    "structlog",
    "segno",
    "prometheus_client",
)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command of the program, as one types it."""
    for command in app.registered_commands:
        if not command.hidden and command.callback is not None:
            yield ((command.name or command.callback.__name__).replace("_", "-"),)
    for group in app.registered_groups:
        inner = group.typer_instance
        assert isinstance(inner, typer.Typer)
        for command in inner.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            yield (str(group.name), name)


# typer itself loads pydantic, once it looks at the value of an option that is no flag.
TYPERS_OWN = {"pydantic"}


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("--help", {*HEAVY}),
        ("--version", {*HEAVY}),
        ("backup --help", {*HEAVY} - TYPERS_OWN),
        ("records add --help", {*HEAVY} - TYPERS_OWN),
        ("help exit-codes", {*HEAVY} - TYPERS_OWN),
    ],
)
def test_help_imports_nothing_heavy(words: str, heavy: set[str]) -> None:
    program = (
        "import sys, json\n"
        "from secvault.cli import run\n"
        f"code = run({words.split()!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert not [name for name in loaded if name.partition(".")[0] in heavy]


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Example:" in shown
    assert f"secvault {' '.join(command)}" in shown.rpartition("Example:")[2].replace(
        "--config /etc/secvault/config.toml ", ""
    )


def test_hidden_commands_are_not_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    shown = capsys.readouterr().out
    assert not [name for name in ("preflight", "web ", "worker ") if f"│ {name}" in shown]


def test_a_typing_slip_is_answered_with_the_nearest_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["peple"]) == 2
    assert "people" in capsys.readouterr().err


def test_the_exit_codes_explained_are_those_that_the_errors_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def all_of(kind: type[SecvaultError]) -> set[int]:
        return {kind.exit_code}.union(*(all_of(one) for one in kind.__subclasses__()))

    assert run(["help", "exit-codes", "--json"]) == 0
    explained = {one["code"] for one in json.loads(capsys.readouterr().out)["exit_codes"]}
    assert explained == {one.number for one in EXIT_CODES}
    assert all_of(SecvaultError) <= explained
