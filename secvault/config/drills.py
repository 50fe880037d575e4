"""Settings of a plan's restore drills: what is brought back, how much is proven, against what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from secvault.config.backup_sources import Command
from secvault.config.section import Name, Section

LevelName = Literal["repository", "files", "databases", "vault", "service"]
"""What a drill can prove, each on top of the one before it; see docs/reference/drill-faults.md."""


ScenarioName = Literal[
    "single-file",
    "database-dropped",
    "host-lost",
    "ransomware",
    "keys-lost",
    "bucket-lost",
    "administrator-lost",
]
"""A loss that is played through, to see that the company comes back from it."""


class AssertionSettings(Section):
    """A question that is asked of what was restored, and the answer that it must get.

    Either `sql`, asked of a database of `source` that was loaded into a scratch server, or
    `command`, run without a shell in the restored tree. The answer is the first column of the first
    row, or the whole standard output, without white space around it; a command must also exit 0.
    """

    source: Name | Literal[""] = ""
    database: str = ""
    sql: str = ""
    command: Command | None = None
    # What the answer must be, to the letter; or, for numbers, its bounds.
    equals: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    seconds: int = Field(60, ge=1, le=24 * 3600)

    @model_validator(mode="after")
    def _one_question(self) -> AssertionSettings:
        if bool(self.sql) == bool(self.command):
            raise ValueError("set sql, or command, and not both")
        if self.sql and not self.source:
            raise ValueError("sql is asked of a source; name it")
        if self.equals is None and self.at_least is None and self.at_most is None and self.sql:
            raise ValueError("say what the answer must be: equals, at_least or at_most")
        return self


class DrillSettings(Section):
    """How a plan is drilled. When it is: `drill_schedule` of the plan."""

    # newest; a random one that is kept; or each that is kept in turn, the longest unproven first.
    snapshot: Literal["newest", "random", "turn"] = "newest"
    # Which of the plan's repositories it is read from: the first, or each in turn.
    repository: Literal["first", "turn"] = "first"
    # All files, or so many by chance that damage to `rate` of them is found with `confidence`.
    extent: Literal["whole", "sample"] = "whole"
    rate: float = Field(0.01, gt=0, lt=1)
    confidence: float = Field(0.95, gt=0, lt=1)
    levels: tuple[LevelName, ...] = Field(
        ("repository", "files", "databases", "vault", "service"), min_length=1
    )
    # The longest that bringing everything back may take; a drill says whether it did.
    rto_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 31)] = 240
    # How far numbers of rows and sums may be from what was recorded, as a share of it.
    tolerance: float = Field(0.0, ge=0, lt=1)
    # Without one that passed for so long, the drill is overdue; 0: twice its schedule's distance.
    overdue_days: int = Field(0, ge=0, le=3660)
    # GiB of scratch space that a drill may use at most; 0: what is free, less a tenth.
    scratch_gib: int = Field(0, ge=0)
    # Lets other programs go first: restic and the scratch servers run with low priority.
    gentle: bool = True
    assertions: dict[Name, AssertionSettings] = Field(default_factory=dict)


class RecoverySettings(Section):
    """The recovery kit, and the order in which services come back."""

    # Folders, beside <data>/recovery, that the kit's files are written to when it is issued.
    kit_folders: tuple[str, ...] = ()
    # How many shares there are, and how many of them open the kit.
    shares: int = Field(5, ge=1, le=16)
    threshold: int = Field(3, ge=1, le=16)
    # Who holds them, in words, one for each share; printed on the kit.
    holders: tuple[str, ...] = ()
    # After so many days it is to be issued again even if nothing in it changed; 0: never.
    kit_days: int = Field(365, ge=0, le=3650)
    # Whom to call and what to know, as printed on the kit: "hosting: +84 ...".
    contacts: tuple[str, ...] = ()
    # Where the credentials of repositories are to be had, in words: "offsite: the safe of ...".
    credentials: tuple[str, ...] = ()
    # Whether the kit lies beside each repository, too: without holders and contacts, and sealed.
    kit_beside_repositories: bool = True
    # Services in the order in which they come back: the plan that saves it: what it is, in words.
    services: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _enough(self) -> RecoverySettings:
        if self.threshold > self.shares:
            raise ValueError("threshold is more than there are shares")
        return self
