"""Settings of what a plan saves beside secvault itself: one table for each source, by its kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, SecretStr, Tag, model_validator

from secvault.config.section import Location, Name, Section, UsablePath

Command = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
"""A program and its arguments, as it is run: without a shell."""


class FoldersSource(Section):
    """Folders and files, as they stand on this machine. Links are saved as links."""

    kind: Literal["folders"] = "folders"
    paths: tuple[UsablePath, ...] = Field(min_length=1)
    # As restic reads them (filepath.Match, and ** for any number of folders).
    excludes: tuple[str, ...] = ()
    # Whether other file systems that are mounted below the paths are left out.
    one_file_system: bool = False
    # Whether folders with a CACHEDIR.TAG are left out.
    exclude_caches: bool = False
    # Files larger than this are left out; 0: none.
    exclude_larger_than: int = Field(0, ge=0)


class Login(Section):
    """How a database server is reached. At most one of the passwords is set."""

    host: str = ""
    port: int = Field(0, ge=0, le=65535)
    user: str = ""
    password: SecretStr = SecretStr("")
    password_file: UsablePath | None = None
    # Empty: all that the user may see, but the server's own.
    databases: tuple[str, ...] = ()
    # The folder of the server's programs; without it, those on the PATH.
    programs: UsablePath | None = None
    # PEM file of the authorities that the server's certificate must come from; with it, the
    # connection is encrypted and the certificate must be valid for the host.
    ca_file: UsablePath | None = None
    # How long one dump may take.
    minutes: int = Field(240, ge=1, le=7 * 24 * 60)
    # Whether the rows of each table are counted, which reads each table once more (MariaDB: twice).
    count_rows: bool = True
    # Whether numbers are summed up and rows hashed while they are counted: a drill compares them.
    with_sums: bool = True

    @model_validator(mode="after")
    def _one_password(self) -> Login:
        if self.password.get_secret_value() and self.password_file:
            raise ValueError("password and password_file say the same thing; set one of them")
        return self


class PostgresqlSource(Login):
    """Databases of a PostgreSQL server, each by pg_dump. An empty host: the local socket."""

    kind: Literal["postgresql"] = "postgresql"
    # custom: for pg_restore, table by table. plain: SQL, for psql.
    format: Literal["custom", "plain"] = "custom"
    # Roles and tablespaces of the server (pg_dumpall --globals-only).
    with_globals: bool = True
    # As libpq reads it (sslmode); empty: libpq's own default.
    sslmode: Literal["", "disable", "prefer", "require", "verify-ca", "verify-full"] = ""
    exclude_tables: tuple[str, ...] = ()


class MariadbSource(Login):
    """Databases of a MariaDB or MySQL server, each by mariadb-dump or mysqldump."""

    kind: Literal["mariadb"] = "mariadb"
    # The server's socket; in place of host and port.
    socket: UsablePath | None = None
    # Whether users and what they may do are saved too.
    with_users: bool = True


class SqliteSource(Section):
    """SQLite databases, each copied by SQLite's own online backup while it is in use."""

    kind: Literal["sqlite"] = "sqlite"
    files: tuple[UsablePath, ...] = Field(min_length=1)
    # Whether numbers are summed up and rows hashed, which reads each table once more.
    with_sums: bool = True


class CommandSource(Section):
    """What a program writes to its standard output, as one file."""

    kind: Literal["command"] = "command"
    command: Command
    # The name of the file that it is saved as, without a folder.
    file: str = Field("output", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$")
    # Names of variables of secvault's own environment that the program gets to see.
    environment: tuple[str, ...] = ()
    minutes: int = Field(60, ge=1, le=7 * 24 * 60)
    # A program that reads what was saved from its standard input, and puts it back.
    restore_command: Command | None = None


class BucketSource(Section):
    """The objects of an S3 bucket, by their newest versions, or by all that are kept.

    location: s3:https://host/bucket or s3:https://host/bucket/prefix.
    """

    kind: Literal["bucket"] = "bucket"
    location: Location
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: UsablePath | None = None
    path_style: bool = True
    ca_file: UsablePath | None = None
    versions: Literal["newest", "all"] = "newest"
    # Whether tags are saved: one more request for each object in each run, as their change shows
    # nowhere else.
    with_tags: bool = True

    @model_validator(mode="after")
    def _one_secret(self) -> BucketSource:
        if self.secret_access_key.get_secret_value() and self.secret_access_key_file:
            raise ValueError(
                "secret_access_key and secret_access_key_file say the same thing; set one of them"
            )
        return self


def _kind(source: object) -> object:
    return source.get("kind") if isinstance(source, dict) else getattr(source, "kind", None)


SourceSettings = Annotated[
    Annotated[FoldersSource, Tag("folders")]
    | Annotated[PostgresqlSource, Tag("postgresql")]
    | Annotated[MariadbSource, Tag("mariadb")]
    | Annotated[SqliteSource, Tag("sqlite")]
    | Annotated[CommandSource, Tag("command")]
    | Annotated[BucketSource, Tag("bucket")],
    # A field with a validator of its own, as all of a section have, can be no discriminator itself.
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message=(
            "kind must be one of folders, postgresql, mariadb, sqlite, command, bucket"
        ),
    ),
]

Sources = dict[Name, SourceSettings]
