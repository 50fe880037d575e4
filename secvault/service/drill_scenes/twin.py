"""A copy of the living vault in a scratch folder, opened as a service whose clock can be moved.

It has the people, grants, policies and seal of now, and no data keys: nothing of a record can be
read in it. It sends nothing: no worker runs in it. It writes into its own folder and database only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from secvault.backup.database import copy_database, opened_copy, scratch_database
from secvault.clock import Clock
from secvault.config import Settings
from secvault.config.model import StoreSettings
from secvault.keyring import FileSeal
from secvault.service.opening import opened
from secvault.service.sealing.access import GivenRoot
from secvault.service.service import Service


@dataclass
class MovedClock:
    """The clock of another, ahead of it by so many seconds."""

    of: Clock
    ahead: float = 0.0

    def clock(self) -> Clock:
        """The clock."""
        return Clock(
            wall=lambda: self.of.wall() + int(self.ahead * 1_000_000),
            monotonic=self.of.monotonic,
            sleep=self.of.sleep,
        )


@dataclass(frozen=True)
class Twin:
    """service: over the copy. hands: move its clock."""

    service: Service
    hands: MovedClock = field(repr=False)


@contextmanager
def twin_of(live: Service, folder: Path, work: str) -> Iterator[Twin]:
    """The copy, as long as the block runs. folder: private and empty. work: names what it is for.

    With PostgreSQL it is a database beside the live one, dropped at the end. Raises BackupFailed,
    Damaged, Unavailable.
    """
    engine = live.backups
    copied, data = folder / "copy", folder / "data"
    for one in (copied, data):
        one.mkdir(mode=0o700)
    live.audit.drain()
    copy_database(engine.store, copied, engine.postgresql, lambda _connection: None)
    scratch = scratch_database(engine.store, work)
    with opened_copy(copied, engine.store, engine.postgresql, scratch) as store:
        url = store.writer.url.render_as_string(hide_password=False)
        hands = MovedClock(live.clock)
        root = live.keyring.roots.present
        with opened(
            _settings(live.settings, data, url),
            hands.clock(),
            program="drill",
            environment=engine.environment,
            random=live.random,
            # Wraps nothing, and opens nothing: the root is at hand.
            access=GivenRoot(root, FileSeal(folder / "none.key")),
            root=root,
            apart=True,
        ) as service:
            yield Twin(service, hands)


def _settings(of: Settings, data: Path, url: str) -> Settings:
    policies = of.policy_folder
    return of.model_copy(
        update={
            "data": data,
            "policies": policies,
            "store": StoreSettings(url=SecretStr(url)),
        }
    )
