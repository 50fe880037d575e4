"""Questions of the settings, asked of what was restored; neither question nor answer is shown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from secvault.backup.drills.databases.place import ScratchServer
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.result import Fault
from secvault.backup.sources import child
from secvault.backup.sources.faults import OutOfTime, ProgramFailed
from secvault.backup.sources.source import SourceEntry
from secvault.config.drills import AssertionSettings
from secvault.errors import BackupFailed, ConfigurationError

_LONGEST_ANSWER = 1 << 16


def of_database(
    name: str, asked: AssertionSettings, entry: SourceEntry, server: ScratchServer, loaded: set[str]
) -> Fault | None:
    """Ask SQL of a loaded database; None where the answer is as it must be.

    loaded: the databases that are there to be asked. Raises Cancelled, OSError.
    """
    database = asked.database or (next(iter(loaded)) if len(loaded) == 1 else "")
    if not database:
        saved = entry.facts.get("databases")
        many = len(saved) if isinstance(saved, dict) else 0
        return _failed(name, f"say which database of {entry.name} is meant: it has {many}")
    if database not in loaded:
        return absent(name, database)
    try:
        answer = server.ask(database, asked.sql, asked.seconds)
    except OutOfTime:
        return _failed(name, f"no answer within {asked.seconds} seconds")
    except BackupFailed:
        # What a server says may quote a row.
        return _failed(name, "the server refuses the question, or gives no answer")
    return judged(name, asked, answer)


def of_command(
    name: str, asked: AssertionSettings, ground: Ground, scratch: Path, more: Mapping[str, str]
) -> Fault | None:
    """Run a command in the restored tree; None where it ends well and says what it must.

    more: for its environment: how a loaded database is reached. Raises Cancelled, OSError.
    """
    if asked.command is None:
        raise ValueError("an assertion without a question")
    answer = scratch / "answer"
    environment = {
        **child.environment_of(ground.engine.environment),
        "DRILL_TREE": str(ground.tree),
        # It works in the restored tree: a module that lies there is not taken for Python's own.
        "PYTHONSAFEPATH": "1",
        **more,
    }
    task = child.Task(
        asked.command,
        environment,
        f"running the assertion {name}",
        asked.seconds,
        stdout=answer,
        cwd=ground.tree,
    )
    try:
        child.run(task, ground.engine.clock, ground.cancel)
        with answer.open("rb") as told:
            text = told.read(_LONGEST_ANSWER + 1)
    except ProgramFailed as failed:
        return _failed(name, f"the command ended with {failed.exit_status}")
    except OutOfTime:
        return _failed(name, f"the command did not end within {asked.seconds} seconds")
    except ConfigurationError as error:
        return _failed(name, error.detail)
    finally:
        answer.unlink(missing_ok=True)
    if len(text) > _LONGEST_ANSWER:
        return _failed(name, f"the answer is longer than {_LONGEST_ANSWER} bytes")
    return judged(name, asked, text.decode("utf-8", "replace"))


def judged(name: str, asked: AssertionSettings, answer: str) -> Fault | None:
    """Whether an answer is what it must be."""
    told = answer.strip()
    if asked.equals is not None and told != asked.equals.strip():
        return _failed(name, "the answer is not the one that is expected")
    if asked.at_least is None and asked.at_most is None:
        return None
    try:
        number = Decimal(told)
        if asked.at_least is not None and not number >= Decimal(str(asked.at_least)):
            return _failed(name, "the answer is less than at_least")
        if asked.at_most is not None and not number <= Decimal(str(asked.at_most)):
            return _failed(name, "the answer is more than at_most")
    except InvalidOperation:
        return _failed(name, "the answer is no number")
    return None


def absent(name: str, database: str) -> Fault:
    """The fault where what was to be asked did not come back."""
    return _failed(name, f"{database} is not there to be asked")


def _failed(name: str, words: str) -> Fault:
    return Fault("assertion-failed", name, words)
