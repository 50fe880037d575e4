"""A recovery under way: what was asked for, what is known so far, and where things lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.restic import Progress, Restic
from secvault.backup.restic_process import Cancel
from secvault.clock import Clock, moment
from secvault.config import load
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, InvalidInput
from secvault.recovery.kit import KitHead, KitPlan, KitSecrets
from secvault.service import opening
from secvault.service.recovering.fetching import NEVER, Fetched
from secvault.service.recovering.place import Place
from secvault.service.recovering.recording import Record
from secvault.service.recovering.settings_saved import Adapted
from secvault.service.recovering.storage import Reached
from secvault.service.service import Service

# The recovered settings say it, and what they say must not be that of another vault.
_DECIDED = ("SECVAULT_DATA", "SECVAULT_POLICIES", "SECVAULT_SEAL__", "SECVAULT_STORE__")
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Order:
    """What is asked for. folder: new or empty, absolute. environment: where credentials are.

    shares: as many as the kit needs. key: the vault's evidence key (vkey), from elsewhere than the
    kit. at: NAME=LOCATION, where a repository lies for this machine. store_url: of an empty
    PostgreSQL database. snapshot: the beginning of an id, in place of the newest. repository: the
    only one to be read. serve: start the service and ask it. other_plans: bring back the files of
    the other plans, too. keep_tokens: see `safe.end_all`. remove: of a rehearsal that does not come
    to its end, nothing stays but the incident log. seal_key: see `Place.key`. opened: the kit,
    where it is open already and no shares are at hand.
    """

    folder: Path
    kit: bytes
    shares: Sequence[Secret]
    environment: Mapping[str, str] = field(repr=False)
    requested_by: str
    key: str = ""
    at: tuple[str, ...] = ()
    store_url: str = field(default="", repr=False)
    snapshot: str = ""
    repository: str = ""
    restic: Path = Path("restic")
    pg_bin: Path | None = None
    serve: bool = True
    sign: bool = True
    other_plans: bool = False
    keep_tokens: bool = False
    remove: bool = False
    seal_key: Path | None = None
    opened: tuple[KitHead, KitSecrets] | None = field(default=None, repr=False)


@dataclass
class Work:
    """A recovery under way."""

    order: Order
    place: Place
    record: Record
    clock: Clock
    random: Random
    rehearsal: bool
    head: KitHead
    secrets: KitSecrets
    restic: Restic
    id: str
    started_at: int
    began: float
    cancel: Cancel = NEVER
    resumed: bool = False
    reached: tuple[Reached, ...] = ()
    fetched: Fetched | None = None
    adapted: Adapted | None = None
    saved: Mapping[str, object] = field(default_factory=dict)
    port: int = 0

    @property
    def plan(self) -> KitPlan:
        """The plan that saves secvault itself. Raises InvalidInput where the kit has none."""
        for plan in self.head.plans:
            if plan.vault:
                return plan
        raise InvalidInput("no plan of the kit saves secvault itself")

    @property
    def here(self) -> Fetched:
        """The snapshot that came back."""
        if self.fetched is None:
            raise AssertionError("nothing was fetched yet")
        return self.fetched

    @property
    def url(self) -> str:
        """The address of the recovered database."""
        if self.here.head.database == "postgresql":
            return self.order.store_url
        return f"sqlite:///{self.place.data / 'secvault.db'}"

    @property
    def environment(self) -> dict[str, str]:
        """What the recovered vault is opened with: nothing that leads to another one, and no
        credential of a rehearsal's caller.
        """
        given = self.order.environment
        if not self.rehearsal:
            return {name: it for name, it in given.items() if not name.startswith(_DECIDED)}
        return {name: given[name] for name in _KEPT_VARIABLES if name in given}

    def heed(self) -> None:
        """Raises Cancelled where somebody wants it to stop."""
        if self.cancel.is_set():
            raise Cancelled("the recovery was stopped on request")


def opened(work: Work) -> AbstractContextManager[Service]:
    """The recovered vault, open in this process, by its new seal."""
    # Not by the caller's variables: SECVAULT_DATA of another vault here would lead into that one.
    settings = load(work.place.settings, {})
    return opening.opened(
        settings,
        work.clock,
        program="recovery",
        environment=work.environment,
        random=work.random,
    )


def day(micros: int) -> str:
    """A moment for a person, to the minute."""
    return f"{moment(micros):%Y-%m-%d %H:%M} UTC"


def unseen(_progress: Progress) -> None:
    """What is said is which step it is."""
