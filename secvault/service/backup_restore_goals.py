"""Where a restore may go: what its caller may name, what only a plan may, and what nobody.

Over the API the caller chooses among files of a snapshot, which others may have written, and the
service may write where none of them can. So a folder must be secvault's own for it or one that the
settings open; the original places are those that the plan names by now; servers are named by the
settings alone; and secvault's own files are no target for anybody.
"""

from __future__ import annotations

from pathlib import Path

from secvault.backup.repository import KEYS, LocalFolder, parse_location
from secvault.backup.restores.loading import Destination
from secvault.backup.restores.order import Folder, Into, Order
from secvault.backup.restores.parts import Goal, Parts
from secvault.backup.restores.target import Guarded
from secvault.config import PlanSettings
from secvault.config.backup_sources import (
    BucketSource,
    FoldersSource,
    MariadbSource,
    PostgresqlSource,
    SourceSettings,
    SqliteSource,
)
from secvault.config.section import file_content
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.service.attachment_place import local_folder
from secvault.service.service import Service

_HERE = ("localhost", "127.0.0.1", "::1")
RESTORED = "restored"
"""The folder below the data folder that is always open to restores."""


def own_folder(service: Service) -> Path:
    """Where restores go that name no other folder."""
    return service.settings.data_folder / RESTORED


def goal_of(service: Service, parts: Parts, *, anywhere: bool) -> Goal:
    """Where the order leads. anywhere: whether any folder of this machine may be named.

    Raises InvalidInput naming what may not be, or is not there any more.
    """
    guarded = guarded_by(service)
    order = parts.order
    trusted = None
    if isinstance(order.place, Folder):
        folder = Path(order.place.path)
        trusted = folder if anywhere else _open_folder(service, folder)
        guarded.require_free("target", folder)
    elif order.production:
        _require_planned(service, parts)
        for root in parts.selection.placed:
            guarded.require_free("paths", root.path)
    loads = {
        entry.name: _destination(service, order, entry.name, entry.kind)
        for entry in parts.selection.loads
    }
    for into in loads.values():
        if isinstance(into.settings, SqliteSource):
            for file in into.settings.files:
                guarded.require_free("into", file.absolute())
    return Goal(guarded, loads, trusted)


def meets_production(service: Service, order: Order) -> bool:
    """Whether somebody's daily work may change by it: then a second person has to agree.

    Original places do; so does a declared target where some plan saves from.
    """
    if order.production:
        return True
    if not isinstance(order.place, Into):
        return False
    target = _declared(service, order.place.name)
    return any(
        same_place(target, source)
        for plan in service.backups.plans().values()
        for source in plan.sources.values()
    )


def guarded_by(service: Service) -> Guarded:
    """What no restore writes into or over."""
    settings, engine = service.settings, service.backups
    paths = [settings.data_folder, settings.seal_key_file, settings.policy_folder]
    contents = local_folder(settings)
    if contents is not None:
        paths.append(contents)
    paths += [*engine.openings.closed, *engine.openings.secret]
    if settings.server.tls_certificate is not None:
        paths.append(settings.server.tls_certificate)
    used = {name for plan in engine.plans().values() for name in (plan.repository, *plan.copies)}
    for name in sorted(used):
        paths += _folders_of(service, name)
    return Guarded.of(paths, own_folder(service))


def _folders_of(service: Service, repository: str) -> list[Path]:
    settings = [service.backups.settings_of(name) for name in (repository, repository + KEYS)]
    places = [parse_location(one.location) for one in settings]
    return [place.path for place in places if isinstance(place, LocalFolder)]


def _open_folder(service: Service, folder: Path) -> Path:
    opened = (own_folder(service), *service.settings.backup.restore_folders)
    for each in map(Path.absolute, opened):
        if folder.is_relative_to(each) and folder.resolve().is_relative_to(each.resolve()):
            return each
    known = ", ".join(map(str, opened))
    raise InvalidInput.at(
        "target",
        f"{folder} is not below a folder that is open for this: {known}; the settings open others "
        "(backup.restore_folders), and `secvault backup restore` on the machine writes anywhere",
    )


def _require_planned(service: Service, parts: Parts) -> None:
    """Only where the plan itself saves from by now: what a snapshot says is no leave to write."""
    plan = service.backups.plan(parts.order.plan)
    planned = {path.absolute() for path in _saved_from(plan)}
    for root in parts.selection.placed:
        if root.base not in planned:
            raise InvalidInput.at(
                "paths",
                f"the plan {parts.order.plan} does not save {root.base} any more; restore it to "
                "another folder",
            )


def _saved_from(plan: PlanSettings) -> list[Path]:
    folders = [*plan.folders]
    for source in plan.sources.values():
        if isinstance(source, FoldersSource):
            folders += source.paths
    return folders


def _destination(service: Service, order: Order, name: str, kind: str) -> Destination:
    if isinstance(order.place, Into):
        into: SourceSettings = _declared(service, order.place.name)
        setting = f"backup.restore_into.{order.place.name}"
        _require_kind(into, kind, setting)
        return Destination(into, _words(into), _password(into, setting))
    source = service.backups.plan(order.plan).sources.get(name)
    setting = f"backup.plans.{order.plan}.sources.{name}"
    if source is None:
        raise InvalidInput.at(
            "sources", f"{setting} is not there any more; restore it into another place"
        )
    _require_kind(source, kind, setting)
    return Destination(source, _words(source), service.backups.source_password(order.plan, name))


def _require_kind(into: SourceSettings, kind: str, setting: str) -> None:
    if into.kind != kind:
        raise InvalidInput.at("sources", f"{setting} is of the kind {into.kind}, not {kind}")


def _declared(service: Service, name: str) -> SourceSettings:
    found = service.settings.backup.restore_into.get(name)
    if found is None:
        known = ", ".join(sorted(service.settings.backup.restore_into)) or "none"
        raise InvalidInput.at("into", f"backup.restore_into has no {name!r}; there are: {known}")
    return found


def _password(into: SourceSettings, setting: str) -> Secret | None:
    match into:
        case PostgresqlSource() | MariadbSource():
            given, file, key = into.password, into.password_file, "password_file"
        case BucketSource():
            given, file = into.secret_access_key, into.secret_access_key_file
            key = "secret_access_key_file"
        case _:
            return None
    if file is not None:
        return Secret.of(file_content(file, f"{setting}.{key}"))
    return Secret.of(given.get_secret_value()) if given.get_secret_value() else None


def _words(into: SourceSettings) -> str:
    match into:
        case PostgresqlSource() | MariadbSource():
            socket = getattr(into, "socket", None)
            server = into.host or (str(socket) if socket else "the local server")
            return f"{into.kind} at {server}" + (f" port {into.port}" if into.port else "")
        case SqliteSource():
            return f"sqlite: {', '.join(map(str, into.files))}"
        case BucketSource():
            return into.location
        case _:
            return into.kind


def same_place(target: SourceSettings, source: SourceSettings) -> bool:
    """Whether both name the same server, file or bucket, as far as their names tell."""
    match target, source:
        case (PostgresqlSource() | MariadbSource(), PostgresqlSource() | MariadbSource()):
            return (target.kind, _server(target)) == (source.kind, _server(source))
        case (SqliteSource(files=ours), SqliteSource(files=theirs)):
            return not {one.resolve() for one in ours}.isdisjoint(one.resolve() for one in theirs)
        case (BucketSource(), BucketSource()):
            here, there = (f"{parse_location(one.location)}/" for one in (target, source))
            # Whoever writes to a part of it writes to it.
            return here.startswith(there) or there.startswith(here)
    return False


def _server(settings: PostgresqlSource | MariadbSource) -> tuple[str, int, str]:
    host = settings.host.lower().rstrip(".")
    host = "" if host in _HERE or host.startswith("/") else host
    usual = 5432 if isinstance(settings, PostgresqlSource) else 3306
    return host, settings.port or usual, str(getattr(settings, "socket", None) or "")
