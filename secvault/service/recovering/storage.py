"""The repositories as a bare machine reaches them: from the kit, and credentials of now.

They are read without a lock, so credentials that may only read will do, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.repository import (
    KEYS,
    LocalFolder,
    Repository,
    parse_location,
    repository_of,
    settings_for_keys,
)
from secvault.backup.restic import Restic, Snapshot
from secvault.config import RepositorySettings
from secvault.config.keys import variable_of
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput, SecvaultError
from secvault.recovery.kit import KitHead, KitPlan, KitRepository, KitSecrets
from secvault.service.recovering import place as places
from secvault.service.recovering.place import Place

OWN_TAG = "secvault"
Skip = Callable[[str], None]


@dataclass(frozen=True)
class Reached:
    """A repository that opens. keys: that of its data keys. settings: with what was given now."""

    name: str
    settings: RepositorySettings
    repository: Repository
    keys: Repository


@dataclass(frozen=True)
class Candidate:
    """A snapshot that may be brought back, and where it lies. run: the run that made it."""

    reached: Reached
    snapshot: Snapshot
    run: str


@dataclass(frozen=True)
class Elsewhere:
    """Where a repository lies for this machine, if not where the kit says. By name, also `KEYS`."""

    locations: Mapping[str, str]

    @staticmethod
    def parse(texts: tuple[str, ...], known: KitHead) -> Elsewhere:
        """NAME=LOCATION, each. Raises InvalidInput."""
        names = {one.name for one in known.repositories}
        found: dict[str, str] = {}
        for text in texts:
            name, equals, location = text.partition("=")
            if not equals or name.removesuffix(KEYS) not in names:
                raise InvalidInput.at(
                    "at", f"write NAME=LOCATION, with a repository of the kit: {_listed(names)}"
                )
            parse_location(location)
            found[name] = location
        return Elsewhere(found)


def settings_of(
    one: KitRepository, elsewhere: Elsewhere, environment: Mapping[str, str], place: Place
) -> RepositorySettings:
    """The settings of a repository: the kit's, and the credentials of the environment.

    Those are of the variables that the service itself reads
    (SECVAULT_BACKUP__REPOSITORIES__<NAME>__ACCESS_KEY_ID and so on); without them AWS_ACCESS_KEY_ID
    and the like count, as ever. Raises InvalidInput, BackupFailed.
    """
    location = elsewhere.locations.get(one.name, one.location)
    keys = elsewhere.locations.get(f"{one.name}{KEYS}", "")
    values: dict[str, object] = {
        "location": location,
        # What lies beside a repository has moved with it.
        "keys_location": keys or (one.keys_location if location == one.location else ""),
        "region": one.region,
        "path_style": one.path_style,
    }
    for key in ("access_key_id", "secret_access_key", "secret_access_key_file"):
        given = environment.get(variable_of(f"backup.repositories.{one.name}.{key}"), "")
        if given:
            values[key] = given
    if one.ca_pem:
        file = place.secrets / f"{one.name}-ca.pem"
        places.write_private(file, one.ca_pem)
        values["ca_file"] = file
    return RepositorySettings.model_validate(values)


def reach(
    restic: Restic,
    one: KitRepository,
    settings: RepositorySettings,
    secrets: KitSecrets,
    environment: Mapping[str, str],
) -> Reached:
    """Open the repository and see that it is the one of the kit. Writes nothing.

    Raises what `Restic.identity` raises, ConfigurationError without credentials, InvalidInput
    where another repository lies in its place, or the kit has no password of it.
    """
    repository = repository_of(settings, _password(secrets, one.name), environment)
    keys = repository_of(
        settings_for_keys(settings), _password(secrets, f"{one.name}{KEYS}"), environment
    )
    if isinstance(repository.place, LocalFolder) and not repository.place.path.is_dir():
        raise InvalidInput(f"{repository.place} is not on this machine; is its disk mounted?")
    found = restic.identity(repository)
    if one.identity and found != one.identity:
        raise InvalidInput(
            f"another repository lies there ({found[:8]}, not {one.identity[:8]} as in the kit)"
        )
    return Reached(one.name, settings, repository, keys)


def candidates(
    restic: Restic,
    plan: KitPlan,
    reached: tuple[Reached, ...],
    now: int,
    skip: Skip,
    damaged: Skip,
) -> tuple[Candidate, ...]:
    """The plan's snapshots in all repositories: the newest run first, in the plan's order of them.

    now: micros. A repository that does not list its snapshots is passed over, and so is a snapshot
    that is dated more than a day from now: by its date it would hide all others. damaged: told of
    snapshots that cannot be read, of which nobody knows how new they are.
    """
    found: list[Candidate] = []
    order = {name: number for number, name in enumerate(plan.repositories)}
    for one in reached:
        if one.name not in order:
            continue
        try:
            listed = _listed_in(restic, one, plan, damaged)
        except SecvaultError as error:
            skip(f"the repository {one.name} does not list its snapshots: {error.detail}")
            continue
        for snapshot in listed:
            if snapshot.time_micros > now + 24 * 3600 * 1_000_000:
                skip(
                    f"the snapshot {snapshot.id[:8]} in {one.name} is dated in the future "
                    f"({snapshot.time:%Y-%m-%d %H:%M} UTC)"
                )
                continue
            found.append(Candidate(one, snapshot, run_of(snapshot)))
    newest: dict[str, int] = {}
    for each in found:
        key = each.run or each.snapshot.id
        newest[key] = max(newest.get(key, 0), each.snapshot.time_micros)
    return tuple(
        sorted(
            found,
            key=lambda each: (
                -newest[each.run or each.snapshot.id],
                order[each.reached.name],
                each.snapshot.id,
            ),
        )
    )


def _listed_in(restic: Restic, one: Reached, plan: KitPlan, damaged: Skip) -> tuple[Snapshot, ...]:
    tags = (OWN_TAG, f"plan={plan.name}")
    try:
        return restic.snapshots(one.repository, tags=tags, locked=False)
    except Damaged as error:
        # The newest may be among those that cannot be read.
        damaged(f"a snapshot in {one.name} cannot be read: {error.detail}")
        return restic.snapshots(one.repository, tags=tags, locked=False, skip_damaged=True)


def run_of(snapshot: Snapshot) -> str:
    """The run that a snapshot says it is of; empty where it says none."""
    runs = [tag for tag in snapshot.tags or () if tag.startswith("run=")]
    return runs[0].removeprefix("run=") if runs else ""


def _password(secrets: KitSecrets, name: str) -> Secret:
    for one in secrets.passwords:
        if one.repository == name:
            return Secret.of(one.password)
    raise InvalidInput(f"the kit holds no password of the repository {name}; issue a new kit")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def ca_path(place: Place, name: str) -> Path:
    """Where the authorities of a repository were put."""
    return place.secrets / f"{name}-ca.pem"
