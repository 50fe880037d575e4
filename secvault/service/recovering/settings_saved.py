"""The settings that a backup has, made to fit another machine, or a rehearsal.

A recovery takes over: the settings are as they were, but for where things lie here. A rehearsal
keeps only what it needs, by a list of what may stay: what sends, publishes, fetches or deletes
anything outside, and what starts by itself, is not on it, and a setting that comes later is not
either until somebody has thought about it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secvault.backup.repository import LocalFolder, parse_location
from secvault.backup.staging import CONFIGURATION
from secvault.errors import Damaged, InvalidInput
from secvault.service.recovering import place as places
from secvault.service.recovering.place import Place
from secvault.service.recovering.storage import Reached

LOOPBACK = "127.0.0.1"
_LEFT_OUT = "was left out; set it again"
_NEVER = ""

_STAYS: Mapping[str, frozenset[str] | None] = {
    # None: the whole table. What is not here does not go into a rehearsal.
    "organisation": None,
    "mounts": None,
    "sign_in": None,
    "access": None,
    "approvals": None,
    "conditions": None,
    "break_glass": None,
    "grants": None,
    "keys": None,
    "reveals": None,
    "exports": None,
    "imports": None,
    "identity": frozenset(
        {
            *("session_idle_minutes", "session_hours", "token_days", "invitation_hours"),
            *("bootstrap_minutes", "token_most_days", "token_warn_days", "argon2_memory_mib"),
            *("argon2_passes", "password_words", "webauthn", "network_failures"),
        }
    ),
    "reviews": frozenset({"warn_days", "keeps_per_minute", "dormant_days"}),
    "attachments": frozenset({"max_bytes", "keep_days"}),
    "audit": frozenset({"wait_seconds", "checkpoint_seconds", "heartbeat_seconds"}),
    "backup": frozenset({"drill_sample", "keys_days", "at_once", "anomalies", "plans"}),
    "recovery": frozenset({"shares", "threshold", "holders", "kit_days", "contacts", "services"}),
}
_PLAN_STAYS = frozenset(
    {
        *("vault", "folders", "excludes", "sources", "repository", "copies", "copies_by"),
        *("time_zone", "keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly"),
        *("keep_yearly", "keep_within", "keep_tags", "tags", "check_days", "rpo_hours", "priority"),
    }
)
_SOURCES_LEFT = frozenset({"command"})
_FILES = frozenset({"tls_certificate", "tls_key", "module", "password_blocklist"})


@dataclass(frozen=True)
class Adapted:
    """The settings as they are written. left_out: secrets to be set again, each a dotted key.

    missing: files of the old machine that the settings name, and that are not here. changed: what
    is otherwise than it was, in words. plans: the names of all plans in them.
    """

    values: dict[str, Any]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    plans: tuple[str, ...]


def read_saved(staged: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The saved settings, and the keys of the secrets that were left out of them.

    Empty where the snapshot has none, as those of before. Raises Damaged.
    """
    file = staged / CONFIGURATION
    if not file.is_file():
        return {}, ()
    try:
        text = file.read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        raise Damaged(f"the settings in the snapshot ({CONFIGURATION}) cannot be read") from None
    left_out = tuple(
        line.removeprefix("#").split()[0]
        for line in text.splitlines()
        if line.startswith("#") and line.endswith(_LEFT_OUT)
    )
    return values, left_out


def for_recovery(
    saved: Mapping[str, Any],
    left_out: tuple[str, ...],
    place: Place,
    store_url_file: Path | None,
    reached: tuple[Reached, ...],
    locations: Mapping[str, str],
) -> Adapted:
    """As they were, with what lies elsewhere now. reached: repositories that were opened.

    locations: of every repository of the kit, by name.
    """
    values = _copied(saved)
    changed = ["seal.kind: file, with a new key beside the data folder"]
    _put_here(values, place, store_url_file)
    server = values.setdefault("server", {})
    certificate = [server.get(key) for key in ("tls_certificate", "tls_key")]
    if any(file and not Path(file).exists() for file in certificate):
        for key in ("tls_certificate", "tls_key"):
            server.pop(key, None)
        server["address"] = LOOPBACK
        changed.append(
            "server: the TLS certificate is not on this machine, so the service listens on "
            f"{LOOPBACK} only; put certificate and key back, and set them and server.address"
        )
    attachments = values.get("attachments", {})
    if _is_folder(attachments.get("location", "")):
        del attachments["location"]
        changed.append("attachments.location: in the data folder")
    backup = values.setdefault("backup", {})
    for key in ("restic", "pg_bin"):
        named = Path(backup.get(key, ""))
        if named.is_absolute() and not named.exists():
            del backup[key]
            changed.append(f"backup.{key}: the one of this machine")
    repositories = backup.setdefault("repositories", {})
    for name, location in locations.items():
        # The undeclared one lies beside the data folder, which is another one now.
        if name in repositories or name == "local":
            repositories.setdefault(name, {})["location"] = location
    for one in reached:
        if one.name in repositories:
            repositories[one.name].update(_access(one, place))
    # What was given again is not missing.
    given = {f"backup.repositories.{one.name}.secret_access_key" for one in reached}
    return Adapted(
        values,
        tuple(key for key in left_out if key not in given and not key.startswith("store.")),
        tuple(_missing_files(values)),
        tuple(changed),
        _plans(values),
    )


def for_rehearsal(
    saved: Mapping[str, Any],
    place: Place,
    store_url_file: Path | None,
    port: int,
    repositories: tuple[str, ...],
) -> Adapted:
    """What a rehearsal runs with. repositories: all names, which get folders of its own; so none is
    looked up among those that were added to the store, with their credentials.
    """
    values: dict[str, Any] = {}
    dropped = []
    for table, content in _copied(saved).items():
        if table not in _STAYS:
            dropped.append(table)
            continue
        allowed = _STAYS[table]
        if allowed is None:
            values[table] = content
            continue
        values[table] = {key: it for key, it in content.items() if key in allowed}
        dropped += [f"{table}.{key}" for key in content if key not in allowed]
    _put_here(values, place, store_url_file)
    values["server"] = {"address": LOOPBACK, "port": port}
    values.setdefault("retention", {})["schedule"] = _NEVER
    values.setdefault("audit", {})["reports"] = {"schedule": _NEVER}
    # The kit that lies beside a repository is that of the vault that lives.
    values.setdefault("recovery", {})["kit_beside_repositories"] = False
    backup = values.setdefault("backup", {})
    plans = backup.get("plans")
    if plans is None:
        # The program's own, which nobody wrote down.
        plans = {"nightly": {}}
    backup["plans"] = {name: _quiet(plan) for name, plan in plans.items()}
    names = {"local", *repositories}
    names |= {
        name
        for plan in plans.values()
        for name in (plan.get("repository", "local"), *plan.get("copies", ()))
    }
    backup["repositories"] = {
        name: {"location": str(place.outside / name)} for name in sorted(names)
    }
    return Adapted(values, (), (), tuple(sorted(dropped)), _plans(values))


def count(saved: Mapping[str, Any]) -> int:
    """How many values were set."""
    return sum(count(it) if isinstance(it, Mapping) else 1 for it in saved.values())


def write(adapted: Adapted, place: Place, head: tuple[str, ...]) -> None:
    """Write them as the settings' file of the folder. head: remarks at its top."""
    import tomlkit  # noqa: PLC0415 - only recoveries and backups need it

    file = tomlkit.document()
    for line in head:
        file.add(tomlkit.comment(line))
    for key in adapted.left_out:
        file.add(tomlkit.comment(f"{key} {_LEFT_OUT}"))
    file.update(_ordered(adapted.values))
    places.write_private(place.settings, tomlkit.dumps(file))


def _put_here(values: dict[str, Any], place: Place, store_url_file: Path | None) -> None:
    values["data"] = str(place.data)
    values["seal"] = {"kind": "file"}
    if place.key is not None:
        values["seal"]["key_file"] = str(place.key)
    values.pop("store", None)
    if store_url_file is not None:
        values["store"] = {"url_file": str(store_url_file)}
    values.pop("policies", None)
    if place.policies.is_dir():
        values["policies"] = str(place.policies)


def _quiet(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan that does nothing by itself, runs no program and asks nobody outside."""
    kept = {key: it for key, it in plan.items() if key in _PLAN_STAYS}
    sources = {
        name: it
        for name, it in kept.get("sources", {}).items()
        if it.get("kind") not in _SOURCES_LEFT
    }
    if "sources" in kept:
        kept["sources"] = sources
    if not (kept.get("vault", True) or kept.get("folders") or sources):
        # It saved nothing but what a program gave; without it, it would be no plan.
        kept["vault"] = True
    return {**kept, "schedule": _NEVER, "drill_schedule": _NEVER, "check_schedule": _NEVER}


def _access(one: Reached, place: Place) -> dict[str, Any]:
    """What the repository was reached with, in files of their own, so that it is at once again."""
    changed: dict[str, Any] = {}
    credentials = one.repository.credentials
    if one.settings.ca_file is not None:
        changed["ca_file"] = str(one.settings.ca_file)
    if credentials is None or credentials.session_token is not None:
        return changed
    file = place.secrets / f"{one.name}-secret-access-key"
    places.write_private(file, credentials.secret_access_key.text())
    return {
        **changed,
        "access_key_id": credentials.access_key_id,
        "secret_access_key_file": str(file),
    }


def _missing_files(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _missing_files(value, f"{key}.")
        elif (
            isinstance(value, str)
            and (name.endswith("_file") or name in _FILES)
            and not Path(value).expanduser().exists()
        ):
            yield f"{key} ({value})"


def _plans(values: Mapping[str, Any]) -> tuple[str, ...]:
    named = values.get("backup", {}).get("plans")
    return ("nightly",) if named is None else tuple(sorted(named))


def _is_folder(location: str) -> bool:
    try:
        return bool(location) and isinstance(parse_location(location), LocalFolder)
    except InvalidInput:
        return False


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _copied(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables last: what is behind the head of one is in it."""
    made = {
        name: _ordered(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }
    return dict(sorted(made.items(), key=lambda one: isinstance(one[1], dict)))
