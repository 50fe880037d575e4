"""The machine is lost with all that was on it: an empty folder, the kit, and the storage are left.

It is a rehearsal of the recovery (`secvault.service.recovering`) into the drill's own folder, in
this process: people, policies, keys, records, plans and the log come back, and the service that is
started from them is asked.

The vault's own root key is put under a new seal for that. Whatever the living vault's is (an HSM,
people), no disk may have the key to it in clear: it lies in memory, where the machine lets us.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from secvault.backup.drills.databases.servers import Place, ServerMissing, running_postgresql
from secvault.backup.drills.scenarios.script import LEVELS, Broken, Script
from secvault.backup.repository import Repository
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.service.drill_levels.own_database import major
from secvault.service.drill_scenes.opened_kit import opened_kit
from secvault.service.recovering.work import Order, rehearse
from secvault.service.service import Service

_MEMORY = Path("/dev/shm")  # noqa: S108 - for a file of a drawn name that only we can read
"""A file system without a disk, on every usual Linux."""
_DATABASE = "secvault"


def play(script: Script, live: Service, shares: Sequence[Secret] = ()) -> None:
    """Rehearse the recovery. shares: of the kit; none: see `opened_kit`.

    Raises Broken after what it found, and what keeps it from being done at all.
    """
    kit = opened_kit(script, live, shares)
    engine = script.engine
    script.repository = script.plan.repository
    order = Order(
        folder=script.folder / "machine",
        kit=kit.file,
        shares=shares,
        environment={**engine.environment, **_credentials(engine.repository(script.repository))},
        requested_by=script.requested_by,
        restic=live.settings.backup.restic,
        pg_bin=live.settings.backup.pg_bin,
        sign=False,
        opened=(kit.head, kit.secrets),
    )
    with ExitStack() as closing:
        order = replace(order, seal_key=closing.enter_context(_key_in_memory(engine.random)))
        if kit.head.database == "postgresql":
            order = replace(order, store_url=_empty_database(script, live, closing))
        _rehearse(script, order)
    script.came_back()
    script.leave_open("the machine was not another one: its programs and its network were there")


def _rehearse(script: Script, order: Order) -> None:
    with script.step("rehearsal", damage="database-damaged") as said:
        done = rehearse(order, script.engine.clock, script.engine.random, script.mark)
        result = done.result
        said.faults.extend(result.faults)
        things = ", ".join(f"{one.name} {one.count}" for one in result.brought_back)
        said.words = f"brought back on an empty machine: {things}"
    script.steps.extend(result.steps)
    figures = result.figures
    script.repository = result.repository or script.repository
    script.data_at, script.files, script.bytes = figures.data_at, figures.files, figures.bytes
    script.audit_entries_lost = figures.audit_entries_lost
    for phase, seconds in figures.phases.items():
        script.phases[phase] = script.phases.get(phase, 0.0) + seconds
    for words in (*result.skipped, *result.not_tested):
        script.leave_open(words)


def _empty_database(script: Script, live: Service, closing: ExitStack) -> str:
    """The address of an empty database in a server of the scenario's own; production's is not
    asked. Raises Broken where no server can be started here.
    """
    folder = script.folder / LEVELS / _DATABASE
    folder.mkdir(mode=0o700, parents=True)
    place = Place(
        folder,
        script.engine.clock,
        script.cancel,
        script.engine.environment,
        script.plan_name,
        gentle=script.plan.drill.gentle,
    )
    try:
        server = closing.enter_context(running_postgresql(place, major(live.store)))
    except ServerMissing as missing:
        with script.step("rehearsal") as said:
            said.fault("server-missing", "secvault's own database", missing.detail)
        raise Broken from None
    server.create(_DATABASE)
    return server.url(_DATABASE)


@contextmanager
def _key_in_memory(random: Random) -> Iterator[Path | None]:
    """Where the key of the seal lies as long as the block runs; None: in the scratch space.

    Should we be killed, it opens nothing: what is under it goes with the scratch space.
    """
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        yield None
        return
    place = _MEMORY / f"secvault-drill-{random(16).hex()}.key"
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)


def _credentials(repository: Repository) -> Mapping[str, str]:
    """What whoever recovers would set, from wherever the kit says that it is to be had."""
    given = repository.credentials
    if given is None:
        return {}
    token = given.session_token
    return {
        "AWS_ACCESS_KEY_ID": given.access_key_id,
        "AWS_SECRET_ACCESS_KEY": given.secret_access_key.text(),
        **({} if token is None else {"AWS_SESSION_TOKEN": token.text()}),
    }
