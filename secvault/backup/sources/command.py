"""What a program writes to its standard output, as a source; and a program that takes it back."""

from __future__ import annotations

from pathlib import Path

from secvault.backup.sources import child
from secvault.backup.sources.loading import Loaded, Target
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.config.backup_sources import CommandSource
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, ConfigurationError, Damaged

# A shorter value is more likely a switch than a secret, and part of other words.
_SHORTEST_SECRET = 4


def stage(source: CommandSource, turn: Turn) -> Staged:
    """Run the program and keep what it writes, whole or not at all. Raises as `child.run`."""
    file = turn.folder / source.file
    _run(source, turn, source.command, stdout=file)
    size = file.stat().st_size
    if size == 0:
        raise BackupFailed(f"{turn.name}: the program wrote nothing; nothing of it was saved")
    return Staged((turn.folder,), facts={"file": source.file, "bytes": size})


def look(source: CommandSource, turn: Turn) -> tuple[Target, ...]:
    """What loading would meet: a program, of which nobody knows what it replaces."""
    program = _restoring(source, turn)[0]
    return (Target(source.file, program, program, there=True, empty=False),)


def load(entry: SourceEntry, folder: Path, into: CommandSource, turn: Turn) -> Loaded:
    """Give what was saved to the restoring program on its standard input. Raises as `child.run`.

    folder: where the source's folder lies now. What is there by then is up to the program.
    """
    name = entry.facts.get("file")
    if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
        raise Damaged(f"{entry.name}: the snapshot does not hold what the program wrote")
    _run(into, turn, _restoring(into, turn), stdin=folder / name)
    return Loaded({"file": name, "bytes": (folder / name).stat().st_size})


def _restoring(source: CommandSource, turn: Turn) -> tuple[str, ...]:
    if source.restore_command is None:
        raise ConfigurationError(
            f"backup.plans.{turn.plan}.sources.{turn.name}.restore_command is not set; set it to "
            "a program that reads from its standard input, or restore the file alone"
        )
    return source.restore_command


def _run(
    source: CommandSource,
    turn: Turn,
    command: tuple[str, ...],
    *,
    stdin: Path | None = None,
    stdout: Path | None = None,
) -> None:
    environment = child.environment_of(turn.environment, *source.environment)
    child.run(
        child.Task(
            command,
            environment,
            f"running the program of {turn.name}",
            source.minutes * 60,
            stdin=stdin,
            stdout=stdout,
            secrets=named_values(environment, source.environment),
        ),
        turn.clock,
        turn.cancel,
    )


def named_values(environment: dict[str, str], names: tuple[str, ...]) -> tuple[Secret, ...]:
    """What a program was given by name, none of which is shown: it may be a secret."""
    values = {environment[name] for name in names if name in environment}
    return tuple(Secret.of(value) for value in values if len(value) >= _SHORTEST_SECRET)
