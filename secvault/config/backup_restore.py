"""Settings of where a restore may put databases and objects, beside the places they came from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from secvault.config.backup_sources import (
    BucketSource,
    MariadbSource,
    PostgresqlSource,
    SqliteSource,
)


def _kind(target: object) -> object:
    return target.get("kind") if isinstance(target, dict) else getattr(target, "kind", None)


Loadable = Annotated[
    Annotated[PostgresqlSource, Tag("postgresql")]
    | Annotated[MariadbSource, Tag("mariadb")]
    | Annotated[SqliteSource, Tag("sqlite")]
    | Annotated[BucketSource, Tag("bucket")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="kind must be one of postgresql, mariadb, sqlite, bucket",
    ),
]
"""A place that a source of the same kind can be restored into: settings as a source's own."""
