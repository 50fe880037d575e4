"""Settings of backups and drills: repositories, and the plans that save into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from secvault.config.anomalies import AnomalySettings
from secvault.config.backup_restore import Loadable
from secvault.config.backup_sources import Command, Sources
from secvault.config.drills import DrillSettings, ScenarioName
from secvault.config.section import Location, Name, Section, UsablePath, Zone


def _some_time(window: str) -> str:
    begin, _, end = window.partition("-")
    if begin == end:
        raise ValueError("ends when it begins; leave it out where runs may begin at any time")
    return window


Window = Annotated[
    str,
    Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"),
    AfterValidator(_some_time),
]
"""When runs may begin, by the plan's time zone: 22:00-05:30 goes over midnight."""
_ASKED_IN_SQL = frozenset({"postgresql", "mariadb", "sqlite"})
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]
Ping = Annotated[str, Field(pattern=r"^(https://[^@\s]+|http://(localhost|127\.0\.0\.1)[:/]\S*)?$")]


class RepositorySettings(Section):
    """One restic repository."""

    location: Location
    keys_location: Location = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None
    # Of the role that forgets and prunes; without them, whoever saves does it.
    prune_access_key_id: str = ""
    prune_secret_access_key: SecretStr = SecretStr("")
    prune_secret_access_key_file: UsablePath | None = None
    # True: https://host/bucket/key. False: https://bucket.host/key.
    path_style: bool = True
    # PEM file of the authorities to trust, if not the system's.
    ca_file: UsablePath | None = None
    # STANDARD, STANDARD_IA...; empty: the bucket's own default.
    storage_class: str = Field("", pattern=r"^[A-Z_]{0,32}$")

    @model_validator(mode="after")
    def _one(self) -> RepositorySettings:
        for name in ("secret_access_key", "prune_secret_access_key"):
            if getattr(self, name).get_secret_value() and getattr(self, f"{name}_file"):
                raise ValueError(f"{name} and {name}_file say the same thing; set one of them")
        return self


class HookSettings(Section):
    """A program that is run around each run of a plan, without a shell.

    when: before anything is copied; after everything went well; when the run failed; or at its end
    in both cases. A hook that fails before a run keeps it from starting.
    """

    when: Literal["before", "after", "failed", "end"]
    command: Command
    seconds: int = Field(300, ge=1, le=24 * 3600)
    # Names of variables of secvault's own environment that the program gets to see.
    environment: tuple[str, ...] = ()


class PlanSettings(Section):
    """What is backed up, when, where to, how long it is kept, and how often it is drilled."""

    # Whether secvault itself is in it: database, policies, files of records; its data keys apart.
    vault: bool = True
    folders: tuple[UsablePath, ...] = ()
    excludes: tuple[str, ...] = ()
    sources: Sources = Field(default_factory=dict)
    hooks: dict[Name, HookSettings] = Field(default_factory=dict)

    repository: str = "local"
    # Further repositories. copy: snapshots are copied there from the first. run: what is saved is
    # read again for each, so that damage to the first goes nowhere.
    copies: tuple[str, ...] = ()
    copies_by: Literal["copy", "run"] = "copy"

    # Cron, as secvault.jobs.cron reads it. An empty one: never by itself.
    schedule: str = "30 1 * * *"
    drill_schedule: str = "0 4 * * 0"
    drill: DrillSettings = DrillSettings()
    # When a loss is played through, for each scenario: cron, by the plan's time zone and windows.
    scenario_schedules: dict[ScenarioName, str] = Field(default_factory=dict)
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
    # A run that is due outside all of them waits for the next; without any, it never waits.
    windows: tuple[Window, ...] = ()
    # A run begins up to so many minutes later, by chance, so that many plans do not meet.
    jitter_minutes: int = Field(0, ge=0, le=12 * 60)
    # Of runs that wait, those with the lower number begin first.
    priority: int = Field(50, ge=0, le=100)

    keep_last: int = Field(3, ge=1, le=10_000)
    keep_hourly: int = Field(0, ge=0, le=10_000)
    keep_daily: int = Field(14, ge=0, le=10_000)
    keep_weekly: int = Field(8, ge=0, le=10_000)
    keep_monthly: int = Field(24, ge=0, le=10_000)
    keep_yearly: int = Field(0, ge=0, le=1_000)
    keep_within: str = Field("", pattern=r"^((\d{1,4}y)?(\d{1,4}m)?(\d{1,5}d)?(\d{1,6}h)?)$")
    # Snapshots with one of these tags stay whatever the rules say.
    keep_tags: tuple[Tag, ...] = ()
    tags: tuple[Tag, ...] = ()

    # When the repositories are checked: structure always, and so much of the data that all of it
    # is read within check_days (0: structure only).
    check_schedule: str = "0 3 * * 6"
    check_days: int = Field(90, ge=0, le=3650)

    # KiB/s; 0: as fast as it goes.
    upload_kib: int = Field(0, ge=0)
    download_kib: int = Field(0, ge=0)

    # The age of the newest snapshot from which on the plan is behind.
    rpo_hours: int = Field(26, ge=1, le=24 * 366)
    # Who answers for it, by sign-in name; empty: the administrators.
    owner: str = ""
    # A URL of a dead man's switch (healthchecks.io and the like): asked at <url>/start when a run
    # begins, <url> when it is done, <url>/fail when it failed.
    ping_url: Ping = Field("", repr=False)

    @model_validator(mode="after")
    def _something(self) -> PlanSettings:
        if not (self.vault or self.folders or self.sources):
            raise ValueError("vault is false and there are no folders and no sources to save")
        if len({self.repository, *self.copies}) != 1 + len(self.copies):
            raise ValueError("copies names a repository twice, or the plan's own")
        return self

    @model_validator(mode="after")
    def _asked(self) -> PlanSettings:
        for name, asked in self.drill.assertions.items():
            source = self.sources.get(asked.source)
            if asked.source and source is None:
                raise ValueError(f"drill.assertions.{name}.source names none of the plan's sources")
            if asked.sql and source is not None and source.kind not in _ASKED_IN_SQL:
                raise ValueError(
                    f"drill.assertions.{name}.sql cannot be asked of {asked.source}, which is "
                    f"{source.kind}"
                )
        return self


class BackupSettings(Section):
    """Backups and drills."""

    restic: UsablePath = Path("restic")
    pg_bin: UsablePath | None = None
    drill_sample: int = Field(200, ge=1, le=100_000)
    keys_days: int = Field(7, ge=0, le=90)
    # Runs, checks and drills in work at one time on one node.
    at_once: int = Field(2, ge=1, le=32)
    # What a plan that is made by API or command may save of this machine: what lies below these.
    open_folders: tuple[UsablePath, ...] = ()
    # Where a restore may write that is asked for by API: below these, beside <data>/restored and
    # the original places.
    restore_folders: tuple[UsablePath, ...] = ()
    # Servers, files and buckets, beside the original ones, that databases and objects may be
    # restored into.
    restore_into: dict[Name, Loadable] = Field(default_factory=dict)
    anomalies: AnomalySettings = AnomalySettings()
    # Below which a repository may lie that is added by API or command.
    repository_folders: tuple[UsablePath, ...] = ()
    repositories: dict[Name, RepositorySettings] = Field(default_factory=dict)
    plans: dict[Name, PlanSettings] = Field(default_factory=lambda: {"nightly": PlanSettings()})

    @model_validator(mode="after")
    def _declared(self) -> BackupSettings:
        for name, plan in self.plans.items():
            for key, wanted in (
                ("repository", plan.repository),
                *(("copies", copy) for copy in plan.copies),
            ):
                if wanted != "local" and wanted not in self.repositories:
                    raise ValueError(
                        f"plans.{name}.{key} names one that is not declared; add a table "
                        "[backup.repositories.<name>] with its location"
                    )
        return self
