"""What the keyring keeps: the vault, its mounts, named keys and their versions."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    false,
    text,
    true,
)

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

vault = Table(
    "vault",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seal", Text, nullable=False),
    # What the seal needs beside the wrapped root, as JSON; nothing secret.
    Column("seal_parameters", Text, nullable=False, server_default=text("''")),
    Column("wrapped_root", LargeBinary, nullable=False),
    # Which root wraps the keys; each rotation adds one.
    Column("root_generation", Integer, nullable=False, server_default=text("1")),
    # There is one vault in a store, also when two programs make it at the same moment.
    Column(
        "one",
        Integer,
        CheckConstraint("one = 1", name="one"),
        unique=True,
        default=1,
        nullable=False,
    ),
)

# Earlier roots, each under the one after it: copies of the store from before still open.
retired_root = Table(
    "retired_root",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("retired_at", BigInteger, nullable=False),
)

mount = Table(
    "mount",
    metadata,
    Column("path", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    # 0: the peer's own default, which clients show.
    Column("default_lease_seconds", BigInteger, nullable=False, server_default=text("0")),
    Column("max_lease_seconds", BigInteger, nullable=False, server_default=text("0")),
    Column("cache_size", BigInteger, nullable=False, server_default=text("0")),
    # Whether `encrypt` is not to make a key that is missing.
    Column("disable_upsert", Boolean, nullable=False, server_default=false()),
    # The last time that it was moved here, and from which path.
    Column("move_id", Text),
    Column("moved_from", Text),
    Column("created_at", BigInteger, nullable=False),
)

named_key = Table(
    "named_key",
    metadata,
    Column("mount", Text, ForeignKey("mount.path"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("min_decryption_version", Integer, nullable=False),
    Column("min_encryption_version", Integer, nullable=False),
    Column("exportable", Boolean, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("derived", Boolean, nullable=False, server_default=false()),
    Column("convergent", Boolean, nullable=False, server_default=false()),
    # How a derived key derives: see `crypto.derivation`.
    Column("kdf", Text, nullable=False, server_default=text("'hkdf_sha256'")),
    Column("allow_plaintext_backup", Boolean, nullable=False, server_default=false()),
    Column("deletion_allowed", Boolean, nullable=False, server_default=false()),
    # Of an imported key: whether versions may be made here.
    Column("allow_rotation", Boolean, nullable=False, server_default=true()),
    Column("soft_deleted", Boolean, nullable=False, server_default=false()),
    # Bytes of an HMAC key; 0 for the other kinds.
    Column("key_size", BigInteger, nullable=False, server_default=text("0")),
    Column("min_available_version", BigInteger, nullable=False, server_default=text("0")),
    # 0: only rotated by hand.
    Column("auto_rotate_seconds", BigInteger, nullable=False, server_default=text("0")),
    Column("backed_up_at", BigInteger),
    # What shows that the options are as they were set: see `keyring.binding`. Missing in keys that
    # were made before there was one, until they are changed or the root is rotated.
    Column("sealed_options", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
)

named_key_version = Table(
    "named_key_version",
    metadata,
    Column("mount", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    # The private material; empty where only the public half was imported.
    Column("wrapped", LargeBinary, nullable=False),
    # The key of the key's HMACs; where it is missing, it is derived from the material.
    Column("wrapped_hmac", LargeBinary),
    Column("public", Text),
    # PEM, the key's own certificate first.
    Column("certificate_chain", Text),
    # How many it has sealed, or may have: see `keyring.message_count`.
    Column("messages", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    # When somebody was told that it has sealed much.
    Column("warned_at", BigInteger),
    ForeignKeyConstraint(["mount", "name"], ["named_key.mount", "named_key.name"]),
)

# Who did what with which version; written every few seconds by `keyring.key_usage`.
key_usage = Table(
    "key_usage",
    metadata,
    Column("mount", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("operations", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)
